package bus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"dev.redditpulse/daemon/kafkatest"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) {
	if conf := os.Getenv(memberEnv); conf != "" {
		os.Exit(runMember(conf))
	}
	goleak.VerifyTestMain(kafkatest.Wrap(m))
}

const testGroup = "pulse.test"

// patience is how long any condition of these tests may take.
const patience = 30 * time.Second

func cluster(tb testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(3), kfake.GroupMinSessionTimeout(500 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func seeded(tb testing.TB, partitions int32) *kfake.Cluster {
	return cluster(tb, kfake.SeedTopics(partitions, topics...))
}

func config(brokers ...string) Config {
	return Config{
		Brokers: brokers, ClientID: "bus-test", Group: testGroup,
		SessionTimeout: 2 * time.Second, RebalanceTimeout: 3 * time.Second,
		Heartbeat: 100 * time.Millisecond, WriteTimeout: 2 * time.Second,
		FetchWait: 100 * time.Millisecond,
	}
}

func open(tb testing.TB, c Config) *Bus {
	tb.Helper()
	b, err := Open(c, quiet(), prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func withDeadline(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// eventually waits until ok, asked every few milliseconds, says so.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			tb.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

func record(topic string, i int) wire.Record {
	return wire.Record{
		Topic: topic, Key: fmt.Appendf(nil, "t3_%d", i), Value: fmt.Appendf(nil, `{"n":%d}`, i),
	}
}

func records(topic string, from, to int) []wire.Record {
	var all []wire.Record
	for i := from; i < to; i++ {
		all = append(all, record(topic, i))
	}
	return all
}

// mute is a broker that accepts connections and never answers.
func mute(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range held {
					c.Close()
				}
				return
			}
			held = append(held, c)
		}
	}()
	tb.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func host(address string) string {
	h, _, _ := net.SplitHostPort(address)
	return h
}

func port(address string) int32 {
	_, p, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(p)
	return int32(n)
}

func murmurPartition(key string, n int) int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(key)}, all...)
}
