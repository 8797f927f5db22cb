package redditsim

import (
	"encoding/json"
	"strings"
	"time"
)

// Truth is what became, or becomes, of a post: what a reader of its community
// could have known. A replay knows of nothing but the making.
type Truth struct {
	ID          string    // "t3_…"
	Subreddit   string    // as Reddit spells it
	CreatedAt   time.Time // whole seconds, as the API gives it
	VisibleFrom time.Time // in /new; zero where it never was there
	GoneAt      time.Time // left /new; zero where it stays
	Held        bool      // waited for approval
	// Fate is "live", "recorded", or why it left: Reddit's word for who took it,
	// "deleted", or "gone" where it is not found by id either.
	Fate string
}

// MarshalJSON writes moments that do not come as null.
func (t Truth) MarshalJSON() ([]byte, error) {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return json.Marshal(struct {
		ID          string     `json:"id"`
		Subreddit   string     `json:"subreddit"`
		CreatedAt   time.Time  `json:"created_at"`
		VisibleFrom *time.Time `json:"visible_from"`
		GoneAt      *time.Time `json:"gone_at"`
		Held        bool       `json:"held"`
		Fate        string     `json:"fate"`
	}{t.ID, t.Subreddit, t.CreatedAt, moment(t.VisibleFrom), moment(t.GoneAt), t.Held, t.Fate})
}

// Truth is every post of the communities with a creation time from from to
// before to, also those to come, by community in the order of the names, then
// in the order of /new with the oldest first. Faults are not part of it.
func (s *Server) Truth(names []string, from, to time.Time) []Truth {
	var all []Truth
	s.truth(names, from, to, func(t Truth) bool {
		all = append(all, t)
		return true
	})
	return all
}

// truth gives the posts one by one until give returns false.
func (s *Server) truth(names []string, from, to time.Time, give func(Truth) bool) {
	asked := map[string]bool{}
	for _, name := range names {
		lower := strings.ToLower(name)
		if asked[lower] || !validName.MatchString(name) {
			continue
		}
		asked[lower] = true
		if !s.world.truth(name, ceilSecond(from), ceilSecond(to), give) {
			return
		}
	}
}

// ceilSecond is the first Unix second that is not before t.
func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() == 0 {
		return t.Unix()
	}
	return t.Unix() + 1
}

func (s *synthetic) truth(name string, from, to int64, give func(Truth) bool) bool {
	c := s.find(name)
	if c.bucket == 0 || standingOf(name) != open {
		return true
	}
	const last = 7_258_118_400 // 2200: ids end somewhat later
	from, to = max(min(from, last)*1000, founded), min(to, last)*1000
	for n := c.chunkOf(from); n <= c.chunkOf(to) && from < to; n++ {
		made := s.chunks.get(c, n)
		for i := range made {
			if b := &made[i]; b.at >= from && b.at < to && !give(b.truthOf()) {
				return false
			}
		}
	}
	return true
}

func (b *birth) truthOf() Truth {
	t := Truth{
		ID: nameOf(b), Subreddit: b.c.name, CreatedAt: time.Unix(b.created(), 0).UTC(), Held: b.held, Fate: b.fate,
	}
	if t.Fate == "" {
		t.Fate = "live"
	}
	end := min(b.taken, b.gone)
	if b.seen < end {
		t.VisibleFrom = time.UnixMilli(b.seen).UTC()
	}
	if end < never {
		t.GoneAt = time.UnixMilli(end).UTC()
	}
	return t
}

func (t *tape) truth(name string, from, to int64, give func(Truth) bool) bool {
	s := t.shelves[strings.ToLower(name)]
	if s == nil {
		return true
	}
	for i := len(s.posts) - 1; i >= 0; i-- {
		p := s.posts[i]
		if p.created < float64(from) || p.created >= float64(to) {
			continue
		}
		at := time.Unix(int64(p.created), 0).UTC()
		if !give(Truth{ID: p.id, Subreddit: p.community, CreatedAt: at, VisibleFrom: at, Fate: "recorded"}) {
			return false
		}
	}
	return true
}
