package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"dev.redditpulse/shared/wire"
)

// hold runs Consume on one topic and hands its claims over, until the test ends.
func hold(t *testing.T, b *Bus, topic string) <-chan *Claim {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	claims := make(chan *Claim)
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, []string{topic}, func(ctx context.Context, c *Claim) {
			select {
			case claims <- c:
			case <-ctx.Done():
			}
			<-ctx.Done()
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return claims
}

func fetchAll(ctx context.Context, t *testing.T, c *Claim, n int) []wire.Record {
	t.Helper()
	var all []wire.Record
	for len(all) < n {
		rs, err := c.Fetch(ctx, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) > 7 {
			t.Fatalf("%d records at once, want at most 7", len(rs))
		}
		all = append(all, rs...)
	}
	return all
}

func TestRewindGoesBackToTheLastCommit(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 30)); err != nil {
		t.Fatal(err)
	}
	claim := <-hold(t, b, wire.TopicRaw)
	if got := fetchAll(ctx, t, claim, 30); got[29].Offset != 29 || string(got[29].Key) != "t3_29" {
		t.Fatalf("the last record is %d %s", got[29].Offset, got[29].Key)
	}
	claim.Rewind()
	if got := fetchAll(ctx, t, claim, 3); got[0].Offset != 0 {
		t.Errorf("without a commit reading goes on at %d, want 0", got[0].Offset)
	}
	if err := claim.Commit(ctx, 12); err != nil {
		t.Fatal(err)
	}
	if claim.Lag() != 18 {
		t.Errorf("lag is %d, want 18", claim.Lag())
	}
	claim.Rewind()
	if got := fetchAll(ctx, t, claim, 18); got[0].Offset != 12 {
		t.Errorf("reading goes on at %d, want 12", got[0].Offset)
	}
	if rs, err := claim.Fetch(ctx, 7); err != nil || len(rs) != 0 {
		t.Errorf("at the end: %d records, %v", len(rs), err)
	}
}

func TestACommitNeverGoesBackwards(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 10)); err != nil {
		t.Fatal(err)
	}
	claim := <-hold(t, b, wire.TopicRaw)
	fetchAll(ctx, t, claim, 10)
	if err := claim.Commit(ctx, 8); err != nil {
		t.Fatal(err)
	}
	if err := claim.Commit(ctx, 8); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := claim.Commit(ctx, 5); err == nil || errors.Is(err, ErrRevoked) {
		t.Errorf("going back: got %v, want an error of its own", err)
	}
	if got := c.GroupInfo(testGroup).Commits[wire.TopicRaw][0].Offset; got != 8 {
		t.Errorf("the group stands at %d, want 8", got)
	}
	if n := testutil.ToFloat64(b.metrics.backwards); n != 1 {
		t.Errorf("%v regressions counted, want 1", n)
	}
}

func TestACommitAfterTheRevocationIsRefused(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 10)); err != nil {
		t.Fatal(err)
	}
	claims := hold(t, b, wire.TopicRaw)
	old := <-claims
	fetchAll(ctx, t, old, 10)
	// Whoever joins makes a new generation, whoever gets the partition.
	other := open(t, config(c.ListenAddrs()...))
	r := read(t, other, wire.TopicRaw)
	eventually(t, "the partition has a new generation", func() bool {
		select {
		case <-claims:
			return true
		default:
			return len(r.holds()) == 1
		}
	})
	if err := old.Commit(ctx, 10); !errors.Is(err, ErrRevoked) {
		t.Errorf("got %v, want ErrRevoked", err)
	}
	if _, err := old.Fetch(ctx, 1); !errors.Is(err, ErrRevoked) {
		t.Errorf("fetch: got %v, want ErrRevoked", err)
	}
}

func TestAPositionOutsideTheLogMovesToItsStart(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 20)); err != nil {
		t.Fatal(err)
	}
	claim := <-hold(t, b, wire.TopicRaw)
	fetchAll(ctx, t, claim, 5)
	if err := claim.Commit(ctx, 5); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteRecords(wire.TopicRaw, 0, 15); err != nil {
		t.Fatal(err)
	}
	claim.Rewind()
	if got := fetchAll(ctx, t, claim, 5); got[0].Offset != 15 {
		t.Errorf("reading goes on at %d, want 15", got[0].Offset)
	}
	if n := testutil.ToFloat64(b.metrics.resets.WithLabelValues(wire.TopicRaw)); n != 1 {
		t.Errorf("%v resets counted, want 1", n)
	}
	// A topic made anew: the position lies behind its end.
	if err := c.DeleteTopic(wire.TopicRaw); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(wire.TopicRaw, 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Produce(ctx, records(wire.TopicRaw, 0, 3)); err != nil {
		t.Fatal(err)
	}
	if got := fetchAll(ctx, t, claim, 3); got[0].Offset != 0 {
		t.Errorf("in the new log reading goes on at %d, want 0", got[0].Offset)
	}
}

func TestAFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	conf := config(c.ListenAddrs()...)
	conf.FetchWait = 20 * time.Second
	b := open(t, conf)
	claim := <-hold(t, b, wire.TopicRaw)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := claim.Fetch(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestAHandlerMayStillCommitWhileTheProcessStops(t *testing.T) {
	t.Parallel()
	c := seeded(t, 1)
	b := open(t, config(c.ListenAddrs()...))
	if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 0, 10)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(withDeadline(t))
	err := b.Consume(ctx, []string{wire.TopicRaw}, func(ctx context.Context, c *Claim) {
		fetchAll(ctx, t, c, 10)
		stop()
		<-ctx.Done()
		if err := c.Commit(context.WithoutCancel(ctx), 10); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.GroupInfo(testGroup).Commits[wire.TopicRaw][0].Offset; got != 10 {
		t.Errorf("the group stands at %d, want 10", got)
	}
}
