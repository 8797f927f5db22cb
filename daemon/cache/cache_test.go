package cache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dev.redditpulse/daemon/cache"
	"dev.redditpulse/daemon/redistest"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func open(t testing.TB) *cache.Cache {
	t.Helper()
	c := config.Default().Redis
	c.Addr = redistest.Addr(t)
	r := cache.Open(c)
	t.Cleanup(func() { r.Close() })
	return r
}

func TestOutagesAreUnavailable(t *testing.T) {
	t.Parallel()
	c := config.Default().Redis
	c.Addr, c.Timeout = "127.0.0.1:1", 200*time.Millisecond
	r := cache.Open(c)
	defer r.Close()
	_, _, recall := r.Recall(t.Context(), []string{"t3_a"})
	_, _, next := r.FeedTail().Next(t.Context(), 0, 1)
	for act, err := range map[string]error{
		"ping": r.Ping(t.Context()), "recall": recall, "next": next,
		"remember": r.Remember(t.Context(), []pulse.Memory{memory("t3_a", 0, "x")}),
		"announce": r.Announce(t.Context(), [][]byte{{'x'}}, 10),
	} {
		if pulse.CodeOf(err) != pulse.Unavailable {
			t.Errorf("%s: %v has code %q, want unavailable", act, err, pulse.CodeOf(err))
		}
	}
}

func announce(t *testing.T, r *cache.Cache, from, to int) {
	t.Helper()
	var posts [][]byte
	for i := from; i <= to; i++ {
		posts = append(posts, fmt.Appendf(nil, "post %d", i))
	}
	if err := r.Announce(t.Context(), posts, 1000); err != nil {
		t.Fatal(err)
	}
}

func TestFeedIsContiguousAndInOrder(t *testing.T) {
	t.Parallel()
	r := open(t)
	tail := r.FeedTail()
	unused, entries, err := tail.Tail(t.Context(), 10)
	if err != nil || unused.Seq != 0 || len(entries) != 0 {
		t.Fatalf("an unused feed has %+v, %d entries, %v", unused, len(entries), err)
	}
	announce(t, r, 1, 250)
	state, entries, err := tail.Tail(t.Context(), 100)
	if err != nil || state.Seq != 250 || state.Epoch != unused.Epoch || state.Epoch == "" || len(entries) != 100 {
		t.Fatalf("tail: %+v, %d entries, %v", state, len(entries), err)
	}
	announce(t, r, 251, 300)
	_, more, err := tail.Next(t.Context(), 250, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range append(entries, more...) {
		want := uint64(151 + i)
		if e.Seq != want || string(e.Post) != fmt.Sprintf("post %d", want) {
			t.Fatalf("entry %d is %d %q, want %d", i, e.Seq, e.Post, want)
		}
	}
	if len(more) != 50 {
		t.Errorf("got %d new entries, want 50", len(more))
	}
}

func TestALostFeedStartsANewEpoch(t *testing.T) {
	t.Parallel()
	losses := map[string]func(context.Context, *cache.Cache) error{
		"everything":     cache.FlushFeed,
		"the stream":     cache.DropStream,
		"the numbers":    cache.DropMeta,
		"the last posts": func(ctx context.Context, c *cache.Cache) error { return cache.SetNumber(ctx, c, 5) },
	}
	for what, lose := range losses {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			tail := r.FeedTail()
			announce(t, r, 1, 20)
			before, _, err := tail.Tail(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			if err := lose(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if what != "the last posts" {
				announce(t, r, 1, 3)
			}
			after, entries, err := tail.Next(t.Context(), before.Seq, 100)
			if err != nil {
				t.Fatal(err)
			}
			if after.Epoch == before.Epoch || len(entries) != 0 {
				t.Fatalf("state %+v with %d entries, want another epoch than %s and none", after, len(entries), before.Epoch)
			}
			if state, _, err := tail.Tail(t.Context(), 100); err != nil || state != after {
				t.Errorf("the tail is at %+v, %v, want %+v", state, err, after)
			}
		})
	}
}
