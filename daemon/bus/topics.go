package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// How long EnsureTopics waits for brokers that are still starting.
	ensureTimeout = 30 * time.Second
	// How long too few brokers may be up before that is the configuration's fault.
	replicasTimeout = 10 * time.Second
)

// Topics is what the topics shall be. It only counts for topics that are
// missing: those that exist are never changed.
type Topics struct {
	Partitions        int
	ReplicationFactor int
	MinInsyncReplicas int
	Retention         time.Duration // of records; 0: the brokers' default
	DeadRetention     time.Duration // of dead letters; 0: the brokers' default
}

// TopicState is one of our topics as the brokers see it.
type TopicState struct {
	Name       string
	Partitions []PartitionState // by number; empty while the topic is missing
}

// PartitionState is one partition as the brokers see it.
type PartitionState struct {
	Partition int
	Leader    int // broker's number, -1 while there is none
	Replicas  []int
	ISR       []int // the replicas that have everything acknowledged
}

// Led tells whether the topic is there and each of its partitions has a leader.
func (t *TopicState) Led() bool {
	return len(t.Partitions) > 0 &&
		!slices.ContainsFunc(t.Partitions, func(p PartitionState) bool { return p.Leader < 0 })
}

// EnsureTopics creates the topics that are missing and returns when all have
// leaders. Several processes may do it at once. A topic with fewer partitions
// than t says stays as it is, with a warning.
func (b *Bus) EnsureTopics(ctx context.Context, t Topics) error {
	if err := t.check(); err != nil {
		return fmt.Errorf("ensure topics: %w", err)
	}
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return fmt.Errorf("ensure topics: %w", err)
	}
	defer done()
	began := time.Now()
	err = b.retry(ctx, ensureTimeout, func(ctx context.Context) error {
		states, err := b.describe(ctx)
		if err != nil {
			return err
		}
		return b.createMissing(ctx, t, states, began)
	})
	if err != nil {
		return fmt.Errorf("ensure topics: %w", err)
	}
	return nil
}

func (t *Topics) check() error {
	switch {
	case t.Partitions < 1:
		return pulse.InvalidField("kafka.partitions", "%d, want at least 1", t.Partitions)
	case t.ReplicationFactor < 1:
		return pulse.InvalidField("kafka.replication_factor", "%d, want at least 1", t.ReplicationFactor)
	case t.MinInsyncReplicas < 1 || t.MinInsyncReplicas > t.ReplicationFactor:
		return pulse.InvalidField("kafka.min_insync_replicas", "%d, want 1 to the replication factor %d",
			t.MinInsyncReplicas, t.ReplicationFactor)
	case t.Retention < 0:
		return pulse.InvalidField("kafka.retention", "%s is negative", t.Retention)
	case t.DeadRetention < 0:
		return pulse.InvalidField("kafka.dead_retention", "%s is negative", t.DeadRetention)
	}
	return nil
}

var errNotLed = errors.New("not all partitions have a leader yet")

// createMissing is nil when nothing is missing and all partitions are led.
func (b *Bus) createMissing(ctx context.Context, t Topics, states []TopicState, began time.Time) error {
	var missing []kafka.TopicConfig
	led := true
	for i := range states {
		s := &states[i]
		if len(s.Partitions) == 0 {
			missing = append(missing, t.config(s.Name))
			continue
		}
		if led = led && s.Led(); len(s.Partitions) < t.Partitions {
			b.log.Warn("topic has fewer partitions than configured: grow it", "topic", s.Name,
				"partitions", len(s.Partitions), "configured", t.Partitions)
		}
	}
	if len(missing) == 0 {
		if !led {
			return errNotLed
		}
		return nil
	}
	res, err := b.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return err
	}
	for topic, err := range res.Errors {
		switch {
		case err == nil:
			b.log.Info("topic created", "topic", topic, "partitions", t.Partitions, "replicas", t.ReplicationFactor)
		case errors.Is(err, kafka.TopicAlreadyExists): // another process was quicker
		case errors.Is(err, kafka.InvalidReplicationFactor) && time.Since(began) > replicasTimeout:
			return pulse.InvalidField("kafka.replication_factor",
				"%d is more than the brokers that are up (%s)", t.ReplicationFactor, err)
		default:
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	return errNotLed // look again
}

func (t *Topics) config(name string) kafka.TopicConfig {
	largest, retention := maxMessageBytes, t.Retention
	if name == wire.TopicDead {
		largest, retention = maxMessageBytes+deadSlack, t.DeadRetention
	}
	c := kafka.TopicConfig{
		Topic: name, NumPartitions: t.Partitions, ReplicationFactor: t.ReplicationFactor,
		ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(t.MinInsyncReplicas)},
			{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(largest)},
			{ConfigName: "compression.type", ConfigValue: "producer"},
			{ConfigName: "cleanup.policy", ConfigValue: "delete"},
		},
	}
	if retention > 0 {
		c.ConfigEntries = append(c.ConfigEntries, kafka.ConfigEntry{
			ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(retention.Milliseconds(), 10),
		})
	}
	return c
}

// DescribeTopics asks the brokers how our topics stand, in the order of the
// posts' way. It answers from no cache.
func (b *Bus) DescribeTopics(ctx context.Context) ([]TopicState, error) {
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	defer done()
	var states []TopicState
	err = b.retry(ctx, requestTimeout, func(ctx context.Context) error {
		states, err = b.describe(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	return states, nil
}

// describe uses a transport of its own: the shared one goes on answering from
// its last metadata when no broker is left.
func (b *Bus) describe(ctx context.Context) ([]TopicState, error) {
	background, cancel := context.WithCancel(ctx)
	defer cancel()
	d := newDialer(b.rotation, b.conf.ClientID)
	defer d.shut()
	t := b.newTransport(background, d, topics...)
	defer t.CloseIdleConnections()
	m, err := t.RoundTrip(ctx, bootstrap, &metadata.Request{TopicNames: topics})
	if err != nil {
		return nil, err
	}
	var states []TopicState
	for _, topic := range m.(*metadata.Response).Topics {
		s := TopicState{Name: topic.Name}
		if code := kafka.Error(topic.ErrorCode); code != 0 && code != kafka.UnknownTopicOrPartition &&
			code != kafka.LeaderNotAvailable {
			return nil, fmt.Errorf("topic %s: %w", topic.Name, code)
		}
		for _, p := range topic.Partitions {
			s.Partitions = append(s.Partitions, PartitionState{
				Partition: int(p.PartitionIndex), Leader: int(p.LeaderID),
				Replicas: ints(p.ReplicaNodes), ISR: ints(p.IsrNodes),
			})
		}
		slices.SortFunc(s.Partitions, func(x, y PartitionState) int { return x.Partition - y.Partition })
		states = append(states, s)
	}
	slices.SortFunc(states, func(x, y TopicState) int {
		return slices.Index(topics, x.Name) - slices.Index(topics, y.Name)
	})
	return states, nil
}

func ints(ids []int32) []int {
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = int(id)
	}
	slices.Sort(out)
	return out
}
