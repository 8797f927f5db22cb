package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"dev.redditpulse/shared/pulse"
)

const (
	// No post id is longer: what is, and has no business here, is left out.
	maxKey = 64
	// Records that Unprocessed looks at, and so the most keys that it gives. At
	// 40 bytes a key they take 110 MB.
	maxTail = 1_000_000
	// How long Unprocessed tries to get any further before it gives up.
	tailTimeout = 6 * requestTimeout
)

// Unprocessed gives the distinct keys of topic's records, in no order, from what
// the group has committed (the log's start where it has not) to the log's end
// as of this call: what has been produced and may not be stored yet. Whoever
// combines it with what is stored asks here first: a record that is stored and
// committed in between is in both answers then, never in neither.
//
// At most 1,000,000 records are looked at: where more wait, the partitions with
// the longest tails are read from further on, so that the oldest records are
// left out, with a warning that counts them. Brokers' trouble is retried for
// 30 s at each step. The error is Unavailable where that did not help, or the
// topic is missing.
func (b *Bus) Unprocessed(ctx context.Context, topic string) ([]string, error) {
	return b.unprocessed(ctx, topic, maxTail)
}

func (b *Bus) unprocessed(ctx context.Context, topic string, most int64) ([]string, error) {
	if b.conf.Group == "" {
		return nil, pulse.InvalidField("kafka.group", "missing: what is unprocessed depends on it")
	}
	if err := checkTopics([]string{topic}); err != nil {
		return nil, fmt.Errorf("read what is unprocessed: %w", err)
	}
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what is unprocessed: %w", err)
	}
	defer done()
	keys, err := b.tailKeys(ctx, topic, most)
	if err != nil {
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "read what is unprocessed of " + topic, Err: err}
	}
	return slices.AppendSeq(make([]string, 0, len(keys)), maps.Keys(keys)), nil
}

func (b *Bus) tailKeys(ctx context.Context, topic string, most int64) (map[string]struct{}, error) {
	tails, err := b.tails(ctx, topic)
	if err != nil {
		return nil, err
	}
	if dropped := shorten(tails, most); dropped > 0 {
		b.log.Warn("too much is unprocessed to look at all of it: the oldest is left out",
			"topic", topic, "left_out", dropped, "looked_at", most)
	}
	keys := make(map[string]struct{})
	for _, t := range tails {
		if err := b.readTail(ctx, topic, t, keys); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// tail is the offsets of one partition that are not processed: end is behind
// the last.
type tail struct {
	partition  int
	start, end int64
}

var errNoTopic = errors.New("there is no such topic: `pulse topics ensure` makes it")

// tails asks for the commits before the ends, so that no record lies between.
func (b *Bus) tails(ctx context.Context, topic string) ([]tail, error) {
	partitions, err := b.partitionsOf(ctx, topic)
	if err != nil {
		return nil, err
	}
	committed, err := b.committed(ctx, topic, partitions)
	if err != nil {
		return nil, err
	}
	tails, err := b.logs(ctx, topic, partitions)
	if err != nil {
		return nil, err
	}
	for i := range tails {
		t := &tails[i]
		// A commit outside the log is one of a topic that was made anew, or of
		// records that are gone: the group will read on from the log's start.
		if at, ok := committed[t.partition]; ok && at >= t.start && at <= t.end {
			t.start = at
		}
	}
	return tails, nil
}

func (b *Bus) partitionsOf(ctx context.Context, topic string) ([]int, error) {
	var partitions []int
	err := b.retry(ctx, tailTimeout, func(ctx context.Context) error {
		states, err := b.describe(ctx)
		if err != nil {
			return err
		}
		partitions = nil
		for _, s := range states {
			for _, p := range s.Partitions {
				if s.Name == topic {
					partitions = append(partitions, p.Partition)
				}
			}
		}
		return nil
	})
	if err == nil && len(partitions) == 0 {
		err = errNoTopic
	}
	return partitions, err
}

// committed gives the group's offsets by partition, without those it has none of.
func (b *Bus) committed(ctx context.Context, topic string, partitions []int) (map[int]int64, error) {
	offsets := make(map[int]int64)
	err := b.retry(ctx, tailTimeout, func(ctx context.Context) error {
		res, err := b.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
			GroupID: b.conf.Group, Topics: map[string][]int{topic: partitions},
		})
		if err != nil {
			return err
		}
		if errors.Is(res.Error, kafka.GroupIdNotFound) { // what some brokers say of a group without offsets
			return nil
		}
		if res.Error != nil {
			return res.Error
		}
		for _, p := range res.Topics[topic] {
			if p.Error != nil {
				return p.Error
			}
			if p.CommittedOffset >= 0 {
				offsets[p.Partition] = p.CommittedOffset
			}
		}
		return nil
	})
	return offsets, err
}

// logs gives the whole log of each partition.
func (b *Bus) logs(ctx context.Context, topic string, partitions []int) ([]tail, error) {
	var want []kafka.OffsetRequest
	for _, p := range partitions {
		want = append(want, kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
	}
	var logs []tail
	err := b.retry(ctx, tailTimeout, func(ctx context.Context) error {
		res, err := b.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
			Topics: map[string][]kafka.OffsetRequest{topic: want},
		})
		if err != nil {
			return err
		}
		logs = nil
		for _, p := range res.Topics[topic] {
			if p.Error != nil {
				return p.Error
			}
			if p.FirstOffset < 0 || p.LastOffset < p.FirstOffset {
				return fmt.Errorf("the log's bounds are %d to %d", p.FirstOffset, p.LastOffset)
			}
			logs = append(logs, tail{partition: p.Partition, start: p.FirstOffset, end: p.LastOffset})
		}
		if len(logs) < len(partitions) {
			return fmt.Errorf("bounds of %d partitions in the answer, want %d", len(logs), len(partitions))
		}
		return nil
	})
	return logs, err
}

// shorten moves the starts of the longest tails on until at most most offsets
// are left, and tells how many it left out.
func shorten(tails []tail, most int64) (dropped int64) {
	slices.SortFunc(tails, func(x, y tail) int { return cmp.Compare(x.end-x.start, y.end-y.start) })
	for i := range tails {
		t := &tails[i]
		// The shorter ones have taken less than their share: the rest is shared.
		share := most / int64(len(tails)-i)
		if length := t.end - t.start; length > share {
			dropped += length - share
			t.start = t.end - share
		}
		most -= t.end - t.start
	}
	return dropped
}

// readTail adds the keys of t's records to keys. Each step gets at least one
// offset further or is tried again.
func (b *Bus) readTail(ctx context.Context, topic string, t tail, keys map[string]struct{}) error {
	for t.start < t.end {
		err := b.retry(ctx, tailTimeout, func(ctx context.Context) error {
			next, err := b.readStep(ctx, topic, t, keys)
			if next > t.start {
				t.start = next
				return nil
			}
			if err == nil {
				err = errors.New("the leader gives no records")
			}
			b.metrics.fetchErrs.Inc()
			b.fetchTrouble.warn(b.log, "a partition cannot be read: trying again",
				"topic", topic, "partition", t.partition, "offset", t.start, "err", err)
			return err
		})
		if err != nil {
			return fmt.Errorf("partition %d at offset %d of %d: %w", t.partition, t.start, t.end, err)
		}
	}
	return nil
}

// readStep asks the leader once and gives the offset to read next.
func (b *Bus) readStep(ctx context.Context, topic string, t tail, keys map[string]struct{}) (next int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.conf.FetchWait+fetchSlack)
	defer cancel()
	res, err := b.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: t.partition, Offset: t.start,
		MinBytes: 1, MaxBytes: int64(b.conf.FetchBytes), MaxWait: b.conf.FetchWait,
	})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return b.afterCut(ctx, topic, t, err)
	}
	if err != nil {
		return t.start, err
	}
	return keysOf(res.Records, t, keys)
}

// afterCut is where to read on when the log no longer has t's start, be it that
// records have been removed or that the topic was made anew. What is gone
// needs no reading.
func (b *Bus) afterCut(ctx context.Context, topic string, t tail, denied error) (int64, error) {
	logs, err := b.logs(ctx, topic, []int{t.partition})
	switch {
	case err != nil:
		return t.start, err
	case logs[0].start > t.start:
		return logs[0].start, nil
	case logs[0].end < t.start:
		return t.end, nil
	}
	return t.start, denied // by a broker that lags behind
}

// keysOf adds the keys of the records from t's start to its end and gives the
// offset behind all that it saw. The marks that end transactions count as seen,
// and so does one offset of a batch that compaction has emptied: where it ends is
// not told.
func keysOf(records kafka.RecordReader, t tail, keys map[string]struct{}) (next int64, err error) {
	batches := []kafka.RecordReader{records}
	if all, ok := records.(*protocol.RecordStream); ok {
		batches = all.Records // which gives the marks as well
	}
	next = t.start
	for _, batch := range batches {
		last, err := keysOfBatch(batch, t, keys)
		if err != nil {
			return max(next, last+1), err
		}
		if based, ok := batch.(interface{ Offset() int64 }); ok && last < 0 {
			last = max(based.Offset(), t.start)
		}
		next = max(next, last+1)
	}
	return next, nil
}

// keysOfBatch gives the last offset that it saw, -1 for none.
func keysOfBatch(batch kafka.RecordReader, t tail, keys map[string]struct{}) (last int64, err error) {
	_, marks := batch.(*protocol.ControlBatch)
	last = -1
	for {
		rec, err := batch.ReadRecord()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		if !marks && rec.Offset >= t.start && rec.Offset < t.end {
			err = addKey(rec, keys)
		}
		discard(rec)
		if err != nil {
			return last, fmt.Errorf("read key of offset %d: %w", rec.Offset, err)
		}
		last = rec.Offset
	}
}

func addKey(rec *kafka.Record, keys map[string]struct{}) error {
	if rec.Key == nil || rec.Key.Len() == 0 || rec.Key.Len() > maxKey {
		return nil
	}
	var room [maxKey]byte
	key := room[:rec.Key.Len()]
	if _, err := io.ReadFull(rec.Key, key); err != nil {
		return err
	}
	if _, known := keys[string(key)]; !known {
		keys[string(key)] = struct{}{}
	}
	return nil
}
