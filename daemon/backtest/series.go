// Package backtest plays recorded or simulated readings through the rules of
// scoring as if they came in now, and says how well they tell what rises next.
// What is usual is learnt from the past of each moment only.
package backtest

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Bounds of a series. A reading takes 24 bytes, a post some 400 with all that is
// computed of it, a comparison, of which there are no more than readings, 64
// while it is ranked: with what is not yet collected, 1.5 GB in all at most.
const (
	MaxReadings = 5_000_000
	MaxPosts    = 1_000_000
)

// Series is readings of posts, in any order. Add is safe for concurrent use;
// nothing is added once it is played.
type Series struct {
	mu         sync.Mutex // covers the rest
	readings   []reading
	posts      []post
	byID       map[string]uint32
	subreddits []string
	bySub      map[string]uint32
}

// reading is one point of a post's curve.
type reading struct {
	at              int64 // Unix milliseconds
	score, comments int32
	post            uint32
	live            bool
}

// post is what of a post never changes.
type post struct {
	created   time.Time
	subreddit uint32
}

// NewSeries makes an empty series.
func NewSeries() *Series {
	return &Series{byID: map[string]uint32{}, bySub: map[string]uint32{}}
}

// Add adds a reading. It fails when there is no room.
func (s *Series) Add(o *pulse.Observation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, known := s.byID[o.PostID]
	if len(s.readings) >= MaxReadings || !known && len(s.posts) >= MaxPosts {
		return pulse.Errorf(pulse.TooMany, "more than %d readings, or %d posts: choose fewer, by --subreddit, --since or --until",
			MaxReadings, MaxPosts)
	}
	if !known {
		id = uint32(len(s.posts))
		s.byID[o.PostID] = id
		s.posts = append(s.posts, post{created: o.CreatedAt, subreddit: s.subreddit(o.Subreddit)})
	}
	s.readings = append(s.readings, reading{
		at: o.ObservedAt.UnixMilli(), score: int32(o.Score), comments: int32(o.NumComments),
		post: id, live: o.State == pulse.Live,
	})
	return nil
}

func (s *Series) subreddit(name string) uint32 {
	id, known := s.bySub[name]
	if !known {
		id = uint32(len(s.subreddits))
		s.bySub[name] = id
		s.subreddits = append(s.subreddits, name)
	}
	return id
}

// sort brings the readings into the order of their time.
func (s *Series) sort() {
	slices.SortFunc(s.readings, func(a, b reading) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.post, b.post), cmp.Compare(a.score, b.score), cmp.Compare(a.comments, b.comments))
	})
}

// observation gives a reading as the pipeline has it.
func (s *Series) observation(r *reading) pulse.Observation {
	p := &s.posts[r.post]
	o := pulse.Observation{
		ObservedAt: time.UnixMilli(r.at).UTC(), CreatedAt: p.created, Subreddit: s.subreddits[p.subreddit],
		Score: int64(r.score), NumComments: int64(r.comments), State: pulse.Live,
	}
	if !r.live {
		o.State = pulse.Removed
	}
	return o
}
