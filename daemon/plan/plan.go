// Package plan decides which subreddits share a request and when each is due,
// and what that costs. It is pure: no I/O, and its clock is its caller's.
package plan

import (
	"time"

	"dev.redditpulse/shared/pulse"
)

// What one listing request can take.
const (
	PageSize = 100 // posts on a page
	MaxNames = 60  // subreddits in a request
	// MaxChars is for the joined names, the pluses between them included: the
	// whole address stays below the 2,000 characters that are known to work.
	MaxChars = 1300
	// fill is the share of a page that new posts are expected to take. At a half,
	// counts that vary three times as much as chance overflow once in 3,000.
	fill = 0.5
)

const (
	// A poll that is only for the sake of a busy subreddit's page comes no sooner:
	// Reddit keeps pages for about this long.
	soonest = 30 * time.Second
	// Polls come a little before the promise is due, for the request takes time.
	early = 0.95
)

// Row is a subreddit that is polled, as far as planning needs to know it.
type Row struct {
	Name      string
	Interval  time.Duration // the promise: a new post is seen within this time
	Priority  pulse.Priority
	PerMinute float64 // posts, measured or assumed
}

// Pace is how long a subreddit may go without a poll: within its promise, and
// sooner when a page would not hold what is new by then.
func (r *Row) Pace() time.Duration {
	pace := time.Duration(early * float64(r.Interval))
	if r.PerMinute <= 0 {
		return pace
	}
	full := time.Duration(fill * PageSize / r.PerMinute * float64(time.Minute))
	return min(pace, max(full, soonest))
}

// weight is how much more the lateness of one priority counts than another's.
func weight(p pulse.Priority) float64 {
	switch p {
	case pulse.Fast:
		return 4
	case pulse.Medium:
		return 2
	}
	return 1
}
