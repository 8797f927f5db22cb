package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dev.redditpulse/daemon/cache"
	"dev.redditpulse/daemon/redistest"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const minStep = 30 * time.Second

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func open(t testing.TB) *cache.Cache {
	t.Helper()
	c := config.Default().Redis
	c.Addr = redistest.Addr(t)
	r := cache.Open(c)
	t.Cleanup(func() { r.Close() })
	return r
}

func observe(id string, after time.Duration, score int64) pulse.Observation {
	return pulse.Observation{PostID: id, ObservedAt: start.Add(after), Score: score, NumComments: score / 2}
}

func TestAdvanceMeasuresAgainstAnEarlierReading(t *testing.T) {
	t.Parallel()
	r := open(t)
	const none = -1
	steps := []struct {
		what    string
		after   time.Duration
		score   int64
		against int64 // score of the reading to measure against
	}{
		{"a first sight has none", 0, 10, none},
		{"the second measures against the first", 60 * time.Second, 20, 10},
		{"the same again gets the same answer", 60 * time.Second, 20, 10},
		{"an older one is stale", 50 * time.Second, 15, none},
		{"and changed nothing", 60 * time.Second, 20, 10},
		{"after a full step the last one counts", 120 * time.Second, 30, 20},
		{"soon after, the same reference stays", 130 * time.Second, 31, 20},
		{"the same soon after, again", 130 * time.Second, 31, 20},
		{"until a step has passed since the middle one", 150 * time.Second, 33, 30},
	}
	for _, s := range steps {
		got, err := r.Advance(t.Context(), []pulse.Observation{observe("t3_a", s.after, s.score)}, minStep)
		if err != nil {
			t.Fatalf("%s: %v", s.what, err)
		}
		score := int64(none)
		if !got[0].ObservedAt.IsZero() {
			score = got[0].Score
			if got[0].NumComments != score/2 {
				t.Errorf("%s: comments %d, want %d", s.what, got[0].NumComments, score/2)
			}
		}
		if score != s.against {
			t.Errorf("%s: measured against score %d, want %d", s.what, score, s.against)
		}
	}
}

func TestAdvanceGivesTheSameAnswersHoweverABatchIsCut(t *testing.T) {
	t.Parallel()
	r := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	var whole []pulse.Observation
	for p := range 40 {
		at := time.Duration(0)
		for range 1 + random.IntN(8) {
			at += time.Duration(1+random.IntN(60)) * time.Second
			whole = append(whole, observe(fmt.Sprintf("t3_x%02d", p), at, random.Int64N(1000)))
		}
	}
	rename := func(list []pulse.Observation, prefix string) []pulse.Observation {
		out := make([]pulse.Observation, len(list))
		for i, o := range list {
			o.PostID = prefix + o.PostID[3:]
			out[i] = o
		}
		return out
	}
	want, err := r.Advance(t.Context(), rename(whole, "t3_a"), minStep)
	if err != nil {
		t.Fatal(err)
	}
	var got []pulse.Reading
	for cut := rename(whole, "t3_b"); len(cut) > 0; {
		part := cut[:min(1+random.IntN(7), len(cut))]
		cut = cut[len(part):]
		first, err := r.Advance(t.Context(), part, minStep)
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.Advance(t.Context(), part, minStep)
		if err != nil {
			t.Fatal(err)
		}
		for i := range part {
			newest := i+1 == len(part) || part[i+1].PostID != part[i].PostID
			if newest && again[i] != first[i] {
				t.Fatalf("%+v taken again: got %+v, want %+v", part[i], again[i], first[i])
			}
		}
		got = append(got, first...)
	}
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("reading %d (%+v): got %+v, want %+v", i, whole[i], got[i], want[i])
		}
	}
}

func TestAdvanceLoadsItsScriptAgain(t *testing.T) {
	t.Parallel()
	r := open(t)
	for range 2 {
		if _, err := r.Advance(t.Context(), []pulse.Observation{observe("t3_a", 0, 1)}, minStep); err != nil {
			t.Fatal(err)
		}
		if err := cache.FlushScripts(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOutagesAreUnavailable(t *testing.T) {
	t.Parallel()
	c := config.Default().Redis
	c.Addr, c.Timeout = "127.0.0.1:1", 200*time.Millisecond
	r := cache.Open(c)
	defer r.Close()
	_, advance := r.Advance(t.Context(), []pulse.Observation{observe("t3_a", 0, 1)}, minStep)
	_, _, next := r.FeedTail().Next(t.Context(), 0, 1)
	for act, err := range map[string]error{
		"ping": r.Ping(t.Context()), "advance": advance, "next": next,
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

func BenchmarkAdvance(b *testing.B) {
	r := open(b)
	batch := make([]pulse.Observation, 500)
	for i := range batch {
		batch[i] = observe(fmt.Sprintf("t3_b%03d", i), 0, int64(i))
	}
	n := 0
	for b.Loop() {
		n++
		for i := range batch {
			batch[i].ObservedAt = start.Add(time.Duration(n) * time.Minute)
		}
		if _, err := r.Advance(b.Context(), batch, minStep); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*len(batch))/b.Elapsed().Seconds(), "readings/s")
}
