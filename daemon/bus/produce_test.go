package bus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestARecordReachesThePartitionOfItsKeyInEveryTopic(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	const n = 200
	for _, topic := range topics {
		if err := b.Produce(ctx, records(topic, 0, n)); err != nil {
			t.Fatal(err)
		}
	}
	seen := collect(t, b, topics, 3*n)
	place := make(map[string]int)
	perPartition := make(map[int]int)
	for _, r := range seen {
		if before, ok := place[string(r.Key)]; ok && before != r.Partition {
			t.Errorf("key %s lies in partition %d of %s and in %d of another topic", r.Key, r.Partition, r.Topic, before)
		}
		place[string(r.Key)] = r.Partition
		perPartition[r.Partition]++
		if at, err := time.Parse(time.RFC3339Nano, string(r.Header(wire.HeaderProducedAt))); err != nil || time.Since(at) > time.Minute {
			t.Errorf("produced-at is %q (%v)", r.Header(wire.HeaderProducedAt), err)
		}
	}
	if len(perPartition) != 3 {
		t.Errorf("keys went to %d partitions, want all 3", len(perPartition))
	}
	// Java's hash of "21" is -973932308: without its sign, 1173551340.
	if got := murmurPartition("21", 1000); got != 340 {
		t.Errorf("key 21 goes to partition %d of 1000, want 340 as with Java's clients", got)
	}
	for _, topic := range topics {
		if got := testutil.ToFloat64(b.metrics.produced.WithLabelValues(topic)); got != n {
			t.Errorf("produced metric of %s is %v, want %d", topic, got, n)
		}
	}
}

// collect reads topics until n records have come.
func collect(t *testing.T, b *Bus, topics []string, n int) []wire.Record {
	t.Helper()
	ctx, cancel := context.WithCancel(withDeadline(t))
	defer cancel()
	var mu sync.Mutex
	var all []wire.Record
	err := b.Consume(ctx, topics, func(ctx context.Context, c *Claim) {
		for {
			rs, err := c.Fetch(ctx, 50)
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, rs...)
			if len(all) >= n {
				cancel()
			}
			mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != n {
		t.Fatalf("read %d records, want %d", len(all), n)
	}
	return all
}

func TestWhatFailsIsSentAgainUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kfake.Fault{
		"not leader":                     {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 5},
		"one partition's leader is gone": {Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: 5},
		"replicas missing":               {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: 5},
		"timed out after it was applied": {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 4},
		"no leader in the metadata":      {Keys: []kmsg.Key{kmsg.Metadata}, Topic: wire.TopicRaw, Err: kerr.LeaderNotAvailable, Count: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := seeded(t, 3)
			b := open(t, config(c.ListenAddrs()...))
			c.Fault(fault)
			const n = 100
			if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 0, n)); err != nil {
				t.Fatal(err)
			}
			got := make(map[string]bool)
			var total int64
			for _, p := range c.PartitionInfos(wire.TopicRaw) {
				total += p.HighWatermark
			}
			for _, r := range collect(t, b, []string{wire.TopicRaw}, int(total)) {
				got[string(r.Key)] = true
			}
			if len(got) != n {
				t.Errorf("%d different records are in the log, want %d", len(got), n)
			}
			if total > n && fault.Err != kerr.RequestTimedOut {
				t.Errorf("%d records in the log, want %d: only what failed may be sent again", total, n)
			}
		})
	}
}

func TestALeaderlessPartitionHoldsUpOnlyItself(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	c.ControlKey(int16(kmsg.Metadata), leaderless(c, wire.TopicRaw, 1, 1500*time.Millisecond))
	if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 0, 60)); err != nil {
		t.Fatal(err)
	}
	if n := testutil.ToFloat64(b.metrics.produced.WithLabelValues(wire.TopicRaw)); n != 60 {
		t.Errorf("%v records are counted as produced, want 60", n)
	}
}

// leaderless answers metadata with leader -1 for one partition, for a while.
func leaderless(c *kfake.Cluster, topic string, partition int32, d time.Duration) func(kmsg.Request) (kmsg.Response, error, bool) {
	until := time.Now().Add(d)
	return func(req kmsg.Request) (kmsg.Response, error, bool) {
		if time.Now().After(until) {
			c.DropControl()
			return nil, nil, false
		}
		c.KeepControl()
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		for i, addr := range c.ListenAddrs() {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = int32(i), host(addr), port(addr)
			res.Brokers = append(res.Brokers, b)
		}
		for _, name := range topics {
			mt := kmsg.NewMetadataResponseTopic()
			mt.Topic = kmsg.StringPtr(name)
			for p := range int32(3) {
				mp := kmsg.NewMetadataResponseTopicPartition()
				mp.Partition, mp.Leader = p, c.LeaderFor(name, p)
				if name == topic && p == partition {
					mp.Leader, mp.ErrorCode = -1, kerr.LeaderNotAvailable.Code
				}
				mt.Partitions = append(mt.Partitions, mp)
			}
			res.Topics = append(res.Topics, mt)
		}
		return res, nil, true
	}
}

func TestARecordThatCanNeverBeWrittenIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	big := record(wire.TopicRaw, 1)
	big.Value = make([]byte, maxMessageBytes)
	noKey := record(wire.TopicRaw, 1)
	noKey.Key = nil
	for field, r := range map[string]wire.Record{
		"value": big, "key": noKey, "topic": record("no.such.topic", 1),
	} {
		err := b.Produce(withDeadline(t), []wire.Record{record(wire.TopicRaw, 0), r})
		var e *pulse.Error
		if !errors.As(err, &e) || e.Code != pulse.Invalid || e.Field != field {
			t.Errorf("got %v, want an invalid field %s", err, field)
		}
	}
	if got := c.PartitionInfos(wire.TopicRaw); got[0].HighWatermark+got[1].HighWatermark+got[2].HighWatermark != 0 {
		t.Error("records went out with one that is invalid")
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: -1})
	if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 0, 1)); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("refused by the broker: got %v, want an error of code invalid", err)
	}
}

func TestADeadLetterOfTheLargestRecordFits(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.EnsureTopics(ctx, Topics{Partitions: 3, ReplicationFactor: 3, MinInsyncReplicas: 2}); err != nil {
		t.Fatal(err)
	}
	r := record(wire.TopicDead, 1)
	r.Value = make([]byte, maxMessageBytes)
	r.Headers = []wire.Header{{Key: wire.HeaderDeadMessage, Value: make([]byte, 512)}}
	if err := b.Produce(ctx, []wire.Record{r}); err != nil {
		t.Fatal(err)
	}
}

func TestTheEndOfTheContextLeavesTheOutcomeOpen(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	ctx, cancel := context.WithTimeout(withDeadline(t), 300*time.Millisecond)
	defer cancel()
	err := b.Produce(ctx, records(wire.TopicRaw, 0, 3))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the end of the context", err)
	}
	eventually(t, "the bytes in flight are given back", func() bool {
		return testutil.ToFloat64(b.metrics.inflight) == 0
	})
}

func TestProducingStartsAsSoonAsBrokersAreThere(t *testing.T) {
	t.Parallel()
	address := mute(t)
	c := seeded(t, 3)
	b := open(t, config(append([]string{address}, c.ListenAddrs()...)...))
	began := time.Now()
	if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 0, 10)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("took %s past a broker that never answers", took)
	}
	if err := b.Ping(withDeadline(t)); err != nil {
		t.Error(err)
	}
}
