// Package score computes what posts' readings mean. It is pure: no I/O, no
// clock.
package score

import (
	"time"

	"dev.redditpulse/shared/pulse"
)

// Rules says what counts as movement.
type Rules struct {
	MinStep time.Duration // no velocity over a shorter time: fuzz would be divided by it
	Noise   float64       // points: a smaller change is Reddit's fuzz, not movement
}

// Velocity is the change from one reading of a post to a later one, in points
// and in comments per minute. Both are nil where the earlier reading is zero or
// lies less than the shortest step before. The score is fuzzed by Reddit by a
// few points either way: a change within the noise is 0. The number of comments
// is exact; it may fall, by deletions.
func Velocity(earlier, later pulse.Reading, r Rules) (points, comments *float64) {
	step := later.ObservedAt.Sub(earlier.ObservedAt)
	if earlier.ObservedAt.IsZero() || step <= 0 || step < r.MinStep {
		return nil, nil
	}
	gain := float64(later.Score - earlier.Score)
	if gain >= -r.Noise && gain <= r.Noise {
		gain = 0
	}
	p := gain / step.Minutes()
	c := float64(later.NumComments-earlier.NumComments) / step.Minutes()
	return &p, &c
}
