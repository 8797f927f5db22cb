package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) {
		http.DefaultClient.CloseIdleConnections()
	}))
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is an API on a real listener with everything behind it in memory.
type rig struct {
	t          testing.TB
	clock      *clock
	posts      *memoryPosts
	subreddits *memorySubreddits
	polling    *memoryPolling
	dead       *memoryDead
	users      *memoryUsers
	tokens     *memoryTokens
	hasher     *plainHasher
	feed       *handOver
	signer     *openSigner
	registry   *prometheus.Registry
	log        *lockedBuffer
	deps       Deps
	server     *server
	http       *httptest.Server
	client     *http.Client
}

func newRig(t testing.TB, change ...func(*Deps)) *rig {
	t.Helper()
	c := &clock{now: start}
	g := &rig{
		t: t, clock: c, posts: &memoryPosts{posts: somePosts(23)},
		subreddits: &memorySubreddits{rows: map[string]pulse.Subreddit{}},
		polling:    &memoryPolling{gaps: map[string][]pulse.Gap{"golang": nil}},
		dead:       &memoryDead{letters: someLetters(23)},
		tokens:     &memoryTokens{rows: map[string]*pulse.RefreshToken{}},
		hasher:     &plainHasher{}, feed: &handOver{}, signer: &openSigner{now: c.Now},
		registry: prometheus.NewRegistry(), log: &lockedBuffer{},
	}
	g.users = &memoryUsers{users: []pulse.User{
		{ID: 1, Name: "viewer", Role: pulse.Viewer, IsActive: true, PasswordHash: "viewer"},
		{ID: 2, Name: "operator", Role: pulse.Operator, IsActive: true, PasswordHash: "operator"},
		{ID: 3, Name: "admin", Role: pulse.Admin, IsActive: true, PasswordHash: "admin"},
		{ID: 4, Name: "disabled", Role: pulse.Admin, PasswordHash: "disabled"},
	}}
	g.deps = Deps{
		Posts: g.posts, Subreddits: g.subreddits, Polling: g.polling, Users: g.users, Tokens: g.tokens,
		DeadLetters: g.dead, Replayer: g.dead,
		Signer: g.signer, Passwords: g.hasher, Feed: g.feed,
		Health: map[string]func(context.Context) error{
			"primary": func(context.Context) error { return nil },
			"redis":   func(context.Context) error { return nil },
		},
		RequestsPerMinute: 90,
		CursorKey:         []byte("a key for cursors in tests"), Version: "test",
		Log: slog.New(slog.NewTextHandler(g.log, nil)), Metrics: g.registry, Now: c.Now,
	}
	for _, f := range change {
		f(&g.deps)
	}
	g.server = newServer(config.API{MaxBody: 64 << 10}, g.deps)
	g.http = httptest.NewServer(g.server)
	g.client = &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	t.Cleanup(func() {
		g.client.CloseIdleConnections()
		g.http.Close()
	})
	return g
}

// somePosts has ties in every order, and posts whose velocity is unknown.
func somePosts(n int) []pulse.Post {
	posts := make([]pulse.Post, 0, n)
	for i := range n {
		p := pulse.Post{Observation: pulse.Observation{
			PostID: fmt.Sprintf("t3_%03d", i), Subreddit: []string{"golang", "Politics"}[i%2],
			Title: fmt.Sprintf("<Post> & number %d", i), State: pulse.Live, Score: int64(i / 3),
			ObservedAt: start.Add(time.Duration(i/4) * time.Millisecond), CreatedAt: start.Add(-time.Duration(i/5) * time.Hour),
		}}
		if i%3 > 0 {
			v := float64(i/6) / 3
			p.Velocity = &v
		}
		posts = append(posts, p)
	}
	return posts
}

// lockedBuffer is a log that many requests write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// token is an access token of the user of a role.
func (g *rig) token(role pulse.Role) string {
	g.t.Helper()
	user, err := g.users.UserByName(g.t.Context(), string(role))
	if err != nil {
		g.t.Fatal(err)
	}
	token, _, err := g.signer.Access(user, "")
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
}

// do sends a request; headers are "Name: value".
func (g *rig) do(method, path, body string, headers ...string) answer {
	g.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.http.URL+path, reader)
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := g.client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" {
		g.t.Errorf("%s %s: %d without X-Request-Id", method, path, resp.StatusCode)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

func (g *rig) as(role pulse.Role) string { return "Authorization: Bearer " + g.token(role) }

// wantProblem checks that an answer is a problem of a status that names a field
// (none: "") and says what is wrong.
func wantProblem(t testing.TB, a answer, status int, code pulse.Code, field, says string) problem {
	t.Helper()
	var p problem
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("answer = %d %s %s; want a problem of %d", a.status, a.header.Get("Content-Type"), a.body, status)
	}
	a.decode(t, &p)
	if p.Status != status || p.Code != code || p.Title == "" || p.Type == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("problem = %+v; want status %d, code %s and the request's id %s", p, status, code, a.header.Get("X-Request-Id"))
	}
	if field != "" && (len(p.Errors) == 0 || p.Errors[0].Field != field) {
		t.Errorf("errors = %+v; want the field %s", p.Errors, field)
	}
	if !strings.Contains(p.Detail, says) {
		t.Errorf("detail = %q; want it to say %q", p.Detail, says)
	}
	if strings.Contains(a.body, "$schema") {
		t.Errorf("body has $schema: %s", a.body)
	}
	return p
}
