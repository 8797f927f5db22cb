package screen

import (
	"testing"
	"time"

	"dev.redditpulse/shared/text"
)

func TestFiguresFitTheirColumns(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		-time.Hour: "<1m", 0: "<1m", 59 * time.Second: "<1m", time.Minute: "1m", 59 * time.Minute: "59m",
		47 * time.Hour: "47h", 49 * time.Hour: "2d", 999 * 24 * time.Hour: "999d", 20 * 365 * 24 * time.Hour: "20y",
	} {
		if got := Age(now, now.Add(-ago)); got != want || len(got) > 4 {
			t.Errorf("%s ago is %q, want %q", ago, got, want)
		}
	}
	if got := Ago(now, now.Add(-7*time.Second)); got != "7s" {
		t.Errorf("7 s ago is %q", got)
	}
	if got := Age(now, time.Time{}); got != unknown {
		t.Errorf("no time is %q", got)
	}
	for _, n := range []int64{0, 999_999, 1_000_000, 999_900_000, -99_999, -100_000, 1_000_000_000} {
		if got := count(n); text.Width(got) > 7 {
			t.Errorf("%d is %q", n, got)
		}
	}
	for _, v := range []float64{0, 99.95, 100, -3.2, 1e5, 1e6, 1e300, -1e9} {
		if got := speed(&v); text.Width(got) > 7 {
			t.Errorf("%v is %q", v, got)
		}
	}
}
