package kafkatest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
)

// kept is the cluster that Shared hands from test to test; one covers it.
var kept *Cluster

// Main runs the tests of a package and removes the shared cluster after them.
// Every TestMain of a package that uses Shared calls it, or Wrap.
func Main(m *testing.M) { os.Exit(Wrap(m).Run()) }

// Runner is what runs tests: *testing.M, and what goleak.VerifyTestMain takes.
type Runner interface{ Run() int }

// Wrap gives a Runner that removes the shared cluster after m's tests:
// goleak.VerifyTestMain(kafkatest.Wrap(m)).
func Wrap(m Runner) Runner { return runner{m} }

type runner struct{ tests Runner }

func (r runner) Run() int {
	code := r.tests.Run()
	one.Lock()
	defer one.Unlock()
	if err := discardKept(); err != nil {
		fmt.Fprintln(os.Stderr, "kafkatest:", err)
		return max(code, 1)
	}
	return code
}

// discardKept needs one.
func discardKept() error {
	if kept == nil {
		return nil
	}
	c := kept
	kept = nil
	return c.remove()
}

// Shared gives this test, and until its end no other, the cluster that the
// process keeps: started at the first call, quicker to have than one of its own.
// All brokers are up and there are no topics, but groups of earlier tests may
// be left: take a name of your own.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	one.Lock()
	tb.Cleanup(one.Unlock)
	if kept == nil {
		c, err := launch()
		if err != nil {
			tb.Fatalf("kafkatest: %v", err)
		}
		kept = c
	}
	kept.tb = tb
	kept.mend()
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log("kafkatest: " + kept.lastWords())
		}
	})
	return kept
}

// mend undoes what the test before did.
func (c *Cluster) mend() {
	c.tb.Helper()
	for _, b := range c.brokers {
		b.signal(syscall.SIGCONT)
		if !b.alive() {
			c.Restart(b.node)
		}
	}
	c.await("the brokers are not back", func(ctx context.Context) error {
		for _, b := range c.brokers {
			if !b.alive() {
				return b.ended()
			}
			if err := c.ask(ctx, b, func(client *kafka.Client) error { return sees(ctx, client, nodes) }); err != nil {
				return err
			}
		}
		return c.warmGroups(ctx)
	})
	c.await("the topics cannot be deleted", c.deleteTopics)
}

// deleteTopics is content when no broker knows of any.
func (c *Cluster) deleteTopics(ctx context.Context) error {
	for _, b := range c.brokers {
		err := c.ask(ctx, b, func(client *kafka.Client) error {
			res, err := client.Metadata(ctx, &kafka.MetadataRequest{})
			if err != nil {
				return err
			}
			var names []string
			for _, t := range res.Topics {
				if !strings.HasPrefix(t.Name, "__") {
					names = append(names, t.Name)
				}
			}
			if len(names) == 0 {
				return nil
			}
			if _, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names}); err != nil {
				return err
			}
			return fmt.Errorf("%d topics were still there", len(names))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
