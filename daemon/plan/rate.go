package plan

import (
	"math"
	"time"
)

// UnknownRate is assumed of a subreddit of which nothing is known yet, in posts
// a minute.
const UnknownRate = priorPosts / priorMinutes

const (
	priorPosts   = 1.0
	priorMinutes = 10.0
	// How quickly an estimate forgets, and how quickly the one that notices a
	// rush does.
	memory = 6 * time.Hour
	quick  = 20 * time.Minute
)

// Rate estimates posts a minute from counts over uneven steps: the mean of a
// Gamma prior and a Poisson count, both fading over time. The zero value knows
// nothing.
type Rate struct {
	Posts, Minutes           float64 // faded
	quickPosts, quickMinutes float64
}

// Add counts n posts that came within step.
func (r *Rate) Add(step time.Duration, n int) {
	if step <= 0 {
		return
	}
	fade := math.Exp(-step.Seconds() / memory.Seconds())
	r.Posts = r.Posts*fade + float64(n)
	r.Minutes = r.Minutes*fade + step.Minutes()
	fade = math.Exp(-step.Seconds() / quick.Seconds())
	r.quickPosts = r.quickPosts*fade + float64(n)
	r.quickMinutes = r.quickMinutes*fade + step.Minutes()
}

// Known tells whether anything was counted.
func (r *Rate) Known() bool { return r.Minutes > 0 }

// PerMinute is the estimate, UnknownRate while nothing was counted.
func (r *Rate) PerMinute() float64 {
	return (r.Posts + priorPosts) / (r.Minutes + priorMinutes)
}

// Rush is the estimate that polls are planned by: what holds lately where that
// is more than usual.
func (r *Rate) Rush() float64 {
	usual := r.PerMinute()
	lately := (r.quickPosts + usual*priorMinutes) / (r.quickMinutes + priorMinutes)
	return max(usual, lately)
}
