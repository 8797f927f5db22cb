package e2e

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// verdict is what became of a load.
type verdict struct {
	readings int // distinct and acknowledged, each stored once
	repeats  int // acknowledged again
	poison   int // records, each with its dead letter
	letters  int // dead letters: a replay writes one again
	unknown  int // records without an outcome

	computed int // velocities that are as computed here
	null     int // readings without one
	late     int // first sights that came behind a later reading
	seeded   int // velocities continued from a stored row
}

// check holds what is stored against what was acknowledged, once all of it has
// been processed. inOrder says that each post's later readings were taken in
// their order: then every velocity is computed again.
func (l *load) check(t testing.TB, c *cluster, inOrder bool) verdict {
	t.Helper()
	v := verdict{unknown: l.unknown}
	o := newObserver(t, c)
	eventually(t, "every record is committed", func() bool { return o.backlog(t.Context()) == 0 })
	l.checkHistory(t, c, &v, inOrder)
	l.checkPosts(t, c)
	l.checkLetters(t, c, o, &v)
	return v
}

// faults reports the first of many alike.
type faults struct {
	t     testing.TB
	count int
}

func (f *faults) add(format string, args ...any) {
	f.t.Helper()
	if f.count++; f.count <= 10 {
		f.t.Errorf(format, args...)
	}
}

// storedRow is a reading as it is stored.
type storedRow struct {
	at              time.Time
	score, comments int64
	velocity        *float64
}

func (l *load) checkHistory(t testing.TB, c *cluster, v *verdict, inOrder bool) {
	t.Helper()
	stored := c.history(t)
	f := faults{t: t}
	for _, s := range l.all {
		rows := stored[s.id]
		delete(stored, s.id)
		n := 0
		for i := range s.readings {
			r := &s.readings[i]
			there := n < len(rows) && rows[n].at.Equal(r.at)
			if r.acked > 0 {
				v.readings++
				v.repeats += r.acked - 1
			}
			switch {
			case there && r.acked == 0 && !r.unknown:
				f.add("%s: reading %d is stored and was never sent", s.id, i)
			case there && (rows[n].score != r.score || rows[n].comments != r.comments):
				f.add("%s: reading %d is stored as %+v, sent was %+v", s.id, i, rows[n], *r)
			case !there && r.acked > 0:
				f.add("lost: reading %d of %s, of %s", i, s.id, r.at)
			}
			if there {
				n++
			}
		}
		if n < len(rows) {
			f.add("%s: %d rows more than were sent, the first of %s", s.id, len(rows)-n, rows[n].at)
		}
		l.checkVelocities(s, rows, v, inOrder, &f)
	}
	if len(stored) > 0 {
		f.add("%d posts are stored that were never sent", len(stored))
	}
	if f.count > 10 {
		t.Errorf("%d faults of the history in all", f.count)
	}
}

// history is all stored readings by post, in order of time.
func (c *cluster) history(t testing.TB) map[string][]storedRow {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `select post_id, observed_at, score, num_comments, velocity from post_history order by post_id, observed_at`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]storedRow{}
	var id string
	var r storedRow
	if _, err := pgx.ForEachRow(rows, []any{&id, &r.at, &r.score, &r.comments, &r.velocity}, func() error {
		all[id] = append(all[id], r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// checkVelocities computes the velocity of each stored reading anew, one after
// the other. The first sight is in another topic than what follows: it may come
// behind it, and is without a velocity then, as the next one is.
func (l *load) checkVelocities(s *series, rows []storedRow, v *verdict, inOrder bool, f *faults) {
	for i := range rows {
		if rows[i].velocity == nil {
			v.null++
		}
	}
	if !inOrder || len(rows) == 0 {
		return
	}
	if rows[0].velocity != nil {
		f.add("%s: a first sight has the velocity %v", s.id, *rows[0].velocity)
	}
	if len(rows) > 1 && !follows(rows[0], rows[1]) && rows[1].velocity == nil {
		v.late++
		rows = rows[1:]
	}
	states := candidates{}
	states.begin(rows[0])
	for i := 1; i < len(rows); i++ {
		got := rows[i].velocity
		if want := smoothed(rows[i-1], rows[i]); l.shape.moving && !near(want, got) {
			f.add("%s: reading %d of %s has the velocity %s, want %s by hand", s.id, i, rows[i].at, show(got), show(want))
		}
		switch want := states.next(rows[i]); {
		case !states.any:
			f.add("%s: reading %d of %s has the velocity %s, want %s", s.id, i, rows[i].at, show(got), show(want))
		case states.pure:
			v.computed++
		default:
			v.seeded++
		}
	}
}

// candidates are the states that a post may be in, as far as its velocities
// tell: the one that all its readings lead to, and where the memory of the post
// was lost once, the one that is continued from a stored row.
type candidates struct {
	states []score.State // the first is the one of all readings while pure
	pure   bool
	any    bool // something explains the last velocity
}

func (c *candidates) begin(r storedRow) {
	var state score.State
	next(&state, r)
	c.states, c.pure, c.any = append(c.states[:0], state), true, true
}

// next leaves those that explain the velocity of r, and gives what the first
// had led to.
func (c *candidates) next(r storedRow) *float64 {
	var first *float64
	var left []score.State
	for i, state := range c.states {
		v := next(&state, r)
		fits := near(v, r.velocity)
		if i == 0 {
			first = v
			c.pure = c.pure && fits
		}
		if fits && !slices.Contains(left, state) {
			left = append(left, state)
		}
	}
	c.any = len(left) > 0
	if seeded := score.Seed(&pulse.Post{Observation: r.observation(), Velocity: r.velocity}); !slices.Contains(left, seeded) {
		left = append(left, seeded)
	}
	c.states = left
	return first
}

// follows tells whether the second sight was measured against the first.
func follows(first, second storedRow) bool {
	var state score.State
	next(&state, first)
	return near(next(&state, second), second.velocity)
}

// next takes a reading by the rules that the daemons have.
func next(state *score.State, r storedRow) *float64 {
	c := config.Default().Score
	rules := score.Rules{MinStep: c.MinStep, Tau: c.Tau, Noise: c.Noise, NoiseShare: c.NoiseShare}
	o := r.observation()
	return rules.Advance(state, &o, nil).Velocity
}

func (r *storedRow) observation() pulse.Observation {
	return pulse.Observation{ObservedAt: r.at, CreatedAt: r.at, Score: r.score, NumComments: r.comments, State: pulse.Live}
}

// smoothed is the rule where every step is long and a movement: the rate of the
// step, or where there was one before, the moving average.
func smoothed(before, after storedRow) *float64 {
	step := after.at.Sub(before.at)
	rate := float64(after.score-before.score) / step.Minutes()
	if before.velocity != nil {
		kept := math.Exp(-step.Minutes() / config.Default().Score.Tau.Minutes())
		rate = kept**before.velocity + (1-kept)*rate
	}
	return &rate
}

func near(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return math.Abs(*a-*b) <= 1e-9*max(1, math.Abs(*a))
}

func show(f *float64) string {
	if f == nil {
		return "unknown"
	}
	return fmt.Sprint(*f)
}

// checkPosts wants one row a post, with its newest stored reading.
func (l *load) checkPosts(t testing.TB, c *cluster) {
	t.Helper()
	const wrong = `select count(*) from (
		select distinct on (post_id) post_id, observed_at, score, num_comments, velocity
		from post_history order by post_id, observed_at desc) h
		full join posts p on p.id = h.post_id and p.observed_at = h.observed_at and p.score = h.score
			and p.num_comments = h.num_comments and p.velocity is not distinct from h.velocity
		where p.id is null or h.post_id is null`
	if n := ask[int64](t, c, wrong); n > 0 {
		t.Errorf("%d posts differ from their newest reading", n)
	}
}

// checkLetters wants a dead letter for each poison and for nothing else.
func (l *load) checkLetters(t testing.TB, c *cluster, o *observer, v *verdict) {
	t.Helper()
	ends, err := o.ends(t.Context(), wire.TopicDead)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(wire.TopicDead))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	letters, f := map[string]bool{}, faults{t: t}
	for at, end := range ends {
		if end == 0 {
			delete(ends, at)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(ends) > 0 {
		if ctx.Err() != nil {
			t.Fatal("the dead letters can't be read")
		}
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			at := place{r.Topic, r.Partition}
			if r.Offset+1 >= ends[at] {
				delete(ends, at)
			}
			v.letters++
			id := header(r, wire.HeaderDeadID)
			if !l.poison[id] {
				f.add("a dead letter of a good record: %s, %s", id, header(r, wire.HeaderDeadMessage))
			}
			letters[id] = true
		})
	}
	v.poison = len(l.poison)
	for id := range l.poison {
		if !letters[id] {
			f.add("lost: the dead letter of %s", id)
		}
	}
}
