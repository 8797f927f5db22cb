// Package pulse is the domain: what is observed on Reddit, what is known of a
// post, which subreddits are watched and by whom. It does no I/O and imports
// the standard library only.
package pulse

import (
	"strings"
	"time"
)

// State says whether a post can still be seen on Reddit.
type State string

// The states of a post.
const (
	Live    State = "live"
	Removed State = "removed" // by moderators, Reddit or a filter
	Deleted State = "deleted" // by its author
	Gone    State = "gone"    // Reddit no longer answers for its id
)

// Observation is one reading of one post at one moment. Everything downstream
// is a function of observations, so each may be repeated and reordered: the
// newest ObservedAt wins, the same one again changes nothing.
type Observation struct {
	PostID      string    // "t3_" and Reddit's base-36 id
	ObservedAt  time.Time // UTC, whole milliseconds
	Source      string    // where the reading comes from: "new", "info", "import"
	Subreddit   string    // as Reddit spells it, without "r/"
	Title       string
	Author      string // "[deleted]" once the account is gone
	URL         string // what the post links to, as Reddit gives it: may be relative
	Permalink   string // path on Reddit, "/r/…"
	Flair       *string
	IsSelf      bool
	Over18      bool
	CreatedAt   time.Time
	Score       int64    // fuzzed by Reddit: a few points either way mean nothing
	NumComments int64    // exact
	UpvoteRatio *float64 // 0 to 1, nil where Reddit leaves it out
	State       State
}

// Post is what is known of a post: its newest observation and what was
// computed from its readings.
type Post struct {
	Observation
	Velocity        *float64 // points per minute, nil while unknown
	CommentVelocity *float64 // comments per minute, nil while unknown
	Trend           *Trend   // nil while the post does not trend
	Sentiment       *float64 // -1 to 1, nil while unknown
	Seq             *uint64  // place in the feed, nil outside it
}

// Trend says in figures and in words how unusual a post's rise is.
type Trend struct {
	Score      float64   `json:"score"`       // 0 to 100
	TimesUsual float64   `json:"times_usual"` // velocity over what is usual
	Usual      float64   `json:"usual"`       // points per minute
	Percentile float64   `json:"percentile"`  // 0 to 100, within subreddit and age
	AgeBucket  string    `json:"age_bucket"`  // "1-3h"
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`
}

// Reading is one point of a post's history.
type Reading struct {
	ObservedAt  time.Time
	Score       int64
	NumComments int64
	UpvoteRatio *float64
	Velocity    *float64
}

// Order is how a list of posts is sorted. Ties are broken by id, so that every
// order is total and can be continued from any of its posts.
type Order string

// The orders of a list of posts, all newest or largest first.
const (
	ByObserved Order = "-observed_at"
	ByCreated  Order = "-created_at"
	ByScore    Order = "-score"
	ByVelocity Order = "-velocity"
)

// PostFilter chooses posts. The zero value chooses all.
type PostFilter struct {
	Subreddits  []string // any of these, case ignored
	Words       string   // all of these words in the title
	MinScore    *int64
	MinVelocity *float64
	Trending    bool
	Since       time.Time // observed at or after; zero: no bound
	Until       time.Time // observed before; zero: no bound
}

// PostQuery is one page of a filtered and ordered list of posts.
type PostQuery struct {
	Filter PostFilter
	Order  Order
	After  *PostPlace // continue behind this place; nil starts at the top
	Before bool       // walk towards the top instead, from After; results stay in Order
	Limit  int        // 1 to 200
}

// PostPlace is a post's place in an ordered list: its sort key and its id.
type PostPlace struct {
	Time   time.Time // the key of ByObserved and ByCreated
	Number float64   // the key of ByScore and ByVelocity
	ID     string
}

// PlaceOf is where p stands in a list ordered by o. Posts of unknown velocity
// stand behind all others, as -1e308.
func PlaceOf(p *Post, o Order) PostPlace {
	place := PostPlace{ID: p.PostID}
	switch o {
	case ByCreated:
		place.Time = p.CreatedAt
	case ByScore:
		place.Number = float64(p.Score)
	case ByVelocity:
		place.Number = UnknownVelocity
		if p.Velocity != nil {
			place.Number = *p.Velocity
		}
	default:
		place.Time = p.ObservedAt
	}
	return place
}

// UnknownVelocity is the sort key of a post whose velocity is not known.
const UnknownVelocity = -1e308

// Stats counts what is stored.
type Stats struct {
	Posts            int64
	Subreddits       int64 // with at least one post
	ObservationsHour int64 // readings of the last hour
	PostsHour        int64 // posts first stored in the last hour
	NewestObservedAt *time.Time
	BySubreddit      []SubredditStats // most posts first, at most 50
}

// SubredditStats counts what is stored of one subreddit.
type SubredditStats struct {
	Subreddit string
	Posts     int64
	MaxScore  int64
}

// SameSubreddit tells whether two subreddit names mean the same community:
// Reddit ignores case.
func SameSubreddit(a, b string) bool { return strings.EqualFold(a, b) }

// ListingPage is one page of a Reddit listing, in Reddit's order.
type ListingPage struct {
	Observations []Observation
	After        string    // continues the listing, "" at its end
	Skipped      int       // children that could not be read as posts
	At           time.Time // when Reddit answered, by the better of both clocks
}

// ServedBy says which database server answered a read.
type ServedBy string

// The servers of a read.
const (
	Primary ServedBy = "primary"
	Replica ServedBy = "replica"
)
