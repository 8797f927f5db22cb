package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"
)

const helperEnv = "KAFKATEST_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		os.Exit(helper())
	}
	goleak.VerifyTestMain(Wrap(m))
}

// helper starts brokers, says which processes they are and waits to be killed.
func helper() int {
	c, err := launch()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, b := range c.brokers {
		fmt.Println(b.proc.Pid)
	}
	fmt.Println(c.dir)
	select {}
}

func client(c *Cluster) (*kafka.Client, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &kafka.Transport{MetadataTTL: time.Second, Context: ctx}
	return &kafka.Client{Addr: kafka.TCP(c.Brokers()...), Transport: t, Timeout: 10 * time.Second},
		func() { cancel(); t.CloseIdleConnections() }
}

func makeTopic(t *testing.T, c *Cluster, name string) {
	t.Helper()
	cl, done := client(c)
	defer done()
	res, err := cl.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: 3, ReplicationFactor: 3}},
	})
	if err != nil || res.Errors[name] != nil {
		t.Fatal(err, res)
	}
	c.AwaitISR(name)
}

func TestEachRoleIsFoundAgainAfterItsBrokerIsGone(t *testing.T) {
	c := Shared(t)
	makeTopic(t, c, "t")
	node := c.LeaderOf("t", 1)
	c.Kill(node)
	if got := c.broker(node).state(); got != "down" {
		t.Errorf("the killed broker is %s", got)
	}
	for role, find := range map[string]func() int{
		"controller":  c.ControllerNode,
		"coordinator": func() int { return c.Coordinator("g") },
		"leader":      func() int { return c.LeaderOf("t", 1) },
	} {
		if find() == node {
			t.Errorf("broker %d is the %s after its death", node, role)
		}
	}
	c.Restart(node)
	c.AwaitISR()
}

func TestAFrozenBrokerSaysNothingUntilItIsThawed(t *testing.T) {
	c := Shared(t)
	c.Freeze(2)
	b := c.broker(2)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := c.ask(ctx, b, func(cl *kafka.Client) error { return sees(ctx, cl, 1) }); err == nil {
		t.Error("it answers")
	}
	c.Thaw(2)
	c.await("it does not answer", func(ctx context.Context) error {
		return c.ask(ctx, b, func(cl *kafka.Client) error { return sees(ctx, cl, nodes) })
	})
}

func TestTheNextTestFindsAllBrokersAndNoTopics(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		c := Shared(t)
		makeTopic(t, c, "left")
		c.Term(3)
		c.Freeze(1)
	})
	t.Run("two", func(t *testing.T) {
		c := Shared(t)
		cl, done := client(c)
		defer done()
		res, err := cl.Metadata(t.Context(), &kafka.MetadataRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Brokers) != nodes || slices.ContainsFunc(res.Topics, func(t kafka.Topic) bool { return t.Name == "left" }) {
			t.Errorf("%d brokers, topics %v", len(res.Brokers), res.Topics)
		}
	})
}

func TestTwoProcessesHaveClustersOfTheirOwnThatDieWithThem(t *testing.T) {
	_ = Shared(t) // ports of its own
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	pids := make([]int, nodes)
	var dir string
	if _, err := fmt.Fscan(out, &pids[0], &pids[1], &pids[2], &dir); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, pid := range pids {
		if err := until(ctx, func(context.Context) error { return gone(pid) }); err != nil {
			t.Error(err)
		}
	}
	sweep()
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left", dir)
	}
}

// gone takes a process that nobody has waited for yet as gone.
func gone(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil && !strings.Contains(string(stat), ") Z ") && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return fmt.Errorf("process %d runs on", pid)
	}
	return nil
}

func TestMissingJarsAreAnErrorThatSaysWhatToRun(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := findJars(); err == nil || !strings.Contains(err.Error(), "run: make parts") {
		t.Errorf("got %v", err)
	}
}

func TestTheScriptFetchesThisVersion(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../.ci/parts")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "\nkafka="+version+"\n") {
		t.Errorf(".ci/parts does not fetch Kafka %s", version)
	}
}

func TestBlocksOfPortsDoNotOverlap(t *testing.T) {
	t.Parallel()
	a, err := reservePorts()
	if err != nil {
		t.Fatal(err)
	}
	defer a.free()
	b, err := reservePorts()
	if err != nil {
		t.Fatal(err)
	}
	defer b.free()
	if distance := b.first - a.first; distance > -blockPorts && distance < blockPorts {
		t.Errorf("blocks at %d and %d", a.first, b.first)
	}
}
