// Package clienttest is a small server of the API's protocol for tests of its
// clients: tokens, posts, subreddits, dead letters and the feed, in memory, with
// switches for trouble. It judges nobody's password strength and stores nothing.
package clienttest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Server is a running API. Close ends it and its sockets.
type Server struct {
	*httptest.Server
	feed feed

	mu        sync.Mutex // covers what follows
	ttl       time.Duration
	users     map[string]account
	access    map[string]string // token to user
	refresh   map[string]string
	issued    int
	refreshes int
	away      int // status of every answer, 0: well
	calls     map[string]int
	rows      map[string]wire.Subreddit
	gaps      map[string][]wire.Gap
	budget    *wire.Budget
	letters   []wire.DeadLetterDetail // last failures first
}

type account struct {
	password string
	role     pulse.Role
}

// Start makes a server with the users admin/admin, olga/olga (operator) and
// vera/vera (viewer) on a free port of the loopback address.
func Start() *Server {
	s := &Server{
		ttl: 15 * time.Minute,
		users: map[string]account{
			"admin": {"admin", pulse.Admin}, "olga": {"olga", pulse.Operator}, "vera": {"vera", pulse.Viewer},
		},
		access: map[string]string{}, refresh: map[string]string{}, calls: map[string]int{},
		rows: map[string]wire.Subreddit{}, gaps: map[string][]wire.Gap{},
	}
	s.feed.reset("e1")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/token/", s.login)
	mux.HandleFunc("POST /api/token/refresh/", s.trade)
	mux.HandleFunc("POST /api/token/revoke/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("GET /api/health/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, wire.Health{Status: "ok", Parts: map[string]string{"db": "ok"}})
	})
	mux.HandleFunc("GET /api/posts/", s.guard(pulse.Viewer, s.posts))
	mux.HandleFunc("GET /api/posts/{id}/", s.guard(pulse.Viewer, s.post))
	mux.HandleFunc("GET /api/posts/{id}/history/", s.guard(pulse.Viewer, s.history))
	mux.HandleFunc("GET /api/stats/", s.guard(pulse.Viewer, s.stats))
	mux.HandleFunc("GET /api/subreddits/", s.guard(pulse.Viewer, s.list))
	mux.HandleFunc("GET /api/subreddits/{name}/", s.guard(pulse.Viewer, s.one))
	mux.HandleFunc("POST /api/subreddits/", s.guard(pulse.Operator, s.add))
	mux.HandleFunc("POST /api/subreddits/preview/", s.guard(pulse.Viewer, s.preview))
	mux.HandleFunc("GET /api/subreddits/{name}/gaps/", s.guard(pulse.Viewer, s.listGaps))
	mux.HandleFunc("PATCH /api/subreddits/{name}/", s.guard(pulse.Operator, s.edit))
	mux.HandleFunc("DELETE /api/subreddits/{name}/", s.guard(pulse.Operator, s.remove))
	mux.HandleFunc("GET /api/dead-letters/", s.guard(pulse.Operator, s.deadLetters))
	mux.HandleFunc("GET /api/dead-letters/{id}/", s.guard(pulse.Operator, s.deadLetter))
	mux.HandleFunc("POST /api/dead-letters/replay/", s.guard(pulse.Operator, s.replay))
	mux.HandleFunc("POST /api/dead-letters/discard/", s.guard(pulse.Operator, s.discard))
	mux.HandleFunc("GET /ws/posts/", s.guard(pulse.Viewer, s.feed.serve))
	s.Server = httptest.NewServer(s.gate(mux))
	return s
}

// Close ends the sockets, then the server.
func (s *Server) Close() {
	s.Drop()
	s.Server.CloseClientConnections()
	s.Server.Close()
	s.feed.wait()
}

// SetAccessTTL is how long access tokens live from now on.
func (s *Server) SetAccessTTL(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.ttl = d }

// SetStatus has every call answered with that status; 0 ends it.
func (s *Server) SetStatus(status int) { s.mu.Lock(); defer s.mu.Unlock(); s.away = status }

// ExpireAccess makes all access tokens invalid, ExpireAll the refresh tokens too.
func (s *Server) ExpireAccess() { s.mu.Lock(); defer s.mu.Unlock(); clear(s.access) }

// ExpireAll ends every session.
func (s *Server) ExpireAll() { s.mu.Lock(); defer s.mu.Unlock(); clear(s.access); clear(s.refresh) }

// Refreshes is how many refresh tokens were traded.
func (s *Server) Refreshes() int { s.mu.Lock(); defer s.mu.Unlock(); return s.refreshes }

// Calls is how often "METHOD /path/" was asked for.
func (s *Server) Calls(route string) int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls[route] }

// PutSubreddit puts a row as if somebody else had edited it.
func (s *Server) PutSubreddit(row wire.Subreddit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[strings.ToLower(row.Name)] = row
}

// Tokens makes a pair for a user without a log-in.
func (s *Server) Tokens(user string) wire.TokenPair {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(user)
}

func (s *Server) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		away := s.away
		s.calls[r.Method+" "+r.URL.Path]++
		s.mu.Unlock()
		if away != 0 {
			w.WriteHeader(away)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) guard(need pulse.Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		user, ok := s.access[token]
		role := s.users[user].role
		s.mu.Unlock()
		switch {
		case !ok:
			fail(w, pulse.Errorf(pulse.Unauthenticated, "the token has expired"))
		case !role.May(need):
			fail(w, pulse.Errorf(pulse.Forbidden, "your role %s may not do this, it takes %s", role, need))
		default:
			next(w, r)
		}
	}
}

// issue makes a pair; s.mu is held.
func (s *Server) issue(user string) wire.TokenPair {
	s.issued++
	now := time.Now()
	sign := func(typ string, life time.Duration) string {
		head := part(map[string]any{"alg": "none", "typ": map[string]string{"access": "at+jwt", "refresh": "rt+jwt"}[typ]})
		body := part(map[string]any{
			"typ": typ, "sub": "1", "name": user, "role": s.users[user].role, "jti": s.issued,
			"iat": now.Unix(), "exp": float64(now.Add(life).UnixMilli()) / 1000,
		})
		return head + "." + body + ".sig"
	}
	pair := wire.TokenPair{Access: sign("access", s.ttl), Refresh: sign("refresh", 24*time.Hour)}
	s.access[pair.Access], s.refresh[pair.Refresh] = user, user
	return pair
}

func part(v any) string {
	b, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var in wire.Credentials
	if !read(w, r, &in) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, ok := s.users[in.Username]; !ok || u.password != in.Password {
		fail(w, pulse.Errorf(pulse.Unauthenticated, "no active account with these credentials"))
		return
	}
	answer(w, 200, s.issue(in.Username))
}

func (s *Server) trade(w http.ResponseWriter, r *http.Request) {
	var in wire.TokenPair
	if !read(w, r, &in) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshes++
	user, ok := s.refresh[in.Refresh]
	if !ok {
		fail(w, pulse.Errorf(pulse.Unauthenticated, "the refresh token is not valid"))
		return
	}
	delete(s.refresh, in.Refresh)
	answer(w, 200, s.issue(user))
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		fail(w, pulse.InvalidField("body", "not JSON"))
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, e *pulse.Error) {
	status := map[pulse.Code]int{
		pulse.Invalid: 422, pulse.Unauthenticated: 401, pulse.Forbidden: 403,
		pulse.NotFound: 404, pulse.Conflict: 412, pulse.TooMany: 429,
	}[e.Code]
	body := wire.Problem{Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code, RequestID: "r1"}
	if e.Field != "" {
		body.Errors = []wire.ProblemField{{Field: e.Field, Message: e.Message}}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// Post makes the n-th of a row of different posts, created a minute apart.
func Post(n int) wire.Post {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	return wire.Post{
		ID: fmt.Sprintf("t3_p%05d", n), Subreddit: "politics", Title: fmt.Sprintf("Post number %d", n),
		Author: "author", URL: "https://example.org/", Permalink: fmt.Sprintf("/r/politics/comments/p%05d/", n),
		CreatedAt: at, ObservedAt: at.Add(time.Second), Score: int64(n), State: string(pulse.Live),
	}
}
