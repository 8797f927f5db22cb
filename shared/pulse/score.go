package pulse

import "time"

// Memory is what is remembered of a post between its readings. Only scoring
// understands the body.
type Memory struct {
	PostID     string
	ObservedAt time.Time // of the newest reading in the body: a newer one wins
	Body       []byte
}

// Baseline is how the posts of one age in one subreddit moved on one day: for
// each step of velocity the time that posts spent at it. Baselines of the same
// cell add up.
type Baseline struct {
	Subreddit string    // lower case; "" for all subreddits together
	AgeBucket string    // "1-3h"
	Day       time.Time // UTC, of the readings
	Seconds   []int64   // post-seconds by step of velocity; trailing zeros left out
	Comments  int64     // gained in that time
}
