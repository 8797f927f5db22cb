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
// database, and in memory those that may still be on their way there. What is
// neither stored nor in memory after a restart is still in Kafka: see prepare.
type seen struct {
	store Store

	mu     sync.Mutex // covers the rest
	recent map[string]bool
	order  []string // a ring of recent's ids, oldest overwritten
	next   int
	taken  map[string]bool // being produced for the first time right now
}

func newSeen(store Store) *seen {
	return &seen{store: store, recent: make(map[string]bool), taken: make(map[string]bool)}
}

// claim gives those posts of a page that nobody has produced yet. They are the
// caller's to produce, and others will not see them as new until settle.
func (s *seen) claim(ctx context.Context, page []pulse.Observation) (map[string]bool, error) {
	var ask []string
	s.mu.Lock()
	for i := range page {
		if id := page[i].PostID; !s.recent[id] && !s.taken[id] {
			ask = append(ask, id)
		}
	}
	s.mu.Unlock()
	if len(ask) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	stored, err := s.store.KnownPosts(ctx, ask)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range stored {
		s.remember(id)
	}
	fresh := make(map[string]bool, len(ask)-len(stored))
	for _, id := range ask {
		if !s.recent[id] && !s.taken[id] { // somebody may have been quicker
			s.taken[id] = true
			fresh[id] = true
		}
	}
	return fresh, nil
}

// settle ends a claim: the posts are in Kafka, or not and anybody's again.
func (s *seen) settle(fresh map[string]bool, produced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range fresh {
		delete(s.taken, id)
		if produced {
			s.remember(id)
		}
	}
}

// add remembers posts that were produced before this process.
func (s *seen) add(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.remember(id)
	}
}

// remember wants mu held.
func (s *seen) remember(id string) {
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
