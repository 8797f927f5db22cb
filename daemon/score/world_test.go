package score_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// noon is when the posts of these tests are made.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

var rules = score.Rules{
	MinStep: 30 * time.Second, Tau: 15 * time.Minute, Noise: 6, NoiseShare: 0.03, Enter: 80, Leave: 60,
	MinPoints: 10, MinComments: 5, Prior: 10 * time.Hour, MinBaseline: 30 * time.Hour,
}

// read is a reading of a post in r/golang, made at noon.
func read(after time.Duration, points, comments int64) *pulse.Observation {
	return &pulse.Observation{
		PostID: "t3_a", Subreddit: "golang", State: pulse.Live, CreatedAt: noon,
		ObservedAt: noon.Add(after), Score: points, NumComments: comments,
	}
}

// play takes readings one after the other and gives what the last one means.
func play(r score.Rules, s *score.State, b *score.Baselines, readings ...*pulse.Observation) score.Result {
	var res score.Result
	for _, o := range readings {
		res = r.Advance(s, o, b)
	}
	return res
}

// ages are the age buckets as pulse.Trend names them.
var ages = []string{"0-15m", "15-60m", "1-3h", "3-6h", "6-24h"}

// quiet are baselines of the whole of Reddit: posts stand still for half of the
// time, and gain seldom more than a point a minute.
func quiet(more ...pulse.Baseline) *score.Baselines {
	b := score.NewBaselineBuilder()
	for _, age := range ages {
		b.Add(pulse.Baseline{
			AgeBucket: age, Day: noon.Truncate(24 * time.Hour), Seconds: steps(500_000, 100_000, 100_000, 100_000, 100_000, 100_000),
			Comments: 6_000,
		})
	}
	for _, row := range more {
		b.Add(row)
	}
	return b.Done()
}

func steps(seconds ...int64) []int64 { return seconds }

// life is the readings of one post at random moments, oldest first, all
// different: it rises, falls, sleeps and is read in bursts.
func life(rng *rand.Rand) []*pulse.Observation {
	var all []*pulse.Observation
	at, points, comments := time.Duration(rng.IntN(60_000))*time.Millisecond, 1.0, 0.0
	pace := rng.ExpFloat64() * 20
	for range 2 + rng.IntN(40) {
		o := read(at, int64(points), int64(comments))
		if rng.IntN(40) == 0 {
			o.State = pulse.Removed
		}
		all = append(all, o)
		step := time.Duration(math.Exp(rng.Float64()*14)) * time.Millisecond // up to 20 min
		if rng.IntN(20) == 0 {
			step += time.Duration(rng.IntN(30)) * time.Hour
		}
		at += step + time.Millisecond
		points += pace*step.Minutes() + rng.NormFloat64()*3
		comments += max(0, pace*step.Minutes()*0.1+rng.NormFloat64())
		if rng.IntN(5) == 0 {
			pace = rng.ExpFloat64() * 20
		}
	}
	return all
}

func show(f *float64) string {
	if f == nil {
		return "unknown"
	}
	return fmt.Sprint(*f)
}

// near tells whether f is known and w, but for rounding.
func near(f *float64, w float64) bool { return f != nil && math.Abs(*f-w) <= 1e-9*max(1, math.Abs(w)) }

// lives calls f with the readings of many posts.
func lives(t *testing.T, f func(t *testing.T, rng *rand.Rand, readings []*pulse.Observation)) {
	t.Helper()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		f(t, rng, life(rng))
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}
