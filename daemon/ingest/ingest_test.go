package ingest

import (
	"context"
	"errors"
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
	posts    map[string][]string // by subreddit: ids, newest first
	fail     map[string]error    // by subreddit
	polls    map[string][]time.Time
	rows     []pulse.Subreddit
	changed  func()
	lost     bool // notifications
	stored   map[string]bool
	produced []wire.Record
	broken   error // of Kafka
	status   map[string]pulse.SubredditStatus
}

func newWorld(names ...string) *world {
	w := &world{
		posts: map[string][]string{}, fail: map[string]error{}, polls: map[string][]time.Time{},
		stored: map[string]bool{}, status: map[string]pulse.SubredditStatus{},
	}
	for _, name := range names {
		w.rows = append(w.rows, row0(name))
		w.posts[name] = []string{"t3_" + name + "1"}
	}
	return w
}

func row0(name string) pulse.Subreddit {
	return pulse.Subreddit{Name: name, IntervalSeconds: 60, Priority: pulse.Fast, IsActive: true, Version: 1}
}

func (w *world) Newest(_ context.Context, name string, limit int, after string) (pulse.ListingPage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if after == "" {
		w.polls[name] = append(w.polls[name], time.Now())
	}
	if err := w.fail[name]; err != nil {
		return pulse.ListingPage{}, err
	}
	ids := w.posts[name]
	if after != "" {
		ids = ids[slices.Index(ids, after)+1:]
	}
	var page pulse.ListingPage
	for _, id := range ids[:min(limit, len(ids))] {
		page.Observations = append(page.Observations, pulse.Observation{
			PostID: id, ObservedAt: time.Now(), Subreddit: name, CreatedAt: time.Now(), State: pulse.Live,
		})
	}
	if len(ids) > limit {
		page.After = ids[limit-1]
	}
	return page, nil
}

func (w *world) Produce(_ context.Context, records []wire.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return w.broken
	}
	w.produced = append(w.produced, records...)
	return nil
}

func (w *world) ListSubreddits(context.Context) ([]pulse.Subreddit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.rows), nil
}

func (w *world) WatchSubreddits(ctx context.Context, changed func()) {
	w.mu.Lock()
	w.changed = changed
	w.mu.Unlock()
	<-ctx.Done()
}

func (w *world) SaveStatus(_ context.Context, name string, s pulse.SubredditStatus) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status[name] = s
	return nil
}

func (w *world) KnownPosts(_ context.Context, ids []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var known []string
	for _, id := range ids {
		if w.stored[id] {
			known = append(known, id)
		}
	}
	return known, nil
}

// edit changes the rows and notifies, unless notifications are lost.
func (w *world) edit(f func()) {
	w.mu.Lock()
	f()
	changed := w.changed
	if w.lost {
		changed = func() {}
	}
	w.mu.Unlock()
	changed()
}

func (w *world) ids(topic string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, r := range w.produced {
		if r.Topic == topic {
			ids = append(ids, string(r.Key))
		}
	}
	return ids
}

func (w *world) polled(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.polls[name])
}

// live runs the stage for as long as f lasts, on a clock that jumps.
func live(t *testing.T, w *world, f func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{ConfigPoll: time.Minute, MaxPages: 10, Workers: 2}, w, w, w,
			slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		f()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time go by and everything that it sets off happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestFirstSightsAndLaterReadingsGoToTheirTopics(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	w.stored["t3_old"] = true
	w.posts["golang"] = []string{"t3_new", "t3_old"}
	live(t, w, func() {
		if raw, refresh := w.ids(wire.TopicRaw), w.ids(wire.TopicRefresh); !slices.Equal(raw, []string{"t3_new"}) || !slices.Equal(refresh, []string{"t3_old"}) {
			t.Errorf("raw %v, refresh %v", raw, refresh)
		}
		pass(time.Minute)
		if raw := w.ids(wire.TopicRaw); len(raw) != 1 {
			t.Errorf("a post was first seen %d times", len(raw))
		}
		if refresh := w.ids(wire.TopicRefresh); len(refresh) != 3 {
			t.Errorf("%d later readings, want 3", len(refresh))
		}
	})
}

func TestANewSubredditIsReadBackToItsEndOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	w.posts["golang"] = nil
	for i := range 250 {
		w.posts["golang"] = append(w.posts["golang"], fmt.Sprintf("t3_%03d", 999-i))
	}
	live(t, w, func() {
		raw := w.ids(wire.TopicRaw)
		if len(raw) != 250 || !slices.IsSorted(raw) {
			t.Errorf("%d posts, oldest first: %v", len(raw), slices.IsSorted(raw))
		}
	})
}

func TestWhatKafkaDidNotTakeIsFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	w.broken = errors.New("no leader")
	live(t, w, func() {
		w.mu.Lock()
		w.broken = nil
		w.mu.Unlock()
		pass(time.Minute)
		if raw := w.ids(wire.TopicRaw); len(raw) != 1 {
			t.Errorf("raw %v, want the post", raw)
		}
	})
}

func TestRowsApplyWithoutARestartAndLeaveTheOthersAlone(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("notifications lost %v", lost), func(t *testing.T) {
			t.Parallel()
			w := newWorld("golang", "rust")
			w.lost = lost
			live(t, w, func() {
				pass(30 * time.Second)
				w.edit(func() {
					w.rows = append(w.rows, row0("politics"))
					w.rows[0].IntervalSeconds, w.rows[0].Version = 10, 2
				})
				if lost {
					pass(31 * time.Second)
				}
				synctest.Wait()
				if w.polled("politics") != 1 {
					t.Errorf("politics was polled %d times, want once at once", w.polled("politics"))
				}
				pass(20 * time.Second)
				if n := w.polled("golang"); n < 3 {
					t.Errorf("golang was polled %d times since its interval is 10 s", n)
				}
				w.edit(func() { w.rows[0].IsActive, w.rows[0].Version = false, 3 })
				w.edit(func() { w.rows = slices.Delete(w.rows, 1, 2) })
				pass(time.Minute)
				before, gone := w.polled("golang"), w.polled("rust")
				pass(5 * time.Minute)
				if w.polled("golang") != before || w.polled("rust") != gone {
					t.Error("a paused or removed subreddit is polled on")
				}
				if n := w.polled("politics"); n < 6 {
					t.Errorf("politics was polled %d times, the others' edits disturbed it", n)
				}
				w.edit(func() { w.rows[0].IsActive, w.rows[0].Version = true, 4 })
				if lost {
					pass(time.Minute)
				}
				synctest.Wait()
				if w.polled("golang") <= before {
					t.Error("a resumed subreddit is not polled")
				}
			})
		})
	}
}

// stateError and limitError are what the client of Reddit gives.
type stateError struct{}

func (stateError) Error() string              { return "r/golang is private" }
func (stateError) PollState() pulse.PollState { return pulse.Private }

type limitError struct{}

func (limitError) Error() string             { return "too many requests" }
func (limitError) RetryAfter() time.Duration { return 5 * time.Minute }

func TestErrorsBecomeStatesAndPauses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err   error
		state pulse.PollState
		quiet time.Duration // without another poll
		again time.Duration // until the next
	}{
		"a state of the community": {stateError{}, pulse.Private, 59 * time.Minute, 2 * time.Minute},
		"a limit":                  {limitError{}, pulse.Backoff, 4 * time.Minute, 2 * time.Minute},
		"trouble on the way":       {errors.New("timeout"), pulse.Backoff, 20 * time.Second, 2 * time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld("golang", "rust")
			w.fail["golang"] = fmt.Errorf("list: %w", c.err)
			live(t, w, func() {
				w.mu.Lock()
				s := w.status["golang"]
				w.mu.Unlock()
				if s.State != c.state || !strings.Contains(s.LastError, c.err.Error()) || s.NextPollAt == nil {
					t.Errorf("status %+v", s)
				}
				pass(c.quiet)
				if w.polled("golang") != 1 {
					t.Errorf("polled %d times within %s", w.polled("golang"), c.quiet)
				}
				pass(c.again)
				if w.polled("golang") < 2 {
					t.Error("not polled again")
				}
				if w.polled("rust") < 2 {
					t.Error("the other subreddit waited, too")
				}
			})
		})
	}
}

func TestARowThatTheSchemaShouldHaveRefusedIsNotPolled(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	w.rows[0].IntervalSeconds = 1
	live(t, w, func() {
		pass(5 * time.Minute)
		if n := w.polled("golang"); n != 0 {
			t.Errorf("polled %d times", n)
		}
		if s := w.status["golang"]; !strings.Contains(s.LastError, "interval_seconds") {
			t.Errorf("status %+v does not say why", s)
		}
	})
}

func TestTheMemoryOfProducedPostsIsBounded(t *testing.T) {
	t.Parallel()
	s := newSeen(newWorld())
	for i := range maxRecent + 10 {
		s.add(fmt.Sprint(i))
	}
	if len(s.recent) != maxRecent || s.recent["9"] || !s.recent["10"] {
		t.Errorf("%d remembered", len(s.recent))
	}
}
