package score_test

import (
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

func TestVelocity(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rules := score.Rules{MinStep: 30 * time.Second, Noise: 6}
	at := func(after time.Duration, points, comments int64) pulse.Reading {
		return pulse.Reading{ObservedAt: start.Add(after), Score: points, NumComments: comments}
	}
	num := func(f float64) *float64 { return &f }
	cases := []struct {
		property         string
		earlier, later   pulse.Reading
		points, comments *float64
	}{
		{"is per minute", at(0, 10, 1), at(2*time.Minute, 110, 5), num(50), num(2)},
		{"falls with the score", at(0, 110, 0), at(time.Minute, 10, 0), num(-100), num(0)},
		{"takes fuzz for rest", at(0, 10, 0), at(time.Minute, 16, 0), num(0), num(0)},
		{"takes downward fuzz for rest", at(0, 16, 3), at(time.Minute, 10, 2), num(0), num(-1)},
		{"counts what exceeds the fuzz in full", at(0, 10, 0), at(time.Minute, 17, 0), num(7), num(0)},
		{"is unknown without an earlier reading", pulse.Reading{}, at(0, 10, 0), nil, nil},
		{"is unknown over a short step", at(0, 10, 0), at(29*time.Second, 100, 0), nil, nil},
		{"is known over the shortest step", at(0, 10, 0), at(30*time.Second, 100, 0), num(180), num(0)},
		{"is unknown against the same moment", at(0, 10, 0), at(0, 100, 0), nil, nil},
		{"is unknown against a later reading", at(time.Hour, 10, 0), at(0, 100, 0), nil, nil},
	}
	for _, c := range cases {
		t.Run(c.property, func(t *testing.T) {
			t.Parallel()
			points, comments := score.Velocity(c.earlier, c.later, rules)
			if !same(points, c.points) || !same(comments, c.comments) {
				t.Errorf("got %v points and %v comments a minute, want %v and %v",
					show(points), show(comments), show(c.points), show(c.comments))
			}
		})
	}
}

func TestVelocityOverNoTimeIsUnknown(t *testing.T) {
	t.Parallel()
	now := pulse.Reading{ObservedAt: time.Unix(1_700_000_000, 0), Score: 1}
	if points, _ := score.Velocity(now, now, score.Rules{}); points != nil {
		t.Errorf("got %v, want unknown", *points)
	}
}

func same(a, b *float64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func show(f *float64) any {
	if f == nil {
		return "unknown"
	}
	return *f
}
