package kafkatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// What one request may take.
const requestLimit = 5 * time.Second

// ControllerNode is the active controller's number, as the controllers note it
// themselves: clients are told of another one.
func (c *Cluster) ControllerNode() int {
	c.tb.Helper()
	var newest struct {
		LeaderID    int `json:"leaderId"`
		LeaderEpoch int `json:"leaderEpoch"`
	}
	c.await("there is no active controller", func(context.Context) error {
		for _, b := range c.brokers {
			text, err := os.ReadFile(b.path("data/__cluster_metadata-0/quorum-state"))
			if err != nil {
				continue
			}
			state := newest
			if json.Unmarshal(text, &state) == nil && state.LeaderID > 0 && state.LeaderEpoch > newest.LeaderEpoch {
				newest = state
			}
		}
		if newest.LeaderID < 1 || !c.broker(newest.LeaderID).alive() {
			return errors.New("none is elected")
		}
		return nil
	})
	return newest.LeaderID
}

// Coordinator is the number of the broker that keeps the group.
func (c *Cluster) Coordinator(group string) (node int) {
	c.tb.Helper()
	c.await("group "+group+" has no coordinator", func(ctx context.Context) (err error) {
		node, err = c.coordinator(ctx, group)
		return err
	})
	return node
}

// LeaderOf is the number of the partition's leader.
func (c *Cluster) LeaderOf(topic string, partition int) (node int) {
	c.tb.Helper()
	c.await(fmt.Sprintf("%s/%d has no leader", topic, partition), func(ctx context.Context) error {
		all, err := c.partitions(ctx, topic)
		if err != nil {
			return err
		}
		for _, p := range all {
			if int(p.PartitionIndex) == partition && p.LeaderID > 0 && c.broker(int(p.LeaderID)).alive() {
				node = int(p.LeaderID)
				return nil
			}
		}
		return errors.New("no leader in the metadata")
	})
	return node
}

// AwaitISR waits until all replicas of the topics are in sync, of every topic
// where none is named.
func (c *Cluster) AwaitISR(topics ...string) {
	c.tb.Helper()
	c.await("not all replicas are in sync", func(ctx context.Context) error { return c.inSync(ctx, topics) })
}

func (c *Cluster) inSync(ctx context.Context, topics []string) error {
	all, err := c.partitions(ctx, topics...)
	if err != nil {
		return err
	}
	if len(topics) > 0 && len(all) == 0 {
		return fmt.Errorf("%v: no partitions", topics)
	}
	for _, p := range all {
		if len(p.IsrNodes) < len(p.ReplicaNodes) || p.LeaderID < 1 {
			return fmt.Errorf("partition %d has leader %d and %v of %v", p.PartitionIndex, p.LeaderID, p.IsrNodes, p.ReplicaNodes)
		}
	}
	return nil
}

// await asks until there is no error, and fails the test after startLimit.
func (c *Cluster) await(trouble string, ask func(context.Context) error) {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := until(ctx, ask); err != nil {
		c.tb.Fatalf("kafkatest: %s: %v", trouble, err)
	}
}

func until(ctx context.Context, ask func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		try, cancel := context.WithTimeout(ctx, requestLimit)
		err := ask(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// awaitService waits until every broker answers, all see each other and the
// group coordinators work, which the first question makes.
func (c *Cluster) awaitService(ctx context.Context) error {
	err := until(ctx, func(ctx context.Context) error {
		for _, b := range c.brokers {
			if !b.alive() {
				return nil // told below
			}
			if err := c.ask(ctx, b, func(client *kafka.Client) error { return sees(ctx, client, nodes) }); err != nil {
				return fmt.Errorf("broker %d: %w", b.node, err)
			}
		}
		return c.warmGroups(ctx)
	})
	for _, b := range c.brokers {
		if !b.alive() {
			return b.ended()
		}
	}
	if err != nil {
		return fmt.Errorf("wait for the brokers: %w\n%s", err, c.lastWords())
	}
	return nil
}

func sees(ctx context.Context, client *kafka.Client, brokers int) error {
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	if len(res.Brokers) < brokers {
		return fmt.Errorf("it sees %d brokers", len(res.Brokers))
	}
	return nil
}

// warmGroups has every partition of __consumer_offsets loaded by its leader: a
// listing of groups is refused before.
func (c *Cluster) warmGroups(ctx context.Context) error {
	if _, err := c.coordinator(ctx, "warm"); err != nil {
		return err
	}
	if err := c.inSync(ctx, []string{"__consumer_offsets"}); err != nil {
		return err
	}
	return c.asking(ctx, func(client *kafka.Client) error {
		res, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
		if err != nil {
			return err
		}
		return res.Error
	})
}

func (c *Cluster) coordinator(ctx context.Context, group string) (node int, err error) {
	err = c.asking(ctx, func(client *kafka.Client) error {
		res, err := client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: group, KeyType: kafka.CoordinatorKeyTypeConsumer})
		switch {
		case err != nil:
			return err
		case res.Error != nil:
			return res.Error
		}
		if node = res.Coordinator.NodeID; node < 1 || node > nodes || !c.brokers[node-1].alive() {
			return fmt.Errorf("broker %d is down", node)
		}
		return nil
	})
	return node, err
}

// partitions of the topics, or of all.
func (c *Cluster) partitions(ctx context.Context, topics ...string) (all []metadata.ResponsePartition, err error) {
	err = c.asking(ctx, func(client *kafka.Client) error {
		m, err := client.Transport.RoundTrip(ctx, client.Addr, &metadata.Request{TopicNames: topics})
		if err != nil {
			return err
		}
		all = nil
		for _, t := range m.(*metadata.Response).Topics {
			if t.ErrorCode != 0 {
				return fmt.Errorf("topic %s: %w", t.Name, kafka.Error(t.ErrorCode))
			}
			if len(topics) == 0 || slices.Contains(topics, t.Name) {
				all = append(all, t.Partitions...)
			}
		}
		return nil
	})
	return all, err
}

// asking puts a question to the brokers that can answer, until one does.
func (c *Cluster) asking(ctx context.Context, question func(*kafka.Client) error) error {
	faults := []error{errors.New("no broker is up")}
	for _, b := range c.brokers {
		if !b.answers() {
			continue
		}
		err := c.ask(ctx, b, question)
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults[min(1, len(faults)-1):]...)
}

// ask uses connections of its own, so that no answer is an old one.
func (c *Cluster) ask(ctx context.Context, b *broker, question func(*kafka.Client) error) error {
	background, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &kafka.Transport{DialTimeout: time.Second, MetadataTTL: 5 * time.Second, Context: background}
	defer t.CloseIdleConnections()
	return question(&kafka.Client{Addr: kafka.TCP(b.address), Transport: t, Timeout: requestLimit})
}
