package score_test

import (
	"math"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

const unknown = math.MaxFloat64

func TestVelocity(t *testing.T) {
	t.Parallel()
	m := time.Minute
	e := func(minutes float64) float64 { return math.Exp(-minutes / 15) }
	cases := []struct {
		property         string
		readings         []*pulse.Observation
		points, comments float64
	}{
		{"is unknown at first sight", []*pulse.Observation{read(0, 10, 0)}, unknown, unknown},
		{"is per minute", []*pulse.Observation{read(0, 10, 1), read(2*m, 110, 5)}, 50, 2},
		{"falls with the score", []*pulse.Observation{read(0, 110, 0), read(m, 10, 0)}, -100, 0},
		{"takes fuzz for rest", []*pulse.Observation{read(0, 10, 0), read(m, 16, 0)}, 0, 0},
		{"takes downward fuzz for rest", []*pulse.Observation{read(0, 16, 3), read(m, 10, 2)}, 0, -1},
		{"counts what exceeds the fuzz in full", []*pulse.Observation{read(0, 10, 0), read(m, 17, 0)}, 7, 0},
		{"takes a small share of a large score for rest", []*pulse.Observation{read(0, 10_000, 0), read(m, 10_300, 0)}, 0, 0},
		{"counts a larger share", []*pulse.Observation{read(0, 10_000, 0), read(m, 10_320, 0)}, 320, 0},
		{"is unknown over a short step", []*pulse.Observation{read(0, 10, 0), read(29*time.Second, 100, 0)}, unknown, unknown},
		{"is known over the shortest step", []*pulse.Observation{read(0, 10, 0), read(30*time.Second, 100, 0)}, 180, 0},
		{
			"joins short steps to one", []*pulse.Observation{read(0, 10, 0), read(20*time.Second, 20, 1), read(40*time.Second, 50, 2)},
			60, 3,
		},
		{
			"stays over a short step", []*pulse.Observation{read(0, 10, 0), read(m, 40, 3), read(m+29*time.Second, 90, 9)},
			30, 3,
		},
		{
			"is smoothed", []*pulse.Observation{read(0, 0, 0), read(m, 100, 10), read(6*m, 100+50, 10+10)},
			100*e(5) + 10*(1-e(5)), 10*e(5) + 2*(1-e(5)),
		},
		{"adds up slow growth", []*pulse.Observation{read(0, 10, 0), read(5*m, 14, 0), read(10*m, 20, 0)}, 1, 0},
		{
			"stays while the fuzz would hide it", []*pulse.Observation{read(0, 10, 0), read(10*m, 20, 0), read(15*m, 20, 0)},
			1, 0,
		},
		{
			"fades from when it would show", []*pulse.Observation{read(0, 10, 0), read(10*m, 20, 0), read(26*m, 20, 0)},
			e(10), 0,
		},
		{"is unknown after more than a day", []*pulse.Observation{read(0, 10, 0), read(m, 100, 0), read(24*time.Hour+m+1e6, 900, 0)}, unknown, unknown},
		{"is known after a day", []*pulse.Observation{read(0, 0, 0), read(24*time.Hour, 1440, 0)}, 1, 0},
		{
			"forgets what stood still for a day", []*pulse.Observation{
				read(0, 10, 0), read(20*time.Hour, 10, 0), read(30*time.Hour, 12, 0), read(31*time.Hour, 18, 0),
			},
			0, 0,
		},
	}
	for _, c := range cases {
		t.Run(c.property, func(t *testing.T) {
			t.Parallel()
			var s score.State
			got := play(rules, &s, nil, c.readings...)
			if got.Outcome != score.New || !agrees(got.Velocity, c.points) || !agrees(got.CommentVelocity, c.comments) {
				t.Errorf("got %d, %s points and %s comments a minute, want %v and %v",
					got.Outcome, show(got.Velocity), show(got.CommentVelocity), c.points, c.comments)
			}
		})
	}
}

func agrees(got *float64, want float64) bool {
	if want == unknown {
		return got == nil
	}
	return near(got, want)
}

func TestTheSameReadingAgainGetsTheSameAnswerAndAnOlderOneNone(t *testing.T) {
	t.Parallel()
	var s score.State
	first := play(rules, &s, nil, read(0, 10, 1), read(2*time.Minute, 110, 5))
	before := s
	again := rules.Advance(&s, read(2*time.Minute, 110, 5), nil)
	if again.Outcome != score.Same || !near(again.Velocity, *first.Velocity) || !near(again.CommentVelocity, *first.CommentVelocity) {
		t.Errorf("again: %+v, %s, %s", again, show(again.Velocity), show(again.CommentVelocity))
	}
	older := rules.Advance(&s, read(time.Minute, 60, 3), nil)
	if older.Outcome != score.Stale || older.Velocity != nil || older.CommentVelocity != nil || older.Sampled {
		t.Errorf("older: %+v", older)
	}
	if s != before {
		t.Errorf("the state has changed: %+v, was %+v", s, before)
	}
}
