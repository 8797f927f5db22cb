package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// holdings is all that a world's sinks hold in the end.
type holdings struct {
	posts, history map[string]pulse.Post
	memories       map[string]pulse.Memory
	usual          map[string]pulse.Baseline
	dead           []string
}

func (w *world) holds(p *Processor) holdings {
	s := holdings{posts: w.posts, history: w.history, memories: w.memories, usual: map[string]pulse.Baseline{}}
	for _, b := range append(w.baselines, p.learner.Take()...) {
		key := fmt.Sprint(b.Subreddit, b.AgeBucket, b.Day)
		sum := s.usual[key]
		sum.Comments += b.Comments
		for i, n := range b.Seconds {
			for len(sum.Seconds) <= i {
				sum.Seconds = append(sum.Seconds, 0)
			}
			sum.Seconds[i] += n
		}
		s.usual[key] = sum
	}
	for _, d := range w.dead {
		s.dead = append(s.dead, string(d.Header(wire.HeaderDeadID)))
	}
	slices.Sort(s.dead)
	s.dead = slices.Compact(s.dead)
	return s
}

func (s holdings) equal(t *testing.T, want holdings) {
	t.Helper()
	for what, pair := range map[string][2]any{
		"posts": {s.posts, want.posts}, "history": {s.history, want.history}, "memories": {s.memories, want.memories},
		"baselines": {s.usual, want.usual}, "dead letters": {s.dead, want.dead},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s differ:\n got %s\nwant %s", what, describe(pair[0]), describe(pair[1]))
		}
	}
}

func describe(v any) string {
	posts, ok := v.(map[string]pulse.Post)
	if !ok {
		return fmt.Sprint(v)
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(posts)) {
		p := posts[key]
		velocity := "unknown"
		if p.Velocity != nil {
			velocity = fmt.Sprint(*p.Velocity)
		}
		lines = append(lines, fmt.Sprintf("%s at %s: %d, %s", p.PostID, p.ObservedAt.Format(time.TimeOnly), p.Score, velocity))
	}
	return strings.Join(lines, "\n")
}

// readingsOf makes the readings of some posts, each post's in order of time.
func readingsOf(random *rand.Rand, posts int) [][]wire.Record {
	all := make([][]wire.Record, posts)
	for n := range all {
		at, score := time.Duration(0), int64(1)
		for range 1 + random.IntN(9) {
			o := pulse.Observation{
				PostID: fmt.Sprintf("t3_%02d", n), ObservedAt: start.Add(at), Source: "test",
				Subreddit: fmt.Sprintf("sub%d", n%3), Title: "a good title", Author: "a",
				CreatedAt: start.Add(-time.Duration(n) * 10 * time.Minute), Score: score, NumComments: score / 3, State: pulse.Live,
			}
			all[n] = append(all[n], wire.Record{Key: []byte(o.PostID), Value: wire.EncodeObservation(&o), Time: start})
			at += time.Duration(1+random.IntN(400)) * time.Second
			score += random.Int64N(90)
		}
	}
	return all
}

// interleave shuffles posts among each other; each post keeps its order.
func interleave(random *rand.Rand, posts [][]wire.Record) []wire.Record {
	var order []int
	for n, records := range posts {
		for range records {
			order = append(order, n)
		}
	}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	at := make([]int, len(posts))
	var log []wire.Record
	for _, n := range order {
		log = append(log, posts[n][at[n]])
		at[n]++
	}
	return log
}

// duplicate repeats some records, at once or later.
func duplicate(random *rand.Rand, log []wire.Record) []wire.Record {
	type placed struct {
		at float64
		wire.Record
	}
	var all []placed
	for i, r := range log {
		all = append(all, placed{float64(i), r})
		if random.IntN(3) == 0 {
			all = append(all, placed{float64(i) + random.Float64()*float64(len(log)-i), r})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	var out []wire.Record
	for _, p := range all {
		out = append(out, p.Record)
	}
	return out
}

// play processes log in batches of size, going back to an earlier offset a few
// times.
func play(t *testing.T, random *rand.Rand, log []wire.Record, size, replays int) holdings {
	t.Helper()
	w := newWorld(slices.Clone(log)...)
	p := w.processor()
	p.c.BatchSize = size
	w.run(t, p)
	for range replays {
		w.next = random.Int64N(int64(len(log)))
		w.committed, w.drained = w.next, make(chan struct{})
		p.c.BatchSize = 1 + random.IntN(len(log))
		w.run(t, p)
	}
	return w.holds(p)
}

func TestTheSameObservationsGiveTheSameRows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			posts := readingsOf(random, 1+random.IntN(8))
			plain := slices.Concat(posts...)
			want := play(t, random, plain, len(plain), 0)
			if len(plain) > 40 && len(want.usual) == 0 {
				t.Error("nothing was learnt")
			}
			mixed := interleave(random, posts)
			play(t, random, mixed, 1+random.IntN(len(plain)), 0).equal(t, want)
			play(t, random, mixed, 1+random.IntN(len(plain)), 3).equal(t, want)
			twice := duplicate(random, mixed)
			play(t, random, twice, 1+random.IntN(len(twice)), 2).equal(t, want)
		})
	}
}

// errCrash ends the world between two steps.
var errCrash = errors.New("crash")

func TestACrashBetweenAnyTwoStepsReplaysHarmlessly(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	log := interleave(random, readingsOf(random, 6))
	log = slices.Insert(log, len(log)/2, wire.Record{Value: []byte("poison")})
	calm := newWorld(slices.Clone(log)...)
	p := calm.processor()
	p.c.BatchSize = len(log)/2 + 1
	calm.run(t, p)
	want := calm.holds(p)
	for _, at := range steps {
		for batch := range 2 {
			t.Run(fmt.Sprint(at, batch), func(t *testing.T) {
				t.Parallel()
				crash(t, slices.Clone(log), at, batch, want)
			})
		}
	}
}

// crash ends a processor at a step of a batch and lets another go on, which
// cuts its batches elsewhere.
func crash(t *testing.T, log []wire.Record, at step, batch int, want holdings) {
	t.Helper()
	w := newWorld(log...)
	crashed := w.processor()
	crashed.c.BatchSize = len(log)/2 + 1
	crashed.crossed = func(s step) {
		if s != at {
			return
		}
		if batch--; batch < 0 {
			panic(errCrash)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-w.drained: // the step never came
		case <-ctx.Done():
		}
		cancel()
	}()
	func() {
		defer func() {
			if r, _ := recover().(error); r != nil && !errors.Is(r, errCrash) {
				t.Fatalf("recovered %v, want the crash", r)
			}
		}()
		crashed.Partition(ctx, w)
	}()
	w.next = w.committed
	next := w.processor()
	next.c.BatchSize = len(log) / 3
	if w.committed < int64(len(log)) {
		w.run(t, next)
	}
	got := w.holds(next)
	// What a process had learnt and not stored ends with it; nothing counts twice.
	got.usual, want.usual = nil, nil
	got.equal(t, want)
	for id := range want.posts {
		if !slices.Contains(w.announced, id) {
			t.Errorf("%s was not announced", id)
		}
	}
}
