package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Reddit, a Kafka and a database in memory, on the bubble's clock.
type world struct {
	mu       sync.Mutex
	posts    map[string][]pulse.Observation // by subreddit, newest first
	fail     map[string]error               // by subreddit
	down     error                          // of all of Reddit
	requests []pulse.ListingQuery
	asked    [][]string // ids of refreshes
	gone     map[string]bool
	times    map[string][]time.Time // of polls, by subreddit
	ahead    time.Duration          // of Reddit's clock
	hold     chan struct{}          // answers wait until it is closed; nil: they don't

	memory
}

// memory is the Kafka and the database alone.
type memory struct {
	mem      sync.Mutex
	rows     []pulse.Subreddit
	changed  func()
	lost     bool // notifications
	stored   map[string]pulse.Post
	produced []wire.Record
	firsts   map[string]int // records of the raw topic by post
	broken   error          // of Kafka
	status   map[string]pulse.SubredditStatus
	gaps     []pulse.Gap
	budget   pulse.Budget
	lag      bool // nothing produced is stored
	forgets  bool // what was produced, but for its outcome
	firstAt  map[string]time.Time
}

func newMemory() memory {
	return memory{
		stored: map[string]pulse.Post{}, status: map[string]pulse.SubredditStatus{}, firsts: map[string]int{},
		firstAt: map[string]time.Time{},
		changed: func() {},
	}
}

func newWorld(names ...string) *world {
	w := &world{
		posts: map[string][]pulse.Observation{}, fail: map[string]error{}, gone: map[string]bool{},
		times: map[string][]time.Time{}, memory: newMemory(),
	}
	for _, name := range names {
		w.rows = append(w.rows, row0(name))
	}
	return w
}

func row0(name string) pulse.Subreddit {
	return pulse.Subreddit{Name: name, IntervalSeconds: 60, Priority: pulse.Fast, IsActive: true, Version: 1}
}

// post adds a post that is made now.
func (w *world) post(subreddit, id string) {
	w.postAt(subreddit, id, w.clock())
}

// clock is Reddit's.
func (w *world) clock() time.Time { return time.Now().Add(w.ahead) }

func (w *world) postAt(subreddit, id string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := pulse.Observation{PostID: "t3_" + id, Subreddit: subreddit, Title: id, Author: "someone",
		Permalink: "/r/" + subreddit + "/comments/" + id + "/", Source: "new", CreatedAt: at.UTC(), Score: 1, State: pulse.Live}
	w.posts[subreddit] = append([]pulse.Observation{o}, w.posts[subreddit]...)
}

func (w *world) Newest(ctx context.Context, q pulse.ListingQuery) (pulse.ListingPage, error) {
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return pulse.ListingPage{}, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, q)
	if w.down != nil {
		return pulse.ListingPage{}, w.down
	}
	var all []pulse.Observation
	for _, name := range q.Subreddits {
		if q.After == "" && !q.Spare {
			w.times[name] = append(w.times[name], time.Now())
		}
		if err := w.fail[name]; err != nil {
			if len(q.Subreddits) > 1 && badAnswer(err) == false {
				err = severalError{}
			}
			return pulse.ListingPage{}, err
		}
		all = append(all, w.posts[name]...)
	}
	slices.SortStableFunc(all, func(a, b pulse.Observation) int { return b.CreatedAt.Compare(a.CreatedAt) })
	all = all[:min(len(all), 1000)]
	if q.After != "" {
		at := slices.IndexFunc(all, func(o pulse.Observation) bool { return o.PostID == q.After })
		if at < 0 {
			return pulse.ListingPage{At: w.clock()}, nil
		}
		all = all[at+1:]
	}
	page := pulse.ListingPage{At: w.clock()}
	for _, o := range all[:min(q.Limit, len(all))] {
		o.ObservedAt = w.clock().UTC()
		page.Observations = append(page.Observations, o)
	}
	if len(all) > q.Limit {
		page.After = all[q.Limit-1].PostID
	}
	return page, nil
}

func (w *world) Info(_ context.Context, ids []string) (pulse.ListingPage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, ids)
	page := pulse.ListingPage{At: w.clock()}
	if w.down != nil {
		return page, w.down
	}
	for _, posts := range w.posts {
		for _, o := range posts {
			if slices.Contains(ids, o.PostID) && !w.gone[o.PostID] {
				o.ObservedAt = w.clock().UTC()
				page.Observations = append(page.Observations, o)
			}
		}
	}
	return page, nil
}

func (w *world) Window() pulse.Window { return pulse.Window{} }
func (w *world) Restore(pulse.Window) {}
func (w *world) Allowed() float64     { return 84 }
func (w *world) Sent() float64        { return 0 }

func (m *memory) Produce(_ context.Context, records []wire.Record) error {
	m.mem.Lock()
	defer m.mem.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if !m.forgets {
		m.produced = append(m.produced, records...)
	}
	for _, r := range records {
		if r.Topic == wire.TopicRaw {
			if m.firsts[string(r.Key)]++; m.firsts[string(r.Key)] == 1 {
				m.firstAt[string(r.Key)] = time.Now()
			}
		}
		o, err := wire.DecodeObservation(r.Value, time.Now())
		if err != nil {
			return err // what is produced must be valid
		}
		if before, ok := m.stored[o.PostID]; !m.lag && (!ok || before.ObservedAt.Before(o.ObservedAt)) {
			m.stored[o.PostID] = pulse.Post{Observation: o}
		}
	}
	return nil
}

func (m *memory) Unprocessed(context.Context, string) ([]string, error) {
	m.mem.Lock()
	defer m.mem.Unlock()
	var ids []string
	for id := range m.firsts {
		if _, stored := m.stored[id]; !stored {
			ids = append(ids, id)
		}
	}
	return ids, m.broken
}

func (m *memory) Lead(ctx context.Context, _ string, _ time.Duration, _ func(), run func(context.Context) error) error {
	return run(ctx)
}

func (m *memory) ListSubreddits(context.Context) ([]pulse.Subreddit, error) {
	m.mem.Lock()
	defer m.mem.Unlock()
	rows := slices.Clone(m.rows)
	for i := range rows {
		if s, ok := m.status[rows[i].Name]; ok {
			rows[i].Status = s
		}
	}
	return rows, nil
}

func (m *memory) WatchSubreddits(ctx context.Context, changed func()) {
	m.mem.Lock()
	m.changed = changed
	m.mem.Unlock()
	<-ctx.Done()
}

func (m *memory) SaveStatuses(_ context.Context, all map[string]pulse.SubredditStatus) error {
	m.mem.Lock()
	defer m.mem.Unlock()
	for name, s := range all {
		m.status[name] = s
	}
	return nil
}

func (m *memory) AddGaps(_ context.Context, gaps []pulse.Gap) error {
	m.mem.Lock()
	defer m.mem.Unlock()
	m.gaps = append(m.gaps, gaps...)
	return nil
}

func (m *memory) SaveBudget(_ context.Context, b pulse.Budget) error {
	m.mem.Lock()
	defer m.mem.Unlock()
	m.budget = b
	return nil
}

func (m *memory) LastBudget(context.Context) (pulse.Budget, error) {
	m.mem.Lock()
	defer m.mem.Unlock()
	return m.budget, nil
}

func (m *memory) LivePosts(_ context.Context, since time.Time, limit int) ([]pulse.Post, error) {
	m.mem.Lock()
	defer m.mem.Unlock()
	var posts []pulse.Post
	for _, p := range m.stored {
		if p.State == pulse.Live && !p.CreatedAt.Before(since) && len(posts) < limit {
			posts = append(posts, p)
		}
	}
	return posts, nil
}

func (m *memory) PostsByID(_ context.Context, ids []string) ([]pulse.Post, error) {
	m.mem.Lock()
	defer m.mem.Unlock()
	var posts []pulse.Post
	for _, id := range ids {
		if p, ok := m.stored[id]; ok {
			posts = append(posts, p)
		}
	}
	return posts, nil
}

func (m *memory) KnownPosts(_ context.Context, ids []string) ([]string, error) {
	m.mem.Lock()
	defer m.mem.Unlock()
	var known []string
	for _, id := range ids {
		if _, ok := m.stored[id]; ok {
			known = append(known, id)
		}
	}
	return known, nil
}

// edit changes the rows and notifies, unless notifications are lost.
func (m *memory) edit(f func()) {
	m.mem.Lock()
	f()
	changed := m.changed
	if m.lost {
		changed = func() {}
	}
	m.mem.Unlock()
	changed()
}

// first tells how often a post was produced as a first sight.
func (m *memory) first(id string) int {
	m.mem.Lock()
	defer m.mem.Unlock()
	return m.firsts["t3_"+id]
}

func (m *memory) statusOf(name string) pulse.SubredditStatus {
	m.mem.Lock()
	defer m.mem.Unlock()
	return m.status[name]
}

func (w *world) polled(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times[name])
}

func (w *world) listings() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.requests)
}

// set has f change or read anything of the world.
func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mem.Lock()
	defer w.mem.Unlock()
	f()
}

// refreshes is how many requests for posts that are read again there were, and
// of how many posts.
func (w *world) refreshes() (requests, posts int) {
	w.set(func() {
		requests = len(w.asked)
		for _, ids := range w.asked {
			posts += len(ids)
		}
	})
	return requests, posts
}

// known gives a post as it is stored.
func (m *memory) known(id string) pulse.Post {
	m.mem.Lock()
	defer m.mem.Unlock()
	return m.stored[id]
}

// gapsNow are the gaps that were recorded.
func (m *memory) gapsNow() []pulse.Gap {
	m.mem.Lock()
	defer m.mem.Unlock()
	return slices.Clone(m.gaps)
}

// pollsOf is when a subreddit was polled.
func (w *world) pollsOf(name string) (times []time.Time) {
	w.set(func() { times = slices.Clone(w.times[name]) })
	return times
}

// severalError and the others are what the client of Reddit gives.
type severalError struct{}

func (severalError) Error() string { return "one of several" }
func (severalError) Several() bool { return true }

type stateError struct{}

func (stateError) Error() string              { return "the community is private" }
func (stateError) PollState() pulse.PollState { return pulse.Private }

type limitError struct{}

func (limitError) Error() string             { return "too many requests" }
func (limitError) RetryAfter() time.Duration { return 5 * time.Minute }

type downError struct{}

func (downError) Error() string { return "503" }
func (downError) Outage() bool  { return true }

func settings() Config {
	return Config{
		ConfigPoll: time.Minute, MaxPages: 10, Workers: 4, Backfill: 24 * time.Hour, Sweep: time.Hour,
		SweepDepth: 4 * time.Hour, RefreshUntil: 24 * time.Hour, MaxLive: 10_000, DiscoveryShare: 0.8,
	}
}

// runs runs the stage for as long as f lasts, on a clock that jumps.
func runs(t *testing.T, w *world, f func()) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		stop := begin(t, w)
		f()
		stop()
	})
}

// bubble runs f on a clock of its own, which begins at a time when Reddit is
// there.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)))
		f(t)
	})
}

// begin starts the stage in the bubble; stop ends it.
func begin(t *testing.T, w *world) (stop func()) {
	t.Helper()
	g := New(settings(), w, w, w, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// pass lets time go by and everything that it sets off happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("community%04d", i)
	}
	return all
}

func has(t *testing.T, what, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%s: %q does not say %q", what, text, part)
	}
}

// postOf is the id of the one post of a community that names made.
func postOf(name string) string { return "p" + name[len(name)-4:] }
