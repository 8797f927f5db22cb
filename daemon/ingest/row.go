package ingest

import (
	"math"
	"math/rand/v2"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
)

const (
	maxBackoff = 10 * time.Minute
	// While a part is away its rows are tried again within this; what keeps the
	// requests few is the outage's own pause.
	maxAwayRetry = time.Minute
	// What Reddit says of a community (private, banned, …) changes rarely: asked
	// again after firstRecheck, then later and later.
	firstRecheck = time.Hour
	maxRecheck   = 24 * time.Hour
	// A community whose posts no shared listing has shown for so long is asked
	// for alone: those that are banned or missing are left out without a word.
	silence = 24 * time.Hour
	// A time further ahead of our clock is somebody's mistake.
	clockTrust = 24 * time.Hour
	// Bad answers until a subreddit is asked for alone.
	suspects = 2
)

// row is one subreddit and how its polls fare. It belongs to the schedule.
type row struct {
	pulse.Subreddit
	poll  plan.Entry // waits in polls unless a worker has it
	sweep plan.Entry // waits in sweeps, or not
	fill  plan.Entry // waits in backfills, once
	rate  plan.Rate

	polling   bool // a worker has it
	sweeping  bool
	swept     bool // waits in sweeps, or a worker sweeps it
	filling   bool // waits in backfills, or a worker backfills it
	again     bool // edited while a worker had it: to be polled at once
	refused   bool // the row itself is wrong
	inherited bool // an earlier leader polled it, and this one not yet
	failures  int  // bad answers in a row
	away      int  // outages met in a row
	rechecks  int  // of a community that can't be read, in a row
	alive     bool // it has posts
	heard     time.Time
	status    pulse.SubredditStatus
}

// loners are the names that stand for many communities: what is in their
// listings is nobody's by name, and nobody expects all of it.
var loners = map[string]bool{"all": true, "popular": true}

func newRow(key string, config pulse.Subreddit, now time.Time) *row {
	r := &row{Subreddit: config, status: config.Status}
	r.poll.Key, r.sweep.Key, r.fill.Key = key, key, key
	r.rate.Posts, r.rate.Minutes = config.Status.RatePosts, config.Status.RateMinutes
	if c := config.Status.CoveredUntil; c != nil && c.Before(now.Add(clockTrust)) {
		r.poll.Covered = *c
	}
	// As if heard of at some time of the last day: a start must not ask for all
	// the silent ones at once.
	r.heard = now.Add(-rand.N(silence))
	r.alive = r.rate.Posts > 1
	r.inherited = config.Status.LastPollAt != nil
	return r
}

// dueAfterTakeover is when the row's next poll is, by what the last leader left.
// Its clock need not have been ours: nobody waits longer than usual.
func (r *row) dueAfterTakeover(now time.Time) time.Time {
	due, longest := now, now.Add(r.poll.Pause)
	if at := r.status.LastPollAt; at != nil {
		due = at.Add(r.poll.Pause)
	}
	if next := r.status.NextPollAt; next != nil && !readable(r.status.State) {
		due, longest = *next, now.Add(maxRecheck)
	}
	if due.After(longest) {
		due = longest
	}
	if due.Before(now) {
		due = now
	}
	return due
}

// readable tells whether Reddit last let us read a community in this state.
func readable(state pulse.PollState) bool {
	switch state {
	case pulse.Private, pulse.Quarantined, pulse.Gated, pulse.Banned, pulse.Missing:
		return false
	}
	return true
}

// entries takes the row's settings into its places in the queues, which must not
// hold it.
func (r *row) entries(factor float64, sweep time.Duration) {
	shape := plan.Row{
		Name: r.Name, Interval: time.Duration(r.IntervalSeconds) * time.Second,
		Priority: r.Priority, PerMinute: r.rate.Rush(),
	}
	r.poll.Row, r.sweep.Row = shape, shape
	if !r.filling {
		r.fill.Row = shape
	}
	r.poll.Pause = plan.Stretch(shape.Pace(), factor)
	r.sweep.Pause = sweepPause(sweep, shape.PerMinute)
	r.poll.Alone = r.poll.Alone || loners[r.poll.Key]
}

// sweepPause is the time between two looks for late posts: several of them fit
// into the time that a listing reaches back, so that none slips by.
func sweepPause(longest time.Duration, perMinute float64) time.Duration {
	const share, shortest = 0.2, 5 * time.Minute
	reach := time.Duration(listingDepth / max(perMinute, 0.01) * float64(time.Minute))
	return min(longest, max(shortest, time.Duration(share*float64(reach))))
}

// succeeded takes what a poll found into the row.
func (r *row) succeeded(o *outcome) {
	r.failures, r.away, r.rechecks = 0, 0, 0
	if !r.poll.Covered.IsZero() || r.rate.Minutes == 0 {
		r.rate.Add(o.span, o.posts)
	}
	r.poll.Covered = o.at
	if o.items > 0 || r.poll.Alone {
		r.heard = o.at
	}
	r.alive = o.items > 0 || r.alive && !r.poll.Alone
	r.poll.Alone = !r.poll.Alone && o.at.Sub(r.heard) >= silence
	perMinute := r.rate.PerMinute()
	r.status.State, r.status.LastError = pulse.Polling, ""
	r.status.LastPollAt, r.status.CoveredUntil, r.status.PostsPerMinute = &o.at, &o.at, &perMinute
	r.status.RatePosts, r.status.RateMinutes = r.rate.Posts, r.rate.Minutes
}

// failed takes a failure into the row and gives the time until the next try.
func (r *row) failed(err error) time.Duration {
	r.status.LastError, r.status.State = err.Error(), pulse.Backoff
	if state, ok := stateOf(err); ok {
		r.status.State = state
		r.poll.Alone = true
		r.rechecks++
		return jitter(min(maxRecheck, firstRecheck<<min(r.rechecks-1, 10)))
	}
	if awayPart(err) != "" {
		r.away++
		return jitter(min(maxAwayRetry, 2*time.Second<<min(r.away, 10)))
	}
	if wait, ok := waitOf(err); ok {
		return wait
	}
	r.failures++
	r.poll.Alone = r.failures >= suspects
	delay := float64(r.poll.Pause) * math.Pow(2, float64(min(r.failures-1, 10)))
	return jitter(time.Duration(min(delay, float64(max(maxBackoff, r.poll.Pause)))))
}

// jitter spreads retries over the second half of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// target is the row as a worker gets it.
func (r *row) target() target {
	return target{
		key: r.poll.Key, name: r.Name, covered: r.poll.Covered,
		alive: r.alive && r.failures < suspects+1,
	}
}

// planned tells whether the row's polls count in the plan.
func (r *row) planned() bool { return r.IsActive && !r.refused && readable(r.status.State) }
