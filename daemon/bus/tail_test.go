package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/quick"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// commitAs stores the group's offset as its members do.
func commitAs(ctx context.Context, t *testing.T, b *Bus, partition int, next int64) {
	t.Helper()
	res, err := b.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: testGroup, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{wire.TopicRaw: {{Partition: partition, Offset: next}}},
	})
	if err == nil {
		err = res.Topics[wire.TopicRaw][0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func keysFrom(from, to int) (keys []string) {
	for i := from; i < to; i++ {
		keys = append(keys, fmt.Sprintf("t3_%d", i))
	}
	return keys
}

func wantTail(ctx context.Context, t *testing.T, b *Bus, want []string) {
	t.Helper()
	got, err := b.Unprocessed(ctx, wire.TopicRaw)
	if err != nil {
		t.Fatal(err)
	}
	want = slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("unprocessed: %v\nwant %v", got, want)
	}
}

func TestUnprocessedIsWhatNoCommitCovers(t *testing.T) {
	t.Parallel()
	const partitions = 4
	c := seeded(t, partitions)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	wantTail(ctx, t, b, nil)
	var logs [partitions][]string
	produce := func(from, to int) {
		t.Helper()
		if err := b.Produce(ctx, records(wire.TopicRaw, from, to)); err != nil {
			t.Fatal(err)
		}
		for _, key := range keysFrom(from, to) {
			p := murmurPartition(key, partitions)
			logs[p] = append(logs[p], key)
		}
	}
	produce(0, 200)
	wantTail(ctx, t, b, keysFrom(0, 200))
	produce(100, 150) // readings of posts that wait already
	wantTail(ctx, t, b, keysFrom(0, 200))
	var want []string
	for p, log := range logs {
		commit := len(log) * p / (partitions - 1) // nothing of the first, all of the last
		if p > 0 {
			commitAs(ctx, t, b, p, int64(commit))
		}
		want = append(want, log[commit:]...)
	}
	slices.Sort(want)
	wantTail(ctx, t, b, slices.Compact(want))
	for p, log := range logs {
		commitAs(ctx, t, b, p, int64(len(log)))
	}
	wantTail(ctx, t, b, nil)
	if err := b.Produce(ctx, records(wire.TopicRefresh, 0, 3)); err != nil {
		t.Fatal(err)
	}
	if keys, err := b.Unprocessed(ctx, wire.TopicRefresh); err != nil || len(keys) != 3 {
		t.Errorf("the other topic: %v, %v", keys, err)
	}
}

func TestUnprocessedHasAllThatWasAcknowledgedBefore(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	var acknowledged, begun atomic.Int64
	produced := make(chan error, 1)
	go func() {
		for i := 0; i < 2000; i += 20 {
			begun.Store(int64(i) + 20)
			if err := b.Produce(ctx, records(wire.TopicRaw, i, i+20)); err != nil {
				produced <- err
				return
			}
			acknowledged.Store(int64(i) + 20)
		}
		produced <- nil
	}()
	for running := true; running; {
		select {
		case err := <-produced:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		before := acknowledged.Load()
		keys, err := b.Unprocessed(ctx, wire.TopicRaw)
		if err != nil {
			t.Fatal(err)
		}
		if after := begun.Load(); int64(len(keys)) < before || int64(len(keys)) > after {
			t.Fatalf("%d keys, want %d to %d", len(keys), before, after)
		}
		for _, key := range keysFrom(0, int(before)) {
			if !slices.Contains(keys, key) {
				t.Fatalf("%s is missing", key)
			}
		}
	}
}

func TestOfALongTailTheNewestIsLookedAt(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 300)); err != nil {
		t.Fatal(err)
	}
	keys, err := b.unprocessed(ctx, wire.TopicRaw, 30)
	if err != nil || len(keys) != 30 {
		t.Fatalf("%d keys, %v, want 30", len(keys), err)
	}
	for _, key := range keys {
		var i int
		if _, err := fmt.Sscanf(key, "t3_%d", &i); err != nil || i < 200 {
			t.Errorf("%s is not among the newest", key)
		}
	}
	property := func(lengths []uint16, most uint16) bool {
		tails := make([]tail, len(lengths))
		var before, after int64
		for i, n := range lengths {
			tails[i] = tail{partition: i, start: 7, end: 7 + int64(n)}
			before += int64(n)
		}
		dropped := shorten(tails, int64(most))
		cut, whole := int64(0), int64(0) // the longest that was shortened, the longest that was not
		for _, t := range tails {
			left := t.end - t.start
			after += left
			if left < int64(lengths[t.partition]) {
				cut = max(cut, left)
			} else {
				whole = max(whole, left)
			}
		}
		full := dropped == 0 || after > int64(most)-int64(len(tails))
		return after+dropped == before && after <= max(int64(most), 0) && full && (dropped == 0 || whole <= cut+1)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestATailWithHolesIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	if err := c.CreateTopic(wire.TopicRaw, 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	for range 3 {
		for i := range 5 {
			if err := b.Produce(ctx, records(wire.TopicRaw, i, i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tombstone := wire.Record{Topic: wire.TopicRaw, Key: []byte("t3_5")}
	if err := b.Produce(ctx, []wire.Record{tombstone}); err != nil {
		t.Fatal(err)
	}
	c.Compact()
	wantTail(ctx, t, b, keysFrom(0, 6))
	transactions(ctx, t, c)
	wantTail(ctx, t, b, append(keysFrom(0, 6), "t3_kept", "t3_aborted"))
	// From behind the last record on there is only the mark of a transaction.
	end := c.PartitionInfo(wire.TopicRaw, 0).HighWatermark
	commitAs(ctx, t, b, 0, end-1)
	wantTail(ctx, t, b, nil)
}

// transactions ends the log with a transaction that is kept and one that is not.
func transactions(ctx context.Context, t *testing.T, c *kfake.Cluster) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("tail"), kgo.DefaultProduceTopic(wire.TopicRaw))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for key, end := range map[string]kgo.TransactionEndTry{"t3_kept": kgo.TryCommit, "t3_aborted": kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, &kgo.Record{Key: []byte(key), Value: []byte("{}")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBatchesWithoutRecordsAreSteppedOver(t *testing.T) {
	t.Parallel()
	empty := func(base int64) kafka.RecordReader {
		return &protocol.RecordBatch{BaseOffset: base, Records: kafka.NewRecordReader()}
	}
	full := func(from, to int64) kafka.RecordReader {
		var all []kafka.Record
		for o := from; o < to; o++ {
			all = append(all, kafka.Record{Offset: o, Key: kafka.NewBytes(fmt.Appendf(nil, "t3_%d", o))})
		}
		return &protocol.RecordBatch{BaseOffset: from, Records: kafka.NewRecordReader(all...)}
	}
	mark := &protocol.ControlBatch{BaseOffset: 30, Records: kafka.NewRecordReader(kafka.Record{Offset: 30, Key: kafka.NewBytes([]byte{0, 0, 0, 1})})}
	odd := kafka.NewRecordReader(kafka.Record{Offset: 12}, kafka.Record{Offset: 13, Key: kafka.NewBytes(make([]byte, 100))},
		kafka.Record{Offset: 14, Key: kafka.NewBytes([]byte{})})
	for what, tc := range map[string]struct {
		batches []kafka.RecordReader
		next    int64
		keys    int
	}{
		"nothing":               {nil, 10, 0},
		"emptied around us":     {[]kafka.RecordReader{empty(4)}, 11, 0},
		"emptied further on":    {[]kafka.RecordReader{empty(20)}, 21, 0},
		"emptied before some":   {[]kafka.RecordReader{empty(4), full(15, 18)}, 18, 3},
		"begins before us":      {[]kafka.RecordReader{full(5, 13)}, 13, 3},
		"goes on after the end": {[]kafka.RecordReader{full(95, 110)}, 110, 5},
		"ends in a mark":        {[]kafka.RecordReader{full(10, 12), mark}, 31, 2},
		"keys of no post":       {[]kafka.RecordReader{odd}, 15, 0},
	} {
		keys := map[string]struct{}{}
		next, err := keysOf(&protocol.RecordStream{Records: tc.batches}, tail{start: 10, end: 100}, keys)
		if err != nil || next != tc.next || len(keys) != tc.keys {
			t.Errorf("%s: next %d with %d keys (%v), want %d with %d", what, next, len(keys), err, tc.next, tc.keys)
		}
	}
}

func TestATailOutlivesBrokerFaults(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]kfake.Fault{
		"not the leader":      {{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 3}},
		"not the coordinator": {{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.NotCoordinator, Count: 2}},
		"no bounds":           {{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.LeaderNotAvailable, Count: 2}},
		"denied for a moment": {{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.OffsetOutOfRange, Count: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := seeded(t, 3)
			b := open(t, config(c.ListenAddrs()...))
			ctx := withDeadline(t)
			if err := b.Produce(ctx, records(wire.TopicRaw, 0, 100)); err != nil {
				t.Fatal(err)
			}
			c.Fault(faults...)
			c.ShufflePartitionLeaders()
			wantTail(ctx, t, b, keysFrom(0, 100))
		})
	}
}

func TestATailBeginsWhereTheGroupWillReadOn(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 30)); err != nil {
		t.Fatal(err)
	}
	commitAs(ctx, t, b, 0, 5)
	if err := c.DeleteRecords(wire.TopicRaw, 0, 12); err != nil {
		t.Fatal(err)
	}
	wantTail(ctx, t, b, keysFrom(12, 30))
	// Records that go while they are read, and a log that is shorter all at once.
	for from, want := range map[int64]int{3: 18, 40: 0} {
		keys := map[string]struct{}{}
		if err := b.readTail(ctx, wire.TopicRaw, tail{start: from, end: from + 27}, keys); err != nil || len(keys) != want {
			t.Errorf("from %d: %d keys, %v, want %d", from, len(keys), err, want)
		}
	}
	commitAs(ctx, t, b, 0, 25)
	if err := c.DeleteTopic(wire.TopicRaw); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(wire.TopicRaw, 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 7)); err != nil {
		t.Fatal(err)
	}
	wantTail(ctx, t, b, keysFrom(0, 7))
}

func TestATailThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	b := open(t, config(cluster(t).ListenAddrs()...))
	if _, err := b.Unprocessed(withDeadline(t), wire.TopicRaw); pulse.CodeOf(err) != pulse.Unavailable || !errors.Is(err, errNoTopic) {
		t.Errorf("a missing topic: %v", err)
	}
	if _, err := b.Unprocessed(withDeadline(t), "another"); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("a topic of somebody else: %v", err)
	}
	nobody := config("127.0.0.1:1")
	nobody.Group = ""
	var e *pulse.Error
	if _, err := open(t, nobody).Unprocessed(withDeadline(t), wire.TopicRaw); !errors.As(err, &e) || e.Field != "kafka.group" {
		t.Errorf("without a group: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := open(t, config(mute(t))).Unprocessed(ctx, wire.TopicRaw); !errors.Is(err, context.DeadlineExceeded) || pulse.CodeOf(err) != pulse.Unavailable {
		t.Errorf("a broker that never answers: %v", err)
	}
	closed := open(t, config("127.0.0.1:1"))
	closed.Close()
	if _, err := closed.Unprocessed(withDeadline(t), wire.TopicRaw); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed bus: %v", err)
	}
}
