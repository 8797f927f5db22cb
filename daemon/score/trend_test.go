package score_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// climb is readings a step apart, from an age on, by what was gained in between.
func climb(from, step time.Duration, gains ...int64) []*pulse.Observation {
	points := int64(10)
	all := []*pulse.Observation{read(from, points, 0)}
	for i, gain := range gains {
		points += gain
		all = append(all, read(from+time.Duration(i+1)*step, points, 0))
	}
	return all
}

// answers tells for each reading whether the post trends: T or a dot.
func answers(r score.Rules, b *score.Baselines, readings []*pulse.Observation) string {
	var s score.State
	var told strings.Builder
	for _, o := range readings {
		if r.Advance(&s, o, b).Trend != nil {
			told.WriteByte('T')
		} else {
			told.WriteByte('.')
		}
	}
	return told.String()
}

func TestWhenAPostTrends(t *testing.T) {
	t.Parallel()
	m := time.Minute
	with := func(readings []*pulse.Observation, f func(all []*pulse.Observation)) []*pulse.Observation {
		f(readings)
		return readings
	}
	busy := pulse.Baseline{Subreddit: "golang", AgeBucket: "15-60m", Seconds: append(make([]int64, 35), 4_000_000)}
	mixed := pulse.Baseline{Subreddit: "golang", AgeBucket: "15-60m", Seconds: append(append(steps(2_400_000), make([]int64, 35)...), 1_600_000)}
	cases := []struct {
		property string
		usual    *score.Baselines
		readings []*pulse.Observation
		want     string
	}{
		{"from the second high reading on", quiet(), climb(20*m, m, 50, 50, 50, 50), "..TTT"},
		{"not by a single jump", quiet(), climb(20*m, m, 50, 0, 0, 0, 0), "......"},
		{"not while it stands still", quiet(), climb(20*m, m, 0, 3, 0, 3), "....."},
		{"not while it falls", quiet(), climb(20*m, m, -50, -50, -50), "...."},
		{"not by readings too close together", quiet(), climb(20*m, 10*time.Second, 9, 9, 9, 9, 9), "......"},
		{"until the second low reading", quiet(), climb(20*m, 10*m, 500, 500, 0, 0, 0, 0, 0, 0, 0, 0), "..TTTTTTT.."},
		{
			"on over a single low reading", quiet(), climb(20*m, 9*m, 100, 100, 0, 0, 300, 0, 0, 300), "..TTTTTTT",
		},
		{"not where little is known", score.NewBaselineBuilder().Done(), climb(20*m, m, 50, 50, 50), "...."},
		{"not without anything known", nil, climb(20*m, m, 50, 50, 50), "...."},
		{"not after a day", quiet(), climb(24*time.Hour, m, 50, 50, 50), "...."},
		{"not before its birth", quiet(), climb(-time.Hour, m, 50, 50, 50), "...."},
		{"not where that is usual", quiet(busy), climb(20*m, m, 30, 30, 30), "...."},
		{"not where many do the same", quiet(mixed), climb(20*m, m, 30, 30, 30), "...."},
		{"above what is usual", quiet(busy), climb(20*m, m, 400, 400, 400), "..TT"},
		{"not with too few points", quiet(), climb(20*m, 15*m, 9, 9, 9), "...."},
		{
			"begins anew once it was removed", quiet(),
			with(climb(20*m, m, 50, 50, 50, 50, 50), func(all []*pulse.Observation) { all[3].State = pulse.Removed }), "..T..T",
		},
		{
			"by its subreddit in any spelling", quiet(busy),
			with(climb(20*m, m, 30, 30, 30), func(all []*pulse.Observation) {
				for _, o := range all {
					o.Subreddit = "GoLang"
				}
			}), "....",
		},
	}
	for _, c := range cases {
		t.Run(c.property, func(t *testing.T) {
			t.Parallel()
			if got := answers(rules, c.usual, c.readings); got != c.want {
				t.Errorf("it trends %s, want %s", got, c.want)
			}
		})
	}
}

func TestATrendBeginsWithTheFirstHighReading(t *testing.T) {
	t.Parallel()
	var s score.State
	readings := climb(20*time.Minute, time.Minute, 50, 50, 50)
	got := play(rules, &s, quiet(), readings...)
	if got.Trend == nil || !got.Trend.Since.Equal(readings[1].ObservedAt) || got.Trend.Since.Location() != time.UTC {
		t.Errorf("got %+v, want it since %v", got.Trend, readings[1].ObservedAt)
	}
}

func TestATrendOutlivesMissingBaselines(t *testing.T) {
	t.Parallel()
	var s score.State
	readings := climb(20*time.Minute, time.Minute, 50, 50, 50, 50)
	play(rules, &s, quiet(), readings[:3]...)
	if got := rules.Advance(&s, readings[3], nil); got.Trend != nil {
		t.Errorf("without baselines %+v", got.Trend)
	}
	if got := rules.Advance(&s, readings[4], quiet()); got.Trend == nil || !got.Trend.Since.Equal(readings[1].ObservedAt) {
		t.Errorf("with them again %+v", got.Trend)
	}
}

func TestFiguresOfATrend(t *testing.T) {
	t.Parallel()
	// Half of the time of posts in r/golang is spent at up to expm1(1.5) a minute.
	own := pulse.Baseline{Subreddit: "golang", AgeBucket: "1-3h", Seconds: append(make([]int64, 11), steps(1, 1, 1, 1, 2, 1, 1, 1, 1)...)}
	for i := range own.Seconds {
		own.Seconds[i] *= 1e12 // nothing of the other subreddits is left
	}
	var s score.State
	got := play(rules, &s, quiet(own), climb(70*time.Minute, time.Minute, 200, 200)...).Trend
	if got == nil {
		t.Fatal("it does not trend")
	}
	if usual := math.Expm1(1.45); math.Abs(got.Usual-usual) > 0.01 || math.Abs(got.TimesUsual-200/usual) > 0.01 {
		t.Errorf("usual is %v, %v times; want %.2f, %.2f", got.Usual, got.TimesUsual, usual, 200/usual)
	}
	if got.AgeBucket != "1-3h" || got.Percentile != 99.9 || got.Score < 80 || got.Score > 100 {
		t.Errorf("got %+v", got)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	own := func(name string) pulse.Baseline {
		seconds := append(make([]int64, 11), steps(100, 100, 100, 100, 200, 100, 100, 100, 100)...)
		for i := range seconds {
			seconds[i] *= 1e9
		}
		return pulse.Baseline{Subreddit: name, AgeBucket: "1-3h", Seconds: seconds, Comments: 1e9}
	}
	long := strings.Repeat("ä", 50)
	cases := []struct {
		name     string
		comments int64 // in each step of 12 minutes
		usual    *score.Baselines
		want     string
	}{
		{"golang", 0, quiet(own("golang")), "34/min, 10× usual for posts 1–3 h old in r/golang; top 0.1 %"},
		{"golang", 22, quiet(own("golang")), "34/min, 10× usual for posts 1–3 h old in r/golang; top 0.1 %; 22 comments in 12 min, 0.72 expected"},
		{"golang", 4, quiet(own("golang")), "34/min, 10× usual for posts 1–3 h old in r/golang; top 0.1 %"},
		{"golang", 22, quiet(), "34/min where posts 1–3 h old in r/golang usually hardly move; top 0.1 %; 22 comments in 12 min, 4.3 expected"},
		{"\x1b[1m\u202eevil", 0, quiet(), "34/min where posts 1–3 h old in r/[1mevil usually hardly move; top 0.1 %"},
		{long, 22, quiet(), "34/min where posts 1–3 h old in r/" + long + " usually hardly move; top 0.1 %"},
	}
	for _, c := range cases {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			low := rules
			low.Enter, low.Leave = 20, 10
			var s score.State
			readings := climb(70*time.Minute, 12*time.Minute, 408, 408, 408)
			for i, o := range readings {
				o.Subreddit, o.NumComments = c.name, c.comments*int64(i)
			}
			got := play(low, &s, c.usual, readings...).Trend
			if got == nil {
				t.Fatal("it does not trend")
			}
			if got.Reason != c.want {
				t.Errorf("got  %q\nwant %q", got.Reason, c.want)
			}
		})
	}
}

func TestAReasonIsBounded(t *testing.T) {
	t.Parallel()
	for n := range 300 {
		var s score.State
		readings := climb(70*time.Minute, time.Minute, 1e15, 1e16)
		for _, o := range readings {
			o.Subreddit = strings.Repeat("世", n)
		}
		checkResult(t, play(rules, &s, quiet(), readings...))
	}
}

func TestTalkRaisesAScore(t *testing.T) {
	t.Parallel()
	scoreOf := func(comments int64) float64 {
		var s score.State
		readings := climb(20*time.Minute, time.Minute, 20, 20)
		for i, o := range readings {
			o.NumComments = comments * int64(i)
		}
		if got := play(rules, &s, quiet(), readings...).Trend; got != nil {
			return got.Score
		}
		return 0
	}
	if silent, lively, wild := scoreOf(0), scoreOf(5), scoreOf(5000); !(silent < lively && lively < wild && wild <= 100) {
		t.Errorf("without comments %v, with some %v, with very many %v", silent, lively, wild)
	}
	var s score.State
	readings := climb(20*time.Minute, time.Minute, 0, 0, 0)
	for i, o := range readings {
		o.NumComments = 5000 * int64(i)
	}
	if got := play(rules, &s, quiet(), readings...); got.Trend != nil {
		t.Errorf("comments alone make a trend: %+v", got.Trend)
	}
}

func ExampleRules_Advance() {
	var s score.State
	var res score.Result
	for _, o := range climb(20*time.Minute, 5*time.Minute, 0, 170, 172) {
		res = rules.Advance(&s, o, quiet())
	}
	fmt.Println(res.Trend.Reason)
	// Output: 22/min where posts 15–60 min old in r/golang usually hardly move; top 0.1 %
}
