package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// memoryPosts lists and pages posts as the database does.
type memoryPosts struct {
	mu    sync.Mutex
	posts []pulse.Post
	err   error
	asked []pulse.PostQuery
}

func (m *memoryPosts) fault() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *memoryPosts) ListPosts(_ context.Context, q pulse.PostQuery) ([]pulse.Post, pulse.ServedBy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, q)
	if m.err != nil {
		return nil, "", m.err
	}
	var list []pulse.Post
	for _, p := range m.posts {
		if chosen(&p, &q.Filter) {
			list = append(list, p)
		}
	}
	compare := func(a, b pulse.PostPlace) int { // largest first
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Number, a.Number), strings.Compare(b.ID, a.ID))
	}
	slices.SortFunc(list, func(a, b pulse.Post) int {
		return compare(pulse.PlaceOf(&a, q.Order), pulse.PlaceOf(&b, q.Order))
	})
	if q.After != nil {
		list = slices.DeleteFunc(list, func(p pulse.Post) bool {
			c := compare(pulse.PlaceOf(&p, q.Order), *q.After)
			return q.Before && c >= 0 || !q.Before && c <= 0
		})
	}
	most := min(len(list), q.Limit+1)
	if q.Before {
		return list[len(list)-most:], pulse.Replica, nil
	}
	return list[:most], pulse.Replica, nil
}

func chosen(p *pulse.Post, f *pulse.PostFilter) bool {
	return (len(f.Subreddits) == 0 || slices.ContainsFunc(f.Subreddits, func(s string) bool { return pulse.SameSubreddit(s, p.Subreddit) })) &&
		(f.MinScore == nil || p.Score >= *f.MinScore) &&
		(f.MinVelocity == nil || p.Velocity != nil && *p.Velocity >= *f.MinVelocity) &&
		(f.Since.IsZero() || !p.ObservedAt.Before(f.Since)) && (f.Until.IsZero() || p.ObservedAt.Before(f.Until)) &&
		(!f.Trending || p.Trend != nil) && strings.Contains(strings.ToLower(p.Title), strings.ToLower(f.Words))
}

func (m *memoryPosts) GetPost(_ context.Context, id string) (pulse.Post, pulse.ServedBy, error) {
	if err := m.fault(); err != nil {
		return pulse.Post{}, "", err
	}
	for _, p := range m.posts {
		if p.PostID == id {
			return p, pulse.Replica, nil
		}
	}
	return pulse.Post{}, pulse.Primary, pulse.Errorf(pulse.NotFound, "no post %s is stored", id)
}

func (m *memoryPosts) PostHistory(_ context.Context, id string, limit int) ([]pulse.Reading, pulse.ServedBy, error) {
	if err := m.fault(); err != nil {
		return nil, "", err
	}
	var readings []pulse.Reading
	for _, p := range m.posts {
		for i := range 3 {
			if p.PostID == id && !strings.HasSuffix(id, "none") {
				readings = append(readings, pulse.Reading{ObservedAt: p.ObservedAt.Add(time.Duration(i) * time.Minute), Score: int64(i)})
			}
		}
	}
	return readings[max(0, len(readings)-limit):], pulse.Replica, nil
}

func (m *memoryPosts) Stats(context.Context) (pulse.Stats, pulse.ServedBy, error) {
	return pulse.Stats{Posts: int64(len(m.posts)), Subreddits: 2,
		BySubreddit: []pulse.SubredditStats{{Subreddit: "golang", Posts: 3, MaxScore: 9}}}, pulse.Replica, m.fault()
}

// memorySubreddits keeps rows by lower-case name.
type memorySubreddits struct {
	mu   sync.Mutex
	rows map[string]pulse.Subreddit
	err  error
}

func (m *memorySubreddits) ListSubreddits(context.Context) ([]pulse.Subreddit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []pulse.Subreddit
	for _, row := range m.rows {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b pulse.Subreddit) int { return strings.Compare(a.Name, b.Name) })
	return rows, m.err
}

func (m *memorySubreddits) GetSubreddit(_ context.Context, name string) (pulse.Subreddit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[strings.ToLower(name)]
	if !ok {
		return row, pulse.Errorf(pulse.NotFound, "r/%s is not configured", name)
	}
	return row, m.err
}

func (m *memorySubreddits) AddSubreddit(_ context.Context, s pulse.Subreddit) (pulse.Subreddit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.ToLower(s.Name)
	if _, ok := m.rows[key]; ok {
		return pulse.Subreddit{}, pulse.Errorf(pulse.Conflict, "taken")
	}
	s.Version, s.CreatedAt, s.UpdatedAt, s.Status.State = 1, start, start, pulse.Pending
	m.rows[key] = s
	return s, m.err
}

func (m *memorySubreddits) EditSubreddit(_ context.Context, name string, version int64, c pulse.SubredditChange) (pulse.Subreddit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[strings.ToLower(name)]
	switch {
	case !ok:
		return row, pulse.Errorf(pulse.NotFound, "r/%s is not configured", name)
	case version != 0 && version != row.Version:
		return row, pulse.Errorf(pulse.Conflict, "changed")
	}
	if c.IntervalSeconds != nil {
		row.IntervalSeconds = *c.IntervalSeconds
	}
	if c.Priority != nil {
		row.Priority = *c.Priority
	}
	if c.IsActive != nil {
		row.IsActive = *c.IsActive
	}
	row.Version++
	m.rows[strings.ToLower(name)] = row
	return row, m.err
}

func (m *memorySubreddits) RemoveSubreddit(_ context.Context, name string, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[strings.ToLower(name)]
	switch {
	case !ok:
		return pulse.Errorf(pulse.NotFound, "r/%s is not configured", name)
	case version != 0 && version != row.Version:
		return pulse.Errorf(pulse.Conflict, "changed")
	}
	delete(m.rows, strings.ToLower(name))
	return m.err
}

// memoryPolling keeps what ingestion says.
type memoryPolling struct {
	mu     sync.Mutex
	gaps   map[string][]pulse.Gap // by lower-case name, newest first
	budget pulse.Budget
	err    error
}

func (m *memoryPolling) Gaps(_ context.Context, subreddit string, limit int) ([]pulse.Gap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gaps, ok := m.gaps[strings.ToLower(subreddit)]
	if !ok && m.err == nil {
		return nil, pulse.Errorf(pulse.NotFound, "r/%s is not configured", subreddit)
	}
	return gaps[:min(len(gaps), limit)], m.err
}

func (m *memoryPolling) LastBudget(context.Context) (pulse.Budget, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.budget, m.err
}

func (m *memoryPolling) say(b pulse.Budget) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budget = b
}

// memoryUsers has one user of each role, whose password is the user's name.
type memoryUsers struct {
	mu    sync.Mutex
	users []pulse.User
	err   error
}

func (m *memoryUsers) find(is func(pulse.User) bool) (pulse.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.users, is); i >= 0 && m.err == nil {
		return m.users[i], nil
	}
	return pulse.User{}, cmp.Or(m.err, error(pulse.Errorf(pulse.NotFound, "no such user")))
}

func (m *memoryUsers) UserByName(_ context.Context, name string) (pulse.User, error) {
	return m.find(func(u pulse.User) bool { return u.Name == name })
}

func (m *memoryUsers) UserByID(_ context.Context, id int64) (pulse.User, error) {
	return m.find(func(u pulse.User) bool { return u.ID == id })
}

// memoryTokens is a table of refresh tokens.
type memoryTokens struct {
	mu   sync.Mutex
	rows map[string]*pulse.RefreshToken
	err  error
}

func (m *memoryTokens) InsertRefresh(_ context.Context, row pulse.RefreshToken) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[string(row.Hash)] = &row
	return m.err
}

func (m *memoryTokens) UseRefresh(_ context.Context, hash []byte, at time.Time, next pulse.RefreshToken) (pulse.RefreshToken, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.rows[string(hash)]
	switch {
	case m.err != nil:
		return pulse.RefreshToken{}, false, m.err
	case row == nil:
		return pulse.RefreshToken{}, false, pulse.Errorf(pulse.NotFound, "no such token")
	case row.UsedAt != nil || row.RevokedAt != nil:
		return *row, false, nil
	}
	row.UsedAt = &at
	m.rows[string(next.Hash)] = &next
	return *row, true, nil
}

func (m *memoryTokens) RevokeFamily(_ context.Context, family string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.rows {
		if row.Family == family {
			row.RevokedAt = &at
		}
	}
	return m.err
}

func (m *memoryTokens) FamilyRevoked(_ context.Context, family string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.rows {
		if row.Family == family && row.RevokedAt != nil {
			return true, m.err
		}
	}
	return false, m.err
}

func (m *memoryTokens) count(is func(*pulse.RefreshToken) bool) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, row := range m.rows {
		if is(row) {
			n++
		}
	}
	return n
}

// openSigner writes its claims into the token as they are: what a signature is
// worth is tested where it is made.
type openSigner struct {
	now func() time.Time
	mu  sync.Mutex
	n   int // of families
}

type openToken struct {
	Kind     string
	Identity pulse.Identity
	Row      pulse.RefreshToken
}

func (s *openSigner) write(t openToken) string {
	b, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *openSigner) read(token, kind string) (openToken, error) {
	var t openToken
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(b, &t) != nil || t.Kind != kind {
		return t, pulse.Errorf(pulse.Unauthenticated, "the token is not valid")
	}
	return t, nil
}

func (s *openSigner) Access(u pulse.User, session string) (string, time.Time, error) {
	expires := s.now().Add(15 * time.Minute)
	return s.write(openToken{Kind: "access", Identity: pulse.Identity{
		UserID: u.ID, Name: u.Name, Role: u.Role, Session: session, Expires: expires}}), expires, nil
}

func (s *openSigner) VerifyAccess(token string) (pulse.Identity, error) {
	t, err := s.read(token, "access")
	if err == nil && !s.now().Before(t.Identity.Expires) {
		err = pulse.Errorf(pulse.Unauthenticated, "the token has expired")
	}
	return t.Identity, err
}

func (s *openSigner) NewRefresh(u pulse.User) (string, pulse.RefreshToken, error) {
	s.mu.Lock()
	s.n++
	family := fmt.Sprintf("family-%d", s.n)
	s.mu.Unlock()
	return s.refresh(u.ID, family, []byte(family), s.now())
}

func (s *openSigner) refresh(user int64, family string, id []byte, issued time.Time) (string, pulse.RefreshToken, error) {
	hash := sha256.Sum256(id)
	row := pulse.RefreshToken{Hash: hash[:], Family: family, UserID: user, IssuedAt: issued, ExpiresAt: issued.Add(time.Hour)}
	return s.write(openToken{Kind: "refresh", Row: row}), row, nil
}

func (s *openSigner) Successor(old pulse.RefreshToken, usedAt time.Time) (string, pulse.RefreshToken, error) {
	return s.refresh(old.UserID, old.Family, old.Hash, usedAt)
}

func (s *openSigner) ParseRefresh(token string) (pulse.RefreshToken, error) {
	t, err := s.read(token, "refresh")
	return t.Row, err
}

// plainHasher counts its work; a hash is the password itself.
type plainHasher struct {
	mu    sync.Mutex
	calls int
	err   error
}

func (h *plainHasher) Verify(_ context.Context, hash, pw string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	return hash != "" && hash == pw, h.err
}

// handOver upgrades nothing: it writes who was admitted on the raw connection.
type handOver struct {
	mu        sync.Mutex
	protocols string
}

func (f *handOver) ServeWS(w http.ResponseWriter, r *http.Request, id pulse.Identity) {
	f.mu.Lock()
	f.protocols = r.Header.Get("Sec-WebSocket-Protocol")
	f.mu.Unlock()
	h, ok := w.(http.Hijacker) // as gorilla/websocket asks
	if !ok {
		http.Error(w, "no hijacker", http.StatusInternalServerError)
		return
	}
	conn, rw, err := h.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nX-User: %s\r\nX-Query: %s\r\n\r\n", id.Name, r.URL.RawQuery)
	rw.Flush()
}
