package pulse

import "time"

// ListingQuery asks for one page of the newest posts of some subreddits, which
// share one listing.
type ListingQuery struct {
	Subreddits []string // at least one, without r/
	After      string   // continue behind this post's id; "" reads the newest page
	Limit      int      // 1 to 100
	Urgent     bool     // goes before all others: somebody waits for it
	Spare      bool     // may wait: goes only while the budget has some to spare
}

// Window is how the process stands with Reddit's request limit. It outlives the
// process, so that a restart within the window asks no more than was left.
type Window struct {
	Limit        float64   // requests that Reddit allows in 600 s, as it last said; 0 while unknown
	Used         float64   // in the window that ends at ResetAt: as Reddit said or as counted, the higher
	ResetAt      time.Time // zero while no window is known
	StoppedUntil time.Time // nothing is sent before; zero: no stop
}

// Budget is what polling costs and what it may cost, as ingestion last said.
// All figures are requests a minute unless said otherwise.
type Budget struct {
	At            time.Time // when it was said
	Allowed       float64   // that may be sent
	Sent          float64   // over the last ten minutes
	Discovery     float64   // what all intervals kept as promised would cost
	Refresh       float64   // what all live posts read when due would cost
	Sweep         float64   // what looking for posts that were approved late costs
	Factor        float64   // by which all intervals are stretched, 1 where the promise holds
	RefreshFactor float64   // by which the refresh of posts is stretched, at least 1
	LivePosts     int64     // posts that are read again
	Window        Window
}

// Gap is a stretch of time from which posts of a subreddit may be missing, since
// Reddit's listing no longer reached back to it.
type Gap struct {
	Subreddit string
	From, To  time.Time // when the missing posts were made
	NoticedAt time.Time
	Reason    string // in words
}
