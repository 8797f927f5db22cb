package kafkatest

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// version is what .ci/parts fetches.
const version = "4.1.2"

// findJars gives the folder of Kafka's jars.
func findJars() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("there is no java (run: make parts): %w", err)
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find Kafka's jars: %w", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	jars := filepath.Join(cache, "pulse-parts", "kafka-"+version)
	if _, err := os.Stat(jars); err != nil {
		return "", fmt.Errorf("there are no jars of Kafka %s (run: make parts): %w", version, err)
	}
	return jars, nil
}

// shared are the properties that all brokers have in common. The times make a
// dead broker or controller known after about 3 s.
var shared = map[string]string{
	"process.roles":                  "broker,controller",
	"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
	"controller.listener.names":      "CONTROLLER",
	"inter.broker.listener.name":     "PLAINTEXT",

	"auto.create.topics.enable":                        "false",
	"default.replication.factor":                       "3",
	"num.partitions":                                   "3",
	"min.insync.replicas":                              "2",
	"unclean.leader.election.enable":                   "false",
	"message.max.bytes":                                "1048588",
	"offsets.topic.replication.factor":                 "3",
	"offsets.topic.num.partitions":                     "6",
	"transaction.state.log.replication.factor":         "3",
	"transaction.state.log.min.isr":                    "2",
	"transaction.state.log.num.partitions":             "3",
	"share.coordinator.state.topic.replication.factor": "3",
	"share.coordinator.state.topic.min.isr":            "2",
	"share.coordinator.state.topic.num.partitions":     "3",
	"group.initial.rebalance.delay.ms":                 "500",
	"group.min.session.timeout.ms":                     "1500",
	"broker.session.timeout.ms":                        "3000",
	"broker.heartbeat.interval.ms":                     "500",
	"controller.quorum.fetch.timeout.ms":               "1500",
	"controller.quorum.election.timeout.ms":            "500",
	"replica.lag.time.max.ms":                          "6000",
	"num.network.threads":                              "2",
	"num.io.threads":                                   "4",
	"num.recovery.threads.per.data.dir":                "1",
	"log.cleaner.threads":                              "1",
	"log.cleaner.dedupe.buffer.size":                   "16777216",
}

// logging sends what brokers warn of to their output.
const logging = `rootLogger.level=WARN
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
appenders=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n
`

// properties are those of one broker, as text.
func (c *Cluster) properties(b *broker) string {
	all := maps.Clone(shared)
	var voters []string
	for _, other := range c.brokers {
		voters = append(voters, fmt.Sprintf("%d@%s", other.node, c.ports.controller(other.node)))
	}
	maps.Copy(all, map[string]string{
		"node.id":                  fmt.Sprint(b.node),
		"controller.quorum.voters": strings.Join(voters, ","),
		"listeners":                fmt.Sprintf("PLAINTEXT://%s,CONTROLLER://%s", b.address, c.ports.controller(b.node)),
		"advertised.listeners":     "PLAINTEXT://" + b.address,
		"log.dirs":                 b.path("data"),
	})
	maps.Copy(all, c.settings.properties)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s=%s\n", key, all[key])
	}
	return text.String()
}
