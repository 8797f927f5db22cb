package clienttest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func (s *Server) posts(w http.ResponseWriter, _ *http.Request) {
	posts := s.feed.newest(200)
	slices.SortFunc(posts, func(a, b wire.Post) int { return b.ObservedAt.Compare(a.ObservedAt) })
	answer(w, 200, wire.Page{Results: posts})
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	for _, p := range s.feed.newest(1 << 30) {
		if p.ID == r.PathValue("id") {
			answer(w, 200, p)
			return
		}
	}
	fail(w, pulse.Errorf(pulse.NotFound, "there is no such post"))
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	answer(w, 200, wire.History{ID: r.PathValue("id"), Results: []wire.Reading{{Score: 1}}})
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, wire.Stats{Posts: int64(len(s.feed.newest(1 << 30)))})
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := wire.SubredditList{Results: []wire.Subreddit{}, Budget: s.budget}
	for _, row := range s.rows {
		out.Results = append(out.Results, row)
	}
	slices.SortFunc(out.Results, func(a, b wire.Subreddit) int { return cmp.Compare(a.Name, b.Name) })
	answer(w, 200, out)
}

func (s *Server) one(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if row, ok := s.row(w, r, false); ok {
		answer(w, 200, row)
	}
}

func (s *Server) add(w http.ResponseWriter, r *http.Request) {
	var in wire.NewSubreddit
	if !read(w, r, &in) {
		return
	}
	now := time.Now().UTC()
	row := wire.Subreddit{
		Name: in.Name, IntervalSeconds: 60, Priority: "medium", IsActive: true, AddedBy: "admin",
		CreatedAt: now, UpdatedAt: now, Version: 1, Status: wire.SubredditStatus{State: "pending"},
	}
	change(&row, wire.SubredditChange{IntervalSeconds: in.IntervalSeconds, Priority: in.Priority, IsActive: in.IsActive})
	if err := check(row); err != nil {
		fail(w, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(row.Name)
	if _, ok := s.rows[key]; ok {
		fail(w, pulse.Errorf(pulse.Conflict, "%s is there already", row.Name))
		return
	}
	s.rows[key] = row
	answer(w, 201, row)
}

func (s *Server) edit(w http.ResponseWriter, r *http.Request) {
	var in wire.SubredditChange
	if !read(w, r, &in) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.row(w, r, true)
	if !ok {
		return
	}
	change(&row, in)
	if err := check(row); err != nil {
		fail(w, err)
		return
	}
	row.Version++
	s.rows[strings.ToLower(row.Name)] = row
	answer(w, 200, row)
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if row, ok := s.row(w, r, true); ok {
		delete(s.rows, strings.ToLower(row.Name))
		w.WriteHeader(http.StatusNoContent)
	}
}

// row finds the row of a request and checks its version; s.mu is held.
func (s *Server) row(w http.ResponseWriter, r *http.Request, match bool) (wire.Subreddit, bool) {
	row, ok := s.rows[strings.ToLower(r.PathValue("name"))]
	switch {
	case !ok:
		fail(w, pulse.Errorf(pulse.NotFound, "%s is not watched", r.PathValue("name")))
		return row, false
	case match && r.Header.Get("If-Match") != etag(row.Version):
		fail(w, pulse.Errorf(pulse.Conflict, "the row has changed since it was read"))
		return row, false
	}
	return row, true
}

func change(row *wire.Subreddit, c wire.SubredditChange) {
	if c.IntervalSeconds != nil {
		row.IntervalSeconds = *c.IntervalSeconds
	}
	if c.Priority != nil {
		row.Priority = *c.Priority
	}
	if c.IsActive != nil {
		row.IsActive = *c.IsActive
		if !row.IsActive {
			row.Status.State = "paused"
		}
	}
}

func check(row wire.Subreddit) *pulse.Error {
	err := pulse.CheckSubreddit(pulse.Subreddit{
		Name: row.Name, IntervalSeconds: row.IntervalSeconds, Priority: pulse.Priority(row.Priority),
	})
	if err == nil {
		return nil
	}
	return err.(*pulse.Error) //nolint:errorlint // CheckSubreddit gives nothing else
}
