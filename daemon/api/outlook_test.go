package api

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
)

// watched makes n rows of an interval with posts a minute each.
func watched(n, seconds int, perMinute float64) []pulse.Subreddit {
	rows := make([]pulse.Subreddit, 0, n)
	for i := range n {
		rows = append(rows, pulse.Subreddit{
			Name: fmt.Sprintf("sub%05d", i), IntervalSeconds: seconds, Priority: pulse.Medium, IsActive: true,
			Status: pulse.SubredditStatus{State: pulse.Polling, PostsPerMinute: &perMinute},
		})
	}
	return rows
}

func near(a, b float64) bool { return math.Abs(a-b) <= 0.001*max(1, math.Abs(b)) }

func TestOnlyWhatIsPolledCosts(t *testing.T) {
	t.Parallel()
	for state, costs := range map[pulse.PollState]bool{
		pulse.Polling: true, pulse.Pending: true, pulse.Backoff: true, "": true,
		pulse.Private: false, pulse.Quarantined: false, pulse.Gated: false, pulse.Banned: false, pulse.Missing: false,
	} {
		for _, active := range []bool{true, false} {
			row := pulse.Subreddit{IsActive: active, Status: pulse.SubredditStatus{State: state}}
			if got := polled(&row); got != (costs && active) {
				t.Errorf("%q, active %t: polled %t", state, active, got)
			}
		}
	}
	resumed := pulse.Subreddit{IsActive: true, Status: pulse.SubredditStatus{State: pulse.Paused}}
	if !polled(&resumed) {
		t.Error("a row that was resumed, and is not polled yet, costs nothing")
	}
}

func TestInputsComeFromTheBudgetOrTheConfiguration(t *testing.T) {
	t.Parallel()
	said := pulse.Budget{At: start, Allowed: 84, Refresh: 30, Sweep: 2}
	configured := plan.Inputs{Allowed: 90, Share: 0.7}
	unmeasured := watched(1, 60, 0)
	unmeasured[0].Status.PostsPerMinute = nil
	for _, test := range []struct {
		name      string
		now, then []pulse.Subreddit
		said      pulse.Budget
		want      [2]plan.Inputs
	}{
		{"said, twice the posts", watched(10, 60, 1), watched(20, 60, 1), said,
			[2]plan.Inputs{{Allowed: 84, Refresh: 30, Sweep: 2, Share: 0.7}, {Allowed: 84, Refresh: 60, Sweep: 4, Share: 0.7}}},
		{"said, all removed", watched(10, 60, 1), nil, said,
			[2]plan.Inputs{{Allowed: 84, Refresh: 30, Sweep: 2, Share: 0.7}, {Allowed: 84, Share: 0.7}}},
		{"said, the first", nil, watched(10, 60, 2), said,
			[2]plan.Inputs{{Allowed: 84, Refresh: 30, Sweep: 2, Share: 0.7}, {Allowed: 84, Refresh: 3, Sweep: 2, Share: 0.7}}},
		{"said, but not what is allowed", watched(1, 60, 1), watched(1, 60, 1), pulse.Budget{At: start, Refresh: 5},
			[2]plan.Inputs{{Allowed: 90, Refresh: 5, Share: 0.7}, {Allowed: 90, Refresh: 5, Share: 0.7}}},
		{"never said", watched(10, 60, 1), watched(20, 60, 1), pulse.Budget{},
			[2]plan.Inputs{{Allowed: 90, Refresh: 1.5, Share: 0.7}, {Allowed: 90, Refresh: 3, Share: 0.7}}},
		{"never said, never measured", nil, unmeasured, pulse.Budget{},
			[2]plan.Inputs{{Allowed: 90, Share: 0.7}, {Allowed: 90, Refresh: 0.15 * plan.UnknownRate, Share: 0.7}}},
	} {
		now, then := outlooks(test.now, test.then, test.said, configured)
		for i, got := range []plan.Inputs{now.in, then.in} {
			want := test.want[i]
			if got.Allowed != want.Allowed || got.Share != want.Share || !near(got.Refresh, want.Refresh) || !near(got.Sweep, want.Sweep) {
				t.Errorf("%s: inputs %d are %+v, want %+v", test.name, i, got, want)
			}
		}
	}
}

func TestWordsSayWhatGivesWay(t *testing.T) {
	t.Parallel()
	few := map[string]time.Duration{"a": time.Minute, "b": time.Minute}
	for _, test := range []struct {
		o    outlook
		want string
	}{
		{outlook{}, "no subreddit is polled, nothing is asked of Reddit"},
		{outlook{effective: few, in: plan.Inputs{Allowed: 84, Refresh: 10, Sweep: 2}, forecast: plan.Forecast{Discovery: 30.2, Factor: 1, RefreshFactor: 1}},
			"42 of 84 requests a minute; every interval holds"},
		{outlook{effective: few, in: plan.Inputs{Allowed: 84}, forecast: plan.Forecast{Discovery: 1.44, Factor: 1, RefreshFactor: 1}},
			"1.4 of 84 requests a minute; every interval holds"},
		{outlook{effective: few, in: plan.Inputs{Allowed: 84}, forecast: plan.Forecast{Discovery: 84.2, Factor: 1.005, RefreshFactor: 1}},
			"84 of 84 requests a minute; every interval holds"},
		{outlook{effective: few, missed: 2, in: plan.Inputs{Allowed: 100, Refresh: 38}, forecast: plan.Forecast{Discovery: 80, Factor: 1.312, RefreshFactor: 2}},
			"budget 118 %: all intervals ×1.31; 2 of 2 would miss their promise"},
		{outlook{effective: few, in: plan.Inputs{Allowed: 100, Refresh: 78}, forecast: plan.Forecast{Discovery: 40, Factor: 1, RefreshFactor: 1.4}},
			"budget 118 %: refresh of posts ×1.40; every interval holds"},
		{outlook{effective: few, missed: 1, in: plan.Inputs{}, forecast: plan.Forecast{Discovery: 40, Factor: 1}},
			"40 of 0 requests a minute; 1 of 2 would miss their promise"},
	} {
		if got := test.o.words(); got != test.want {
			t.Errorf("words = %q, want %q", got, test.want)
		}
	}
}

func TestAnOverfullBudgetIsForeseen(t *testing.T) {
	t.Parallel()
	said := pulse.Budget{At: start, Allowed: 84, Refresh: 10}
	now, then := outlooks(watched(115, 60, 0.2), watched(10_000, 60, 0.01), said, plan.Inputs{Allowed: 90})
	if now.missed != 0 || now.forecast.Factor > 1 || now.share() > 1 || !strings.HasSuffix(now.words(), "every interval holds") {
		t.Errorf("115 each minute: %s, %+v", now.words(), now.load())
	}
	if then.missed != 10_000 || then.share() <= 1 || !strings.Contains(then.words(), ": all intervals ×") ||
		!strings.HasSuffix(then.words(), "10000 of 10000 would miss their promise") {
		t.Errorf("10,000 each minute: %s, %+v", then.words(), then.load())
	}
	if e := then.of("SUB00007"); e == nil || *e < 60 {
		t.Errorf("one of them is polled every %v s", e)
	}
}

func TestMoved(t *testing.T) {
	t.Parallel()
	at := func(v float64) *float64 { return &v }
	for _, test := range []struct {
		now, then *float64
		want      bool
	}{
		{nil, nil, false}, {nil, at(60), true}, {at(60), nil, true}, {at(60), at(60.5), false}, {at(60), at(61), true}, {at(60), at(59), true},
	} {
		if got := moved(test.now, test.then); got != test.want {
			t.Errorf("moved = %t, want %t", got, test.want)
		}
	}
}

func BenchmarkOutlooks(b *testing.B) {
	for _, n := range []int{115, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			now, then := watched(n, 60, 0.01), watched(n+1, 60, 0.01)
			for b.Loop() {
				outlooks(now, then, pulse.Budget{}, plan.Inputs{Allowed: 90})
			}
		})
	}
}
