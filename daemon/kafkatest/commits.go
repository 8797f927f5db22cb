package kafkatest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	offsetsTopic = "__consumer_offsets"
	commitsLimit = time.Minute
)

// CheckCommits reads what a group has ever committed from the brokers' own log and
// fails the test where an offset is below the one before. Asking the coordinator
// instead would accuse the innocent: a new one may for a moment answer with less
// than its predecessor acknowledged, until it knows that its copies have it.
func (c *Cluster) CheckCommits(tb testing.TB, group string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commitsLimit)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.ConsumeTopics(offsetsTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	ends, err := endsOf(ctx, client)
	if err != nil {
		tb.Fatalf("find the ends of %s: %v", offsetsTopic, err)
	}
	next, last, commits := map[int32]int64{}, map[string]int64{}, 0
	for !reached(next, ends) {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			tb.Fatalf("%s was read to %v of %v within %s", offsetsTopic, next, ends, commitsLimit)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next[r.Partition] = r.Offset + 1
			at, offset, ours := commitOf(r, group)
			if !ours {
				return
			}
			commits++
			if offset < last[at] {
				tb.Errorf("%s was committed at %d and then at %d", at, last[at], offset)
			}
			last[at] = offset
		})
	}
	if commits == 0 {
		tb.Errorf("%s has no commit of %s", offsetsTopic, group)
	}
}

func endsOf(ctx context.Context, client *kgo.Client) (map[int32]int64, error) {
	topic := offsetsTopic
	known := kmsg.NewPtrMetadataRequest()
	known.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	meta, err := known.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	for _, p := range meta.Topics[0].Partitions {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = p.Partition, -1
		asked.Partitions = append(asked.Partitions, one)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.Topics = []kmsg.ListOffsetsRequestTopic{asked}
	answer, err := list.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for _, p := range answer.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			return nil, fmt.Errorf("partition %d: error %d", p.Partition, p.ErrorCode)
		}
		ends[p.Partition] = p.Offset
	}
	return ends, nil
}

func reached(next, ends map[int32]int64) bool {
	for partition, end := range ends {
		if next[partition] < end {
			return false
		}
	}
	return true
}

// commitOf reads one record of the log, if it is a commit of the group: topic and
// partition, and the offset.
func commitOf(r *kgo.Record, group string) (at string, offset int64, ours bool) {
	var key kmsg.OffsetCommitKey
	var value kmsg.OffsetCommitValue
	if len(r.Key) < 2 || r.Key[0] != 0 || r.Key[1] > 1 || r.Value == nil {
		return "", 0, false // about a member, or forgotten
	}
	if key.ReadFrom(r.Key) != nil || value.ReadFrom(r.Value) != nil || key.Group != group {
		return "", 0, false
	}
	return fmt.Sprintf("%s/%d", key.Topic, key.Partition), value.Offset, true
}
