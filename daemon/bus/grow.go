package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"dev.redditpulse/shared/pulse"
)

// MaxPartitions is how many partitions a topic may be given: as many as the
// configuration allows.
const MaxPartitions = 64

// How long GrowTopics waits for the new partitions to have leaders.
const growTimeout = 30 * time.Second

// GrowTopics gives each of our topics as many partitions, new ones included, and
// returns when all have leaders. A topic that has them already stays as it is;
// where one has more, nothing is changed, because no topic shrinks. Producers
// and members of the group take the new partitions up by themselves within
// seconds.
//
// From then on a key may belong to another partition than its older records:
// for a moment two processes may read the same key.
func (b *Bus) GrowTopics(ctx context.Context, partitions int) error {
	if partitions < 1 || partitions > MaxPartitions {
		return fmt.Errorf("grow topics: %w", pulse.InvalidField("partitions", "%d, want 1 to %d", partitions, MaxPartitions))
	}
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return fmt.Errorf("grow topics: %w", err)
	}
	defer done()
	began := time.Now()
	err = b.retry(ctx, growTimeout, func(ctx context.Context) error {
		states, err := b.describe(ctx)
		if err != nil {
			return err
		}
		small, err := smaller(states, partitions)
		if err != nil {
			return err
		}
		if len(small) > 0 {
			return b.growEach(ctx, small, partitions, began)
		}
		for i := range states {
			if !states[i].Led() {
				return errNotLed
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("grow topics: %w", err)
	}
	return nil
}

// smaller gives the topics that have to grow, or an error where one can't.
func smaller(states []TopicState, partitions int) ([]string, error) {
	var small []string
	for i := range states {
		name := states[i].Name
		switch has := len(states[i].Partitions); {
		case has == 0:
			return nil, pulse.InvalidField("topic", "%s is missing: run `pulse topics ensure`", name)
		case has > partitions:
			return nil, pulse.InvalidField("partitions", "%d, but %s has %d: no topic shrinks", partitions, name, has)
		case has < partitions:
			small = append(small, name)
		}
	}
	return small, nil
}

// growEach always gives an error: that of the brokers, or the one to look again.
func (b *Bus) growEach(ctx context.Context, names []string, partitions int, began time.Time) error {
	req := &kafka.CreatePartitionsRequest{}
	for _, name := range names {
		req.Topics = append(req.Topics, kafka.TopicPartitionsConfig{Name: name, Count: int32(partitions)})
	}
	res, err := b.client.CreatePartitions(ctx, req)
	if err != nil {
		return err
	}
	for topic, err := range res.Errors {
		switch {
		case err == nil:
			b.log.Info("topic has grown", "topic", topic, "partitions", partitions)
		case errors.Is(err, kafka.InvalidPartitionNumber): // another process was quicker
		case errors.Is(err, kafka.InvalidReplicationFactor) && time.Since(began) > replicasTimeout:
			return &pulse.Error{Code: pulse.Unavailable, Message: "too few brokers are up for new partitions", Err: err}
		default:
			return fmt.Errorf("grow topic %s: %w", topic, err)
		}
	}
	return errNotLed
}
