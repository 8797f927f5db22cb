package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/quick"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dev.redditpulse/shared/wire"
)

func TestPartitionPOfEveryTopicGoesToTheSameMember(t *testing.T) {
	t.Parallel()
	property := func(members, partitions uint8, shuffle []uint8) bool {
		m, p := int(members%7)+1, int(partitions%13)+1
		var group []subscriber
		for i := range m {
			group = append(group, subscriber{fmt.Sprintf("m%02d", i), topics})
		}
		counts := make(map[string]int)
		for _, topic := range topics {
			counts[topic] = p
		}
		for i, s := range shuffle {
			group[i%m], group[int(s)%m] = group[int(s)%m], group[i%m]
		}
		owner := make(map[string]string)
		for id, byTopic := range deal(group, counts) {
			for topic, ids := range byTopic {
				for _, i := range ids {
					owner[fmt.Sprint(topic, i)] = id
				}
			}
		}
		for _, topic := range topics {
			for i := range p {
				if owner[fmt.Sprint(topic, i)] != fmt.Sprintf("m%02d", i%m) {
					return false
				}
			}
		}
		return true
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

// reader consumes, commits every record and remembers what it saw.
type reader struct {
	bus    *Bus
	cancel context.CancelFunc
	done   chan error

	mu    sync.Mutex
	held  map[string]bool // topic/partition
	keys  map[string]int  // by number of deliveries
	order []string        // faults of the order within a partition
}

func read(tb testing.TB, b *Bus, names ...string) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{bus: b, cancel: cancel, done: make(chan error, 1), held: map[string]bool{}, keys: map[string]int{}}
	go func() { r.done <- b.Consume(ctx, names, r.handle) }()
	tb.Cleanup(func() { r.stop(tb) })
	return r
}

func (r *reader) stop(tb testing.TB) {
	r.cancel()
	select {
	case err := <-r.done:
		r.done <- nil
		if err != nil {
			tb.Error(err)
		}
	case <-time.After(patience):
		tb.Error("Consume does not end")
	}
}

func (r *reader) handle(ctx context.Context, c *Claim) {
	r.note(func() { r.held[c.String()] = true })
	defer r.note(func() { delete(r.held, c.String()) })
	last := int64(-1)
	for {
		records, err := c.Fetch(ctx, 10)
		if err != nil {
			return
		}
		r.note(func() {
			for _, rec := range records {
				r.keys[rec.Topic+"/"+string(rec.Key)]++
				if last >= 0 && rec.Offset != last+1 {
					r.order = append(r.order, fmt.Sprintf("%s: %d after %d", c, rec.Offset, last))
				}
				last = rec.Offset
			}
		})
		if len(records) > 0 {
			_ = c.Commit(ctx, last+1)
		}
	}
}

func (r *reader) note(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

func (r *reader) holds() (claims []string) {
	r.note(func() {
		for c := range r.held {
			claims = append(claims, c)
		}
	})
	slices.Sort(claims)
	return claims
}

func missing(n int, topic string, readers ...*reader) (lost int) {
	for i := range n {
		seen := 0
		for _, r := range readers {
			r.note(func() { seen += r.keys[fmt.Sprintf("%s/t3_%d", topic, i)] })
		}
		if seen == 0 {
			lost++
		}
	}
	return lost
}

// watchCommits fails the test when a committed offset of the group goes back.
func watchCommits(t *testing.T, c *kfake.Cluster) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		last := make(map[string]int64)
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			info := c.GroupInfo(testGroup)
			for topic, partitions := range commitsOf(info) {
				for p, commit := range partitions {
					at := fmt.Sprintf("%s/%d", topic, p)
					if commit.Offset < last[at] {
						t.Errorf("%s was committed at %d and then at %d", at, last[at], commit.Offset)
					}
					last[at] = commit.Offset
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
}

func commitsOf(info *kfake.GroupInfo) map[string]map[int32]kfake.GroupCommit {
	if info == nil {
		return nil
	}
	return info.Commits
}

func TestMembersComeAndGoAndNothingIsLost(t *testing.T) {
	t.Parallel()
	c := seeded(t, 6)
	watchCommits(t, c)
	producer := open(t, config(c.ListenAddrs()...))
	const n = 3000
	produced := make(chan error, 1)
	go func() {
		for i := 0; i < n; i += 50 {
			if err := producer.Produce(context.Background(), records(wire.TopicRaw, i, i+50)); err != nil {
				produced <- err
				return
			}
		}
		produced <- nil
	}()
	first := read(t, open(t, config(c.ListenAddrs()...)), wire.TopicRaw, wire.TopicRefresh)
	eventually(t, "the first member holds everything", func() bool { return len(first.holds()) == 12 })
	second := read(t, open(t, config(c.ListenAddrs()...)), wire.TopicRaw, wire.TopicRefresh)
	eventually(t, "two members share", func() bool { return len(first.holds()) == 6 && len(second.holds()) == 6 })
	third := read(t, open(t, config(c.ListenAddrs()...)), wire.TopicRaw, wire.TopicRefresh)
	eventually(t, "three members share", func() bool {
		return len(first.holds()) == 4 && len(second.holds()) == 4 && len(third.holds()) == 4
	})
	held := third.holds()
	for _, claim := range held {
		p := claim[len(claim)-1:]
		if !slices.Contains(held, wire.TopicRefresh+"/"+p) || !slices.Contains(held, wire.TopicRaw+"/"+p) {
			t.Errorf("partition %s is not in one hand: %v", p, held)
		}
	}
	// A member that vanishes without leaving: its session has to run out.
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.LeaveGroup}, Count: 1})
	third.stop(t)
	second.stop(t) // and one that leaves in order
	eventually(t, "the first member holds everything again", func() bool { return len(first.holds()) == 12 })
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	eventually(t, "every record was read", func() bool { return missing(n, wire.TopicRaw, first, second, third) == 0 })
	for _, r := range []*reader{first, second, third} {
		if len(r.order) > 0 {
			t.Errorf("gaps within a generation: %v", r.order)
		}
	}
	eventually(t, "the lag is gone", func() bool { return testutil.ToFloat64(first.bus.metrics.lagOf(wire.TopicRaw, 0)) == 0 })
	if n := testutil.CollectAndCount(second.bus.metrics.lag); n != 0 {
		t.Errorf("a member that left still shows the lag of %d partitions", n)
	}
}

func TestReadingGoesOnThroughBrokerFaults(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*kfake.Cluster){
		"leaders move":      func(c *kfake.Cluster) { c.ShufflePartitionLeaders() },
		"coordinator moves": func(c *kfake.Cluster) { c.RehashCoordinators() },
		"commits are not answered for": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 3})
		},
		"offsets cannot be told yet": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.CoordinatorLoadInProgress, Count: 3},
				kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration, Count: 1})
		},
		"the member is forgotten while it joins": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.UnknownMemberID, Count: 1},
				kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress, Count: 1},
				kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
		},
		"not the leader": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 6})
		},
		"heartbeat is refused": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
		},
		"commit is refused": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.IllegalGeneration, Count: 2})
		},
		"joining is refused": func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorNotAvailable, Count: 2},
				kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, Count: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := seeded(t, 3)
			watchCommits(t, c)
			b := open(t, config(c.ListenAddrs()...))
			ctx := withDeadline(t)
			r := read(t, open(t, config(c.ListenAddrs()...)), wire.TopicRaw)
			eventually(t, "the partitions are held", func() bool { return len(r.holds()) == 3 })
			if err := b.Produce(ctx, records(wire.TopicRaw, 0, 100)); err != nil {
				t.Fatal(err)
			}
			disturb(c)
			if rejoins := []string{"heartbeat is refused", "offsets cannot be told yet", "the member is forgotten while it joins", "joining is refused"}; slices.Contains(rejoins, name) {
				eventually(t, "there is a new generation", func() bool { return testutil.ToFloat64(r.bus.metrics.rebalances) > 1 })
			}
			if err := b.Produce(ctx, records(wire.TopicRaw, 100, 300)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "every record was read", func() bool { return missing(300, wire.TopicRaw, r) == 0 })
		})
	}
}

func TestAMuteBootstrapBrokerDoesNotStopReading(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(append([]string{mute(t)}, c.ListenAddrs()...)...))
	began := time.Now()
	r := read(t, b, wire.TopicRaw)
	eventually(t, "the partitions are held", func() bool { return len(r.holds()) == 3 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("joining took %s past a broker that never answers", took)
	}
	if n := testutil.ToFloat64(b.metrics.rebalances); n > 2 {
		t.Errorf("%v generations, want one: the dialer storms", n)
	}
}

func TestNewPartitionsAreDealtOut(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	r := read(t, open(t, config(c.ListenAddrs()...)), wire.TopicRaw)
	eventually(t, "three partitions are held", func() bool { return len(r.holds()) == 3 })
	b := open(t, config(c.ListenAddrs()...))
	if err := b.GrowTopics(withDeadline(t), 6); err != nil {
		t.Fatal(err)
	}
	eventually(t, "six partitions are held", func() bool { return len(r.holds()) == 6 })
	key := keyOf(5, 6)
	eventually(t, "a producer that was there before writes to a new one", func() bool {
		if err := b.Produce(withDeadline(t), []wire.Record{{Topic: wire.TopicRaw, Key: key}}); err != nil {
			t.Fatal(err)
		}
		return c.PartitionInfo(wire.TopicRaw, 5).HighWatermark > 0
	})
}

func TestAPanicInAHandlerEndsConsumeWithAnError(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	err := b.Consume(withDeadline(t), []string{wire.TopicRaw}, func(_ context.Context, c *Claim) {
		if c.Partition() == 1 {
			panic("a bug")
		}
	})
	var fault *handlerPanic
	if !errors.As(err, &fault) || fault.value != "a bug" {
		t.Errorf("got %v, want the panic", err)
	}
}

func TestClosingEndsConsumeAndFurtherCalls(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	r := read(t, b, wire.TopicRaw)
	eventually(t, "the partitions are held", func() bool { return len(r.holds()) == 3 })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if len(r.holds()) != 0 {
		t.Error("handlers run on after Close")
	}
	if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 0, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if info := c.GroupInfo(testGroup); info != nil && len(info.Members) != 0 {
		t.Errorf("%d members stayed in the group", len(info.Members))
	}
}
