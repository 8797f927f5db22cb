// Package score computes what posts' readings mean. It is pure: no I/O, no
// clock.
//
// Velocity is a moving average, weighted by exp(−t/τ), of the rates between
// readings that come at any moments (Eckner, "Algorithms for unevenly spaced
// time series", 2014). Reddit adds an error of a few points to each score it
// gives, so that a smaller change is none.
//
// A post's velocity is compared with what posts of its age in its subreddit
// usually have: median and median absolute deviation of log(1+v), since a few
// posts rise a thousand times faster than the rest (Iglewicz and Hoaglin, "How
// to detect and handle outliers", 1993). A subreddit of which little is known
// borrows from all of them together in proportion to what is missing, as
// empirical Bayes does (Efron and Morris, "Stein's paradox in statistics", 1977).
// Comments are counted exactly: theirs is the residual of a negative binomial
// count. Sentiment is no part of it.
package score

import (
	"math"
	"time"
)

// Rules says what counts as movement and what as a trend. The zero value is of
// no use.
type Rules struct {
	MinStep     time.Duration // no velocity over a shorter time: fuzz would be divided by it
	Tau         time.Duration // over which velocities are smoothed
	Noise       float64       // points: a smaller change is Reddit's fuzz, not movement
	NoiseShare  float64       // of the score: the gate where it is larger than Noise
	Enter       float64       // 0 to 100: a post trends from there on
	Leave       float64       // 0 to 100: and until it falls below
	MinPoints   float64       // that the velocity gives over Tau, or
	MinComments float64       // comments likewise: below both nothing trends
	Prior       time.Duration // post-time that all subreddits together weigh beside a subreddit's own
	MinBaseline time.Duration // post-time of all subreddits, at an age, below which nothing of that age trends
}

// gate is the largest change, in points, that is no movement.
func (r *Rules) gate(score int64) float64 {
	return max(r.Noise, r.NoiseShare*math.Abs(float64(score)))
}

// still is points a minute: what fuzz alone may look like.
func (r *Rules) still() float64 { return r.Noise / max(r.Tau.Minutes(), 1) }
