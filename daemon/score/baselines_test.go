package score_test

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// trendOf is how a post that gains so many points a minute trends among others.
func trendOf(t *testing.T, b *score.Baselines, pace int64) *pulse.Trend {
	t.Helper()
	eager := rules
	eager.Enter, eager.Leave = 0, 0
	var s score.State
	got := play(eager, &s, b, climb(70*time.Minute, time.Minute, pace, pace)...).Trend
	if got == nil {
		t.Fatal("it does not trend")
	}
	return got
}

// at is a baseline whose posts spend hours at one step of velocity.
func at(subreddit string, step int, hours int64) pulse.Baseline {
	return pulse.Baseline{Subreddit: subreddit, AgeBucket: "1-3h", Seconds: append(make([]int64, step), hours*3600)}
}

func built(rows ...pulse.Baseline) *score.Baselines {
	b := score.NewBaselineBuilder()
	for _, row := range rows {
		b.Add(row)
	}
	return b.Done()
}

func TestASubredditBorrowsFromAll(t *testing.T) {
	t.Parallel()
	// The middle of step n is log(1+v) = (n−0.5)/10.
	for hours, share := range map[int64]float64{0: 0, 5: 1. / 3, 10: 0.5, 90: 0.9} {
		usual := math.Expm1(1.05*(1-share) + 2.05*share)
		if got := trendOf(t, built(at("", 11, 1000), at("golang", 21, hours)), 1000); math.Abs(got.Usual-usual) > 0.01 {
			t.Errorf("with %d hours %v is usual, want %.2f", hours, got.Usual, usual)
		}
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	all := pulse.Baseline{AgeBucket: "1-3h", Seconds: steps(1_000_000)}
	own := pulse.Baseline{Subreddit: "golang", AgeBucket: "1-3h", Seconds: append(make([]int64, 20), 97e12)}
	own.Seconds = append(own.Seconds, make([]int64, 60)...)
	own.Seconds[30], own.Seconds[40] = 1e12, 2e12
	for pace, want := range map[int64]float64{
		12: 97, 24: 98, 900: 99.9, // log1p: 2.56, 3.2, 6.8
	} {
		if got := trendOf(t, built(all, own), pace).Percentile; math.Abs(got-want) > 0.01 {
			t.Errorf("%d a minute is at %v, want %v", pace, got, want)
		}
	}
}

func TestDaysAddUp(t *testing.T) {
	t.Parallel()
	days := []pulse.Baseline{at("", 11, 10), at("", 21, 5), at("", 11, 15)}
	for i := range days {
		days[i].Day = noon.AddDate(0, 0, i)
		days[i].Comments = 1800
	}
	one := at("", 11, 25)
	one.Seconds = append(one.Seconds, make([]int64, 9)...)
	one.Seconds = append(one.Seconds, 5*3600)
	one.Comments = 5400
	if got, want := trendOf(t, built(days...), 500), trendOf(t, built(one), 500); *got != *want {
		t.Errorf("three days are %+v, one is %+v", got, want)
	}
}

func TestTooLittleIsNotEnough(t *testing.T) {
	t.Parallel()
	for hours, want := range map[int64]bool{29: false, 30: true} {
		b := built(at("", 0, hours), at("golang", 0, 1000))
		if got := b.Covers(2*time.Hour, &rules); got != want {
			t.Errorf("%d hours are enough: %v, want %v", hours, got, want)
		}
		if b.Covers(time.Minute, &rules) || b.Covers(25*time.Hour, &rules) || b.Covers(-time.Hour, &rules) {
			t.Error("ages of which nothing is known are covered")
		}
	}
	var none *score.Baselines
	if none.Covers(time.Hour, &rules) {
		t.Error("nothing is enough")
	}
}

func TestOddRowsDoNoHarm(t *testing.T) {
	t.Parallel()
	odd := []pulse.Baseline{
		{AgeBucket: "1-2h", Seconds: steps(1_000_000)},
		{AgeBucket: "1-3h", Seconds: append(steps(-5, 0, -7), make([]int64, 500)...)},
		{AgeBucket: "1-3h", Seconds: steps(200_000, math.MaxInt64, math.MinInt64), Comments: math.MinInt64},
		{Subreddit: "golang", AgeBucket: "1-3h"},
		{Subreddit: "rust", AgeBucket: "1-3h", Seconds: append(make([]int64, 200), 5), Comments: math.MaxInt64},
	}
	var s score.State
	for _, o := range climb(70*time.Minute, time.Minute, 1000, 1000, 1000) {
		checkResult(t, rules.Advance(&s, o, built(odd...)))
		o.Subreddit = "rust"
		var other score.State
		checkResult(t, rules.Advance(&other, o, built(odd...)))
	}
}

func TestManyBaselinesAreSmall(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := score.NewBaselineBuilder()
	seconds := make([]int64, 70)
	for i := range seconds {
		seconds[i] = 100
	}
	for n := range 10_000 {
		for _, age := range ages {
			b.Add(pulse.Baseline{Subreddit: fmt.Sprint("subreddit_", n), AgeBucket: age, Seconds: seconds})
		}
	}
	made := b.Done()
	runtime.GC()
	runtime.ReadMemStats(&after)
	took := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("10,000 subreddits take %.1f MB", float64(took)/1e6)
	if took > 25e6 {
		t.Errorf("10,000 subreddits take %d bytes, want at most 25 MB", took)
	}
	runtime.KeepAlive(made)
}
