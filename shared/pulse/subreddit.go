package pulse

import (
	"regexp"
	"time"
)

// Priority says who waits when the request budget is short.
type Priority string

// The priorities of a subreddit.
const (
	Fast   Priority = "fast"
	Medium Priority = "medium"
	Slow   Priority = "slow"
)

// PollState says how polling of a subreddit stands.
type PollState string

// The poll states. All from Private on are what Reddit answered.
const (
	Pending     PollState = "pending" // known, not polled yet
	Polling     PollState = "polling"
	Paused      PollState = "paused"
	Backoff     PollState = "backoff" // the last poll failed, the next is delayed
	Private     PollState = "private"
	Quarantined PollState = "quarantined"
	Gated       PollState = "gated"
	Banned      PollState = "banned"
	Missing     PollState = "missing"
)

// Bounds of a poll interval, in seconds.
const (
	MinInterval = 10
	MaxInterval = 86_400
)

// Subreddit is one row of subreddit_config with its live status.
type Subreddit struct {
	Name            string
	IntervalSeconds int // the promise: a new post is seen within this time
	Priority        Priority
	IsActive        bool
	AddedBy         string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Version         int64 // grows with each edit; what If-Match compares
	Status          SubredditStatus
}

// SubredditStatus is what the scheduler last wrote of a subreddit.
type SubredditStatus struct {
	State                    PollState
	LastPollAt               *time.Time
	NextPollAt               *time.Time
	EffectiveIntervalSeconds *float64
	PostsPerMinute           *float64
	LastError                string
	Gaps                     int64 // noticed so far
	LastGap                  *Gap  // the newest of them
	// What the scheduler needs to go on after a restart; not shown.
	CoveredUntil *time.Time // posts made before were seen, or lie in a gap
	RatePosts    float64    // of the estimate of PostsPerMinute: posts, fading
	RateMinutes  float64    // and the minutes in which they came, fading
}

// SubredditChange is an edit; nil fields stay as they are.
type SubredditChange struct {
	IntervalSeconds *int
	Priority        *Priority
	IsActive        *bool
}

// Reddit's own rule for community names, profiles ("u_name") and the one
// community older than the rule.
var subredditName = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9_]{1,20}|u_[A-Za-z0-9_-]{3,20}|reddit\.com)$`)

// CheckSubreddit finds the first fault of a configuration row, nil if it has
// none.
func CheckSubreddit(s Subreddit) error {
	if !subredditName.MatchString(s.Name) {
		return InvalidField("name", "want a subreddit's name without r/, 2 to 21 letters, digits or _, e.g. politics")
	}
	if s.IntervalSeconds < MinInterval || s.IntervalSeconds > MaxInterval {
		return InvalidField("interval_seconds", "want %d to %d seconds", MinInterval, MaxInterval)
	}
	switch s.Priority {
	case Fast, Medium, Slow:
		return nil
	}
	return InvalidField("priority", "want fast, medium or slow")
}
