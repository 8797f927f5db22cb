package wire_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func watched() pulse.Subreddit {
	polled := now.Add(-12 * time.Second)
	next := now.Add(67 * time.Second)
	return pulse.Subreddit{
		Name: "politics", IntervalSeconds: 60, Priority: pulse.Fast, IsActive: true, AddedBy: "operator",
		CreatedAt: now.Add(-48 * time.Hour), UpdatedAt: now.Add(-time.Hour), Version: 3,
		Status: pulse.SubredditStatus{
			State: pulse.Polling, LastPollAt: &polled, NextPollAt: &next, EffectiveIntervalSeconds: ptr(79.0),
			PostsPerMinute: ptr(3.25), Gaps: 2,
			LastGap: &pulse.Gap{Subreddit: "politics", From: now.Add(-3 * time.Hour), To: now.Add(-2 * time.Hour),
				NoticedAt: now.Add(-time.Hour).In(time.FixedZone("", 3600)), Reason: "the listing no longer reaches back"},
		},
	}
}

func budget() pulse.Budget {
	return pulse.Budget{
		At: now.Add(-5 * time.Second), Allowed: 84, Sent: 83.98765, Discovery: 71, Refresh: 26.1, Sweep: 2,
		Factor: 1.25, RefreshFactor: 1.5, LivePosts: 43_200,
		Window: pulse.Window{Limit: 1000, Used: 412, ResetAt: now.Add(3 * time.Minute)},
	}
}

func TestRESTBodies(t *testing.T) {
	t.Parallel()
	row, said := watched(), budget()
	bare := pulse.Subreddit{Name: "golang", IntervalSeconds: 60, Priority: pulse.Medium, CreatedAt: now, UpdatedAt: now, Version: 1,
		Status: pulse.SubredditStatus{State: pulse.Paused}}
	for name, body := range map[string]any{
		"subreddits":      wire.SubredditList{Results: []wire.Subreddit{wire.FromSubreddit(&bare), wire.FromSubreddit(&row)}, Budget: wire.FromBudget(&said)},
		"subreddits_none": wire.SubredditList{Results: []wire.Subreddit{}},
		"gaps":            wire.GapList{Results: []wire.Gap{wire.FromGap(row.Status.LastGap)}},
		"preview_request": wire.PreviewOf(
			wire.PreviewChange{Name: "golang", IntervalSeconds: ptr(90), Priority: ptr("fast"), IsActive: ptr(false)},
			wire.PreviewChange{Name: "politics", Remove: true},
		),
		"preview_request_one": wire.PreviewOf(wire.PreviewChange{Name: "golang"}),
		"preview": wire.Preview{
			Now: wire.Load{Subreddits: 1, Allowed: 84, Discovery: 1, Refresh: 2.5, Sweep: 0.5, Total: 4, Share: 0.048, IntervalFactor: 1, RefreshFactor: 1},
			Subreddits: []wire.PreviewRow{
				{Name: "golang", IntervalSeconds: 60, Priority: "medium", ThenEffective: ptr(57.0), PromiseHolds: true, Changed: true},
				{Name: "politics", IntervalSeconds: 60, Priority: "fast", NowEffective: ptr(57.0), Changed: true},
			},
			Detail: "4 of 84 requests a minute; every interval holds", More: 3, PromiseHolds: true,
		},
	} {
		got, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, got)
	}
}

func TestABudgetThatWasNeverSaidIsNone(t *testing.T) {
	t.Parallel()
	if b := wire.FromBudget(&pulse.Budget{Allowed: 84}); b != nil {
		t.Errorf("got %+v", b)
	}
	said := budget()
	if b := wire.FromBudget(&said); b.Wanted() != 99.1 {
		t.Errorf("%g are wanted", b.Wanted())
	}
}

func TestFiguresAreAlwaysJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]float64{
		0: 0, 1.0004: 1, 41.98765: 41.988, -0.0006: -0.001, math.Inf(1): 1e9, math.Inf(-1): -1e9, math.MaxFloat64: 1e9,
	} {
		if got := wire.Figure(in); got != want {
			t.Errorf("Figure(%g) = %g, want %g", in, got, want)
		}
	}
	if got := wire.Figure(math.NaN()); got != 0 {
		t.Errorf("Figure(NaN) = %g", got)
	}
}
