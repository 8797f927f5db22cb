package feed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// From every number that the ring holds, whatever the view's log has kept, the
// frames lead contiguously to the end and carry exactly what matches.
func TestFromEveryNumberTheFramesLeadToTheEnd(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	m := newMetrics(prometheus.NewRegistry())
	r := newRing(500, m)
	v := newView(canonical(&wire.Filter{Subreddit: []string{"b"}}), r, 1, 10, m)
	now := time.Unix(0, 0)
	n := uint64(0)
	for range 200 {
		var batch []wire.FeedEntry
		for range rnd.IntN(30) {
			n++
			batch = append(batch, wire.FeedEntry{Seq: n, Post: sized(t, int(n), rnd.IntN(4000))})
		}
		if !r.extend(batch) {
			t.Fatal("the numbers are not contiguous")
		}
		v.low[0].Store(n - min(n, rnd.Uint64N(60)))
		now = now.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
		v.flush(now, time.Second)
		for range 5 {
			walk(t, v, r, r.first-1+rnd.Uint64N(r.head-r.first+2))
		}
	}
	if v.size > viewBytes+20*(frameBytes+8000) {
		t.Errorf("the log holds %d bytes", v.size)
	}
	if _, err := v.next(v.gen, r.first-2, 0); !errors.Is(err, errOverrun) {
		t.Errorf("from out of the ring: %v, want errOverrun", err)
	}
}

// walk follows the frames behind a number, nothing conflated.
func walk(t *testing.T, v *view, r *ring, from uint64) {
	t.Helper()
	got := map[string]bool{}
	pos := from
	for pos < v.covered {
		f, err := v.next(v.gen, pos, r.head)
		if err != nil || f == nil {
			t.Fatalf("after %d, covered %d: frame %v, error %v", pos, v.covered, f, err)
		}
		if f.from != pos+1 || f.to < f.from {
			t.Fatalf("after %d comes the frame %d-%d", pos, f.from, f.to)
		}
		for _, p := range *decoded(t, f.bytes).Posts {
			if got[p.ID] {
				t.Fatalf("%s came twice", p.ID)
			}
			got[p.ID] = true
		}
		pos = f.to
	}
	want := 0
	for n := from + 1; n <= v.covered; n++ {
		if e := r.at(n); v.filter.matches(e) {
			want++
			if !got[e.id] {
				t.Fatalf("from %d: %s is missing", from, e.id)
			}
		}
	}
	if want != len(got) {
		t.Fatalf("from %d came %d posts, want %d", from, len(got), want)
	}
}

func sized(t *testing.T, n, extra int) []byte {
	t.Helper()
	b, err := wire.EncodePost(&pulse.Post{Observation: pulse.Observation{
		PostID: fmt.Sprintf("t3_%d", n), Subreddit: []string{"a", "B", "c"}[n%3], State: pulse.Live,
		URL: strings.Repeat("u", extra), ObservedAt: time.Unix(int64(n), 0),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestResetKeepsTheUnbrokenEnd(t *testing.T) {
	t.Parallel()
	r := newRing(4, newMetrics(prometheus.NewRegistry()))
	for _, tc := range []struct {
		numbers     []uint64
		state       uint64
		first, head uint64
	}{
		{nil, 0, 1, 0},
		{nil, 9, 10, 9},
		{[]uint64{1, 2, 3}, 3, 1, 3},
		{[]uint64{1, 2, 4, 5}, 5, 4, 5},
		{[]uint64{1, 2, 3, 4, 5, 6}, 7, 3, 6},
		{[]uint64{0, 1}, 1, 1, 1},
		{[]uint64{5, 5}, 5, 5, 5},
	} {
		var entries []wire.FeedEntry
		for _, n := range tc.numbers {
			entries = append(entries, wire.FeedEntry{Seq: n, Post: sized(t, int(n), 0)})
		}
		r.reset("e", tc.state, entries)
		if r.first != tc.first || r.head != tc.head {
			t.Errorf("%v: %d to %d, want %d to %d", tc.numbers, r.first, r.head, tc.first, tc.head)
		}
	}
	if r.extend([]wire.FeedEntry{{Seq: 6, Post: sized(t, 6, 0)}, {Seq: 8, Post: sized(t, 8, 0)}}) || r.head != 6 {
		t.Errorf("a hole was taken, head %d", r.head)
	}
}

func TestFiltersThatMeanTheSameAreOne(t *testing.T) {
	t.Parallel()
	same := []wire.Filter{
		{Subreddit: []string{"Go", "rust"}, Q: "  b   A "},
		{Subreddit: []string{"RUST", "go", "GO"}, Q: "a B a"},
	}
	if a, b := canonical(&same[0]).key, canonical(&same[1]).key; a != b {
		t.Errorf("%s and %s", a, b)
	}
	one := int64(1)
	for _, other := range []wire.Filter{{}, {Q: "go rust"}, {Subreddit: []string{"go"}, MinScore: &one}, {Trending: true}} {
		if canonical(&other).key == canonical(&same[0]).key {
			t.Errorf("%+v counts as the same", other)
		}
	}
}
