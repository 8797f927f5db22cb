package screen

import (
	"math"
	"testing"
	"time"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/theme"
)

func TestEveryShowsAnotherInterval(t *testing.T) {
	t.Parallel()
	at := func(v float64) *float64 { return &v }
	for _, test := range []struct {
		promised  int
		effective *float64
		want      string
	}{
		{60, nil, "60s"}, {60, at(57), "60s"}, {60, at(60.5), "60s"}, {60, at(79), "60→79s"}, {60, at(30), "60→30s"},
		{600, at(786), "600→786s"}, {1000, at(1310), "17→22m"}, {3600, at(4716), "60→79m"}, {86400, at(113_000), "24→31h"},
		{86400, at(86400 * 1000), "1→1000d"}, {86400, at(1e300), "86400s→…"}, {10, at(math.MaxFloat64), "10s→…"},
	} {
		row := wire.Subreddit{IntervalSeconds: test.promised, IsActive: true, Status: wire.SubredditStatus{EffectiveIntervalSeconds: test.effective}}
		got := every(&row)
		if got != test.want || text.Width(got) > everyWide {
			t.Errorf("every %d s, really %v: %q, want %q", test.promised, test.effective, got, test.want)
		}
		row.IsActive = false
		if got := every(&row); text.Width(got) > everyWide-2 {
			t.Errorf("paused: %q", got)
		}
	}
}

func TestBudgetLine(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	later := now.Add(5 * time.Minute)
	late, fine := 79.0, 57.0
	rows := []wire.Subreddit{
		{IntervalSeconds: 60, IsActive: true, Status: wire.SubredditStatus{EffectiveIntervalSeconds: &fine}},
		{IntervalSeconds: 60, IsActive: true, Status: wire.SubredditStatus{EffectiveIntervalSeconds: &late}},
		{IntervalSeconds: 60, Status: wire.SubredditStatus{EffectiveIntervalSeconds: &late}},
	}
	th := theme.New(true)
	for _, test := range []struct {
		b     *wire.Budget
		rows  []wire.Subreddit
		want  string
		style theme.Style
	}{
		{nil, rows, "", theme.Style{}},
		{&wire.Budget{At: now, Allowed: 84, Discovery: 42.4}, rows[:1], "requests 42 of 84 a minute · every interval holds", th.Good},
		{&wire.Budget{At: now, Allowed: 100, Discovery: 80, Refresh: 38, IntervalFactor: 1.31, RefreshFactor: 2}, rows,
			"budget 118 %: intervals ×1.3 · 1 of 2 miss their promise", th.Warn},
		{&wire.Budget{At: now, Allowed: 100, Discovery: 40, Refresh: 78, IntervalFactor: 1, RefreshFactor: 1.4}, nil,
			"budget 118 %: refresh of posts ×1.4 · every interval holds", th.Warn},
		{&wire.Budget{At: now.Add(-7 * time.Minute), Allowed: 0, Reddit: wire.RedditLimit{StoppedUntil: &later}}, nil,
			"requests 0 of 0 a minute · every interval holds · nothing is sent until 14:05:00 UTC · ingestion is silent for 7m", th.Bad},
		{&wire.Budget{At: now.Add(time.Hour), Discovery: math.MaxFloat64}, nil, "requests 1000.0M of 0 a minute · every interval holds", th.Good},
	} {
		if got, style := budgetLine(th, test.b, test.rows, now); got != test.want || style != test.style {
			t.Errorf("budgetLine = %q, want %q", got, test.want)
		}
	}
}

func TestGapLine(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	row := wire.Subreddit{Name: "news", Status: wire.SubredditStatus{Gaps: 1}}
	if got := gapLine(&row); got != "" {
		t.Errorf("of a gap that is not known: %q", got)
	}
	row.Status.LastGap = &wire.Gap{From: from, To: from.Add(30 * time.Minute), Reason: "the listing ends"}
	if got, want := gapLine(&row), "news: a gap, 2026-03-01 23:00 to 23:30 UTC: the listing ends"; got != want {
		t.Errorf("gapLine = %q, want %q", got, want)
	}
	row.Status.Gaps, row.Status.LastGap = 12, &wire.Gap{From: from, To: from.Add(2 * time.Hour)}
	if got, want := gapLine(&row), "news: 12 gaps, the newest 2026-03-01 23:00 to 2026-03-02 01:00 UTC"; got != want {
		t.Errorf("gapLine = %q, want %q", got, want)
	}
}
