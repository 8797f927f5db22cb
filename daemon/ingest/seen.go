package ingest

import (
	"context"
	"sync"

	"dev.redditpulse/shared/pulse"
)

// maxRecent bounds the memory of produced posts: they are needed only until
// the database has them, and 100,000 are hours even at Reddit's pace.
const maxRecent = 100_000

// seen knows which posts were produced before: the stored ones by asking the
// database, and in memory those that may still be on their way there.
type seen struct {
	store  Store
	mu     sync.Mutex // covers recent and order
	recent map[string]bool
	order  []string // a ring of recent's ids, oldest overwritten
	next   int
}

func newSeen(store Store) *seen {
	return &seen{store: store, recent: make(map[string]bool)}
}

// known gives those posts of a page that were seen before.
func (s *seen) known(ctx context.Context, page []pulse.Observation) (map[string]bool, error) {
	known := make(map[string]bool, len(page))
	var ask []string
	s.mu.Lock()
	for i := range page {
		if id := page[i].PostID; s.recent[id] {
			known[id] = true
		} else {
			ask = append(ask, id)
		}
	}
	s.mu.Unlock()
	if len(ask) == 0 {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	stored, err := s.store.KnownPosts(ctx, ask)
	if err != nil {
		return nil, err
	}
	for _, id := range stored {
		known[id] = true
	}
	return known, nil
}

func (s *seen) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent[id] {
		return
	}
	s.recent[id] = true
	if len(s.order) < maxRecent {
		s.order = append(s.order, id)
		return
	}
	delete(s.recent, s.order[s.next])
	s.order[s.next] = id
	s.next = (s.next + 1) % maxRecent
}
