package clienttest

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// allowed is the requests a minute that previews reckon with.
const allowed = 84

// SetBudget is what ingestion says from now on; nil: it never did.
func (s *Server) SetBudget(b *wire.Budget) { s.mu.Lock(); defer s.mu.Unlock(); s.budget = b }

// PutGaps is where posts of a subreddit are missing, newest first.
func (s *Server) PutGaps(name string, gaps ...wire.Gap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps[strings.ToLower(name)] = gaps
}

func (s *Server) listGaps(w http.ResponseWriter, r *http.Request) {
	limit := 100
	if given := r.URL.Query().Get("limit"); given != "" {
		var err error
		if limit, err = strconv.Atoi(given); err != nil || limit < 1 || limit > 1000 {
			fail(w, pulse.InvalidField("limit", "want 1 to 1000"))
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.row(w, r, false); !ok {
		return
	}
	gaps := s.gaps[strings.ToLower(r.PathValue("name"))]
	answer(w, 200, wire.GapList{Results: append([]wire.Gap{}, gaps[:min(limit, len(gaps))]...)})
}

// preview reckons one request for each poll; over the budget all intervals are
// stretched.
func (s *Server) preview(w http.ResponseWriter, r *http.Request) {
	var in wire.PreviewRequest
	if !read(w, r, &in) {
		return
	}
	if in.Changes == nil {
		in.Changes = []wire.PreviewChange{in.One()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	then := maps.Clone(s.rows)
	for _, c := range in.Changes {
		key := strings.ToLower(c.Name)
		row, ok := then[key]
		if !ok {
			row = wire.Subreddit{Name: c.Name, IntervalSeconds: 60, Priority: "medium", IsActive: true}
		}
		change(&row, wire.SubredditChange{IntervalSeconds: c.IntervalSeconds, Priority: c.Priority, IsActive: c.IsActive})
		if err := check(row); err != nil {
			fail(w, err)
			return
		}
		then[key] = row
		if c.Remove {
			delete(then, key)
		}
	}
	out := wire.Preview{Now: load(s.rows), Then: load(then), Subreddits: []wire.PreviewRow{}}
	out.PromiseHolds = out.Then.IntervalFactor == 1
	out.Detail = fmt.Sprintf("%.0f of %d requests a minute; every interval holds", out.Then.Total, allowed)
	if !out.PromiseHolds {
		out.Detail = fmt.Sprintf("budget %.0f %%: all intervals ×%.2f; %d of %d would miss their promise",
			100*out.Then.Share, out.Then.IntervalFactor, out.Then.Subreddits, out.Then.Subreddits)
	}
	answer(w, 200, out)
}

func load(rows map[string]wire.Subreddit) wire.Load {
	l := wire.Load{Allowed: allowed, RefreshFactor: 1}
	for _, row := range rows {
		if row.IsActive {
			l.Subreddits++
			l.Discovery += 60 / float64(row.IntervalSeconds)
		}
	}
	l.Total, l.Share = l.Discovery, l.Discovery/allowed
	l.IntervalFactor = max(1, l.Share)
	return l
}
