package redditsim

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// rank is what the ranked listings go by.
type rank struct {
	created float64 // Unix seconds
	score   float64 // without fuzz, so that pages fit together
	sticky  bool
}

// perMany is how many posts a community brings to a listing of several.
const perMany = 150

// spans are how far back /top looks, by its parameter t, in seconds.
var spans = map[string]float64{
	"hour": 3600, "day": 86_400, "": 86_400, "week": 7 * 86_400, "month": 30 * 86_400, "year": 365 * 86_400,
}

// rising posts are no older than this many seconds.
const risingSpan = 6 * 3600

// rank gives the newest posts of the communities in the order of /hot, /rising
// or /top, and what is pinned above them. Reddit ranks from lists of its own,
// which go back further in quiet communities and in /top.
func (s *Server) rank(sort string, names []string, span string, at time.Time) (ranked, pinned []item) {
	type placed struct {
		it  item
		key float64
	}
	var all []placed
	p := newPen(0)
	most := depth
	if len(names) > 1 {
		most = perMany
	}
	stickies := s.odd.Stickies
	if len(names) > 1 || sort != "hot" {
		stickies = 0
	}
	for _, name := range names {
		first, n := len(all), 0
		s.world.newest([]string{name}, at, func(it item) bool {
			r := it.rank(p, at)
			if r.sticky && len(pinned) < stickies {
				pinned = append(pinned, it)
				return true
			}
			if key, ok := r.key(sort, span, at); ok {
				all = append(all, placed{it, key})
			}
			n++
			return n < most
		})
		if sort == "hot" && len(names) > 1 && len(all) > first {
			// The best of each community come first, so that no small one drowns.
			top := slices.MaxFunc(all[first:], func(a, b placed) int { return cmp.Compare(a.key, b.key) }).key
			for i := first; i < len(all); i++ {
				all[i].key -= top
			}
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(b.key, a.key) })
	for _, one := range all {
		ranked = append(ranked, one.it)
	}
	return ranked, pinned
}

// key is what a listing sorts by, the largest first; false leaves the post out.
func (r rank) key(sort, span string, at time.Time) (float64, bool) {
	age := float64(at.UnixMilli())/1000 - r.created
	switch sort {
	case "hot":
		return math.Log10(max(r.score, 1)) + r.created/45_000, true
	case "rising":
		return r.score / (age + 600), age < risingSpan
	}
	limit, bounded := spans[span]
	return r.score, !bounded || age < limit
}

func sourceOf(items []item) source {
	return func(give func(item) bool) {
		for _, it := range items {
			if !give(it) {
				return
			}
		}
	}
}
