package score_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// told is what a reading meant, by value.
type told struct {
	points, comments string
	trend            pulse.Trend
}

func tellOf(r score.Result) told {
	tell := told{points: show(r.Velocity), comments: show(r.CommentVelocity)}
	if r.Trend != nil {
		tell.trend = *r.Trend
	}
	return tell
}

func TestReplaysAndRepetitionsChangeNothing(t *testing.T) {
	t.Parallel()
	usual := quiet()
	lives(t, func(t *testing.T, rng *rand.Rand, readings []*pulse.Observation) {
		// Each reading in its turn, once; and what the state was before it.
		var s score.State
		states, first := []score.State{s}, make([]told, len(readings))
		for i, o := range readings {
			first[i] = tellOf(rules.Advance(&s, o, usual))
			states = append(states, s)
		}
		// A crash before the state was saved: all from there on again.
		from := rng.IntN(len(readings))
		again := states[from]
		for i := from; i < len(readings); i++ {
			if got := tellOf(rules.Advance(&again, readings[i], usual)); got != first[i] {
				t.Fatalf("replayed from %d, reading %d means %+v, meant %+v", from, i, got, first[i])
			}
		}
		if again != s {
			t.Fatalf("the replayed state is %+v, want %+v", again, s)
		}
		// A crash after that: what is known already is stale, but for the newest.
		to := from + rng.IntN(len(readings)-from)
		after := states[to+1]
		for i := from; i <= to; i++ {
			res := rules.Advance(&after, readings[i], usual)
			if i < to && (res.Outcome != score.Stale || res.Velocity != nil) {
				t.Fatalf("reading %d behind %d is %+v, want stale", i, to, res)
			}
			if i == to && (res.Outcome != score.Same || show(res.Velocity) != first[i].points || show(res.CommentVelocity) != first[i].comments) {
				t.Fatalf("the newest again is %+v, want what it was", res)
			}
		}
		if after != states[to+1] {
			t.Fatalf("old readings made %+v of %+v", after, states[to+1])
		}
	})
}

func TestTheSameReadingsDoubledMeanTheSame(t *testing.T) {
	t.Parallel()
	usual := quiet()
	lives(t, func(t *testing.T, rng *rand.Rand, readings []*pulse.Observation) {
		var once, twice score.State
		for i, o := range readings {
			want := rules.Advance(&once, o, usual)
			got := rules.Advance(&twice, o, usual)
			for range rng.IntN(3) {
				repeated := rules.Advance(&twice, readings[rng.IntN(i+1)], usual)
				if repeated.Outcome == score.New || repeated.Sampled || repeated.Trend != nil {
					t.Fatalf("a repetition is %+v", repeated)
				}
			}
			if tellOf(got) != tellOf(want) || got.Sample != want.Sample || once != twice {
				t.Fatalf("reading %d means %+v, want %+v", i, got, want)
			}
		}
	})
}

func TestSamples(t *testing.T) {
	t.Parallel()
	s, m := time.Second, time.Minute
	cases := []struct {
		property string
		readings []*pulse.Observation
		age      string
		seconds  []int64
		comments int64
	}{
		{"last as long as the step", []*pulse.Observation{read(m, 1, 0), read(3*m, 1, 4)}, "0-15m", steps(120), 4},
		{"are at the step of the velocity", []*pulse.Observation{read(m, 0, 0), read(2*m, 10, 0)}, "0-15m", append(make([]int64, 24), 60), 0},
		{"of a falling post do not move", []*pulse.Observation{read(m, 90, 0), read(2*m, 10, 0)}, "0-15m", steps(60), 0},
		{"of the fastest post are at the last step", []*pulse.Observation{read(m, 0, 0), read(2*m, 1e9, 0)}, "0-15m", append(make([]int64, 80), 60), 0},
		{"last an hour at most", []*pulse.Observation{read(0, 1, 0), read(4*time.Hour, 1, 8)}, "3-6h", steps(3600), 2},
		{"count deletions", []*pulse.Observation{read(0, 1, 9), read(m, 1, 7)}, "0-15m", steps(60), -2},
		{"have whole seconds that add up", []*pulse.Observation{read(0, 1, 0), read(40*s+900*time.Millisecond, 1, 0)}, "0-15m", steps(40), 0},
		{"belong to the age at the end", []*pulse.Observation{read(14*m, 1, 0), read(15*m, 1, 0)}, "15-60m", steps(60), 0},
		{"end with the day", []*pulse.Observation{read(23*time.Hour, 1, 0), read(24*time.Hour, 1, 0)}, "", nil, 0},
		{"are not of first sights", []*pulse.Observation{read(0, 1, 0)}, "", nil, 0},
		{"are not of unknown velocities", []*pulse.Observation{read(0, 1, 0), read(20*s, 1, 0)}, "", nil, 0},
		{"are not of posts before their birth", []*pulse.Observation{read(-9*m, 1, 0), read(-m, 1, 0)}, "", nil, 0},
	}
	for _, c := range cases {
		t.Run(c.property, func(t *testing.T) {
			t.Parallel()
			var state score.State
			got := play(rules, &state, nil, c.readings...)
			if got.Sampled != (c.age != "") {
				t.Fatalf("sampled %v", got.Sampled)
			}
			if !got.Sampled {
				return
			}
			l := score.NewLearner(10)
			l.Add(got.Sample)
			want := pulse.Baseline{AgeBucket: c.age, Day: noon.Truncate(24 * time.Hour), Seconds: c.seconds, Comments: c.comments}
			rows := l.Take()
			if len(rows) != 2 || !equalRows(rows[0], want) {
				t.Errorf("got %+v, want %+v", rows, want)
			}
		})
	}
}

func TestRemovedPostsAreNoExample(t *testing.T) {
	t.Parallel()
	for _, state := range []pulse.State{pulse.Removed, pulse.Deleted, pulse.Gone} {
		var s score.State
		last := read(2*time.Minute, 100, 9)
		last.State = state
		got := play(rules, &s, quiet(), read(0, 1, 0), read(time.Minute, 50, 4), last)
		if got.Sampled || got.Trend != nil || got.Velocity == nil {
			t.Errorf("%s: %+v, want a velocity only", state, got)
		}
	}
}

func TestTheDayIsThatOfTheReading(t *testing.T) {
	t.Parallel()
	var s score.State
	got := play(rules, &s, nil, read(12*time.Hour-time.Second, 1, 0), read(12*time.Hour+time.Minute, 1, 0))
	l := score.NewLearner(10)
	l.Add(got.Sample)
	if rows := l.Take(); !rows[0].Day.Equal(time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)) || rows[0].Day.Location() != time.UTC {
		t.Errorf("the day is %v", rows[0].Day)
	}
}

func equalRows(a, b pulse.Baseline) bool {
	return a.Subreddit == b.Subreddit && a.AgeBucket == b.AgeBucket && a.Day.Equal(b.Day) &&
		slices.Equal(a.Seconds, b.Seconds) && a.Comments == b.Comments
}

// checkResult fails where something could not be stored or sent.
func checkResult(t *testing.T, r score.Result) {
	t.Helper()
	for _, f := range []*float64{r.Velocity, r.CommentVelocity} {
		if f != nil && (math.IsNaN(*f) || math.IsInf(*f, 0)) {
			t.Errorf("a velocity of %v", *f)
		}
	}
	if r.Sampled && (r.Sample.Seconds < 0 || r.Sample.Seconds > 3600) {
		t.Errorf("a sample of %d s", r.Sample.Seconds)
	}
	if r.Trend == nil {
		return
	}
	if _, err := json.Marshal(r.Trend); err != nil {
		t.Errorf("a trend that is no JSON: %v", err)
	}
	if p := r.Trend; !(p.Score >= 0 && p.Score <= 100 && p.Percentile >= 0 && p.Percentile <= 100 && p.TimesUsual >= 0) {
		t.Errorf("a trend of %+v", p)
	}
	if reason := r.Trend.Reason; len(reason) > 200 || !utf8.ValidString(reason) {
		t.Errorf("a reason of %d bytes: %q", len(reason), reason)
	}
}

func FuzzAdvance(f *testing.F) {
	f.Add(int64(0), int64(1), int64(60_000), int64(50), int64(120_000), int64(200), int64(0), "golang")
	f.Add(int64(math.MinInt64), int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(0), int64(0), int64(math.MaxInt64), "r/\x00\u202e")
	f.Add(int64(0), int64(math.MinInt64), int64(3_600_000), int64(math.MaxInt64), int64(4_000_000), int64(math.MinInt64), int64(-1), "")
	f.Add(int64(0), int64(1), int64(60_000), int64(1e9), int64(120_000), int64(2e9), int64(0), string(make([]byte, 300)))
	usual := quiet()
	f.Fuzz(func(t *testing.T, at1, score1, at2, score2, at3, score3, created int64, name string) {
		var s score.State
		for i, r := range [][2]int64{{at1, score1}, {at2, score2}, {at3, score3}, {at3, score3}, {at2, score1}} {
			o := pulse.Observation{
				ObservedAt: time.UnixMilli(r[0]), CreatedAt: time.UnixMilli(created), Subreddit: name,
				Score: r[1], NumComments: r[1] / int64(i+1), State: pulse.Live,
			}
			checkResult(t, rules.Advance(&s, &o, usual))
			stored := s.Append(nil)
			if back, err := score.ParseState(stored); err != nil || back != s || len(stored) > 120 {
				t.Fatalf("%+v is stored as %x, which is %+v, %v", s, stored, back, err)
			}
		}
	})
}
