package session

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/wire"
)

// Bounds of the store. When it is full the posts that were observed longest
// ago go, a twentieth at a time, so that room is made rarely.
const (
	MaxPosts = 10_000
	maxGaps  = 100
)

// Row is a line of the feed: a post, or else a gap.
type Row struct {
	*Post
	Gap *Gap
}

// Gap is a hole in the feed. From and To are 0 where its size is unknown.
type Gap struct {
	Key      string
	From, To uint64
	Noticed  time.Time
}

// View is the feed at one moment, newest post first, ties by id. It does not
// change and may be kept.
type View struct {
	Rows    []Row
	Posts   int
	Arrived uint64    // how many different posts ever came
	Evicted uint64    // how many were dropped to make room
	Newest  time.Time // when the newest post was created, zero without posts
}

// Store keeps the newest reading of each post. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex // covers all
	posts   map[string]*slot
	order   []*slot // newest first; complete after sort
	fresh   []*slot // not in order yet
	gaps    []*Gap  // oldest first
	rev     uint64
	arrived uint64
	evicted uint64
}

// slot is the place of a post, which its newer readings take over.
type slot struct{ *Post }

// NewStore makes an empty store.
func NewStore() *Store { return &Store{posts: map[string]*slot{}} }

// Put takes readings; of each post the newest observed stays.
func (s *Store) Put(posts []wire.Post) {
	cleaned := make([]*Post, len(posts)) // outside the lock: it takes the time
	for i := range posts {
		cleaned[i] = fromWire(&posts[i])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range cleaned {
		old := s.posts[p.ID]
		if old != nil && p.Observed.Before(old.Observed) {
			continue
		}
		s.rev++
		p.Rev = s.rev
		switch {
		case old == nil:
			s.arrived++
			s.add(p)
		case p.Created.Equal(old.Created):
			old.Post = p
		default:
			// Never so on Reddit; but the order must stay true.
			same := func(o *slot) bool { return o == old }
			s.order = slices.DeleteFunc(s.order, same)
			s.fresh = slices.DeleteFunc(s.fresh, same)
			s.add(p)
		}
		if len(s.posts) > MaxPosts {
			s.evict()
		}
	}
}

func (s *Store) add(p *Post) {
	o := &slot{p}
	s.posts[p.ID] = o
	s.fresh = append(s.fresh, o)
}

// evict drops the posts observed longest ago; s.mu is held.
func (s *Store) evict() {
	all := make([]*Post, 0, len(s.posts))
	for _, o := range s.posts {
		all = append(all, o.Post)
	}
	slices.SortFunc(all, func(a, b *Post) int {
		return cmp.Or(a.Observed.Compare(b.Observed), strings.Compare(a.ID, b.ID))
	})
	drop := all[:len(all)-MaxPosts*19/20]
	for _, p := range drop {
		delete(s.posts, p.ID)
	}
	s.evicted += uint64(len(drop))
	gone := func(o *slot) bool { return s.posts[o.ID] == nil }
	s.order = slices.DeleteFunc(s.order, gone)
	s.fresh = slices.DeleteFunc(s.fresh, gone)
}

// Miss notes a hole in the feed.
func (s *Store) Miss(from, to uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rev++
	s.gaps = append(s.gaps, &Gap{Key: "gap " + itoa(s.rev), From: from, To: to, Noticed: at})
	if len(s.gaps) > maxGaps {
		s.gaps = slices.Delete(s.gaps, 0, len(s.gaps)-maxGaps)
	}
}

// Find gives the newest reading of a post, nil if it is not there.
func (s *Store) Find(id string) *Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.posts[id]; o != nil {
		return o.Post
	}
	return nil
}

// View gives the feed as it is now. Gaps stand where they were noticed.
func (s *Store) View() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sort()
	v := View{
		Rows: make([]Row, 0, len(s.order)+len(s.gaps)), Posts: len(s.order),
		Arrived: s.arrived, Evicted: s.evicted,
	}
	gap := len(s.gaps) - 1
	for _, o := range s.order {
		p := o.Post
		for ; gap >= 0 && !s.gaps[gap].Noticed.Before(p.Created); gap-- {
			v.Rows = append(v.Rows, Row{Gap: s.gaps[gap]})
		}
		v.Rows = append(v.Rows, Row{Post: p})
	}
	for ; gap >= 0; gap-- {
		v.Rows = append(v.Rows, Row{Gap: s.gaps[gap]})
	}
	if len(s.order) > 0 {
		v.Newest = s.order[0].Created
	}
	return v
}

// sort merges the fresh ids into the order; s.mu is held.
func (s *Store) sort() {
	if len(s.fresh) == 0 {
		return
	}
	slices.SortFunc(s.fresh, newer)
	merged := make([]*slot, 0, len(s.order)+len(s.fresh))
	i, j := 0, 0
	for i < len(s.order) && j < len(s.fresh) {
		if newer(s.order[i], s.fresh[j]) <= 0 {
			merged = append(merged, s.order[i])
			i++
		} else {
			merged = append(merged, s.fresh[j])
			j++
		}
	}
	merged = append(merged, s.order[i:]...)
	s.order = append(merged, s.fresh[j:]...)
	clear(s.fresh)
	s.fresh = s.fresh[:0]
}

func newer(a, b *slot) int {
	return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
}
