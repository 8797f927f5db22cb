// Package feed pushes stored posts to sockets. It reads the feed stream once,
// keeps its newest posts in a ring and, for every distinct filter, a log of
// ready frames; a socket is no more than a position in one of them, and what it
// lags goes out in one write. It never asks the database and never waits for a
// client.
//
// Goroutines: the tailer (Run itself), a few writers, and one reader a socket.
// A socket's sending side belongs to its writer alone; everybody else leaves
// mail for it.
//
// Order of locks: Feed.mu, view.mu, ring.mu. socket.mu and writer.mu are held
// for a few instructions and nothing is locked inside them.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Stream is where stored posts are announced.
type Stream interface {
	// Tail gives the newest at most n entries, oldest first, and the state.
	Tail(ctx context.Context, n int) (wire.FeedState, []wire.FeedEntry, error)
	// Next waits up to about two seconds for entries numbered above after and
	// gives at most limit of them, oldest first. The state comes along even
	// without entries, so that a new epoch or a number that went back is seen.
	Next(ctx context.Context, after uint64, limit int) (wire.FeedState, []wire.FeedEntry, error)
}

// Verifier checks an access token that a client sends on its open socket.
type Verifier interface {
	VerifyAccess(token string) (pulse.Identity, error)
}

var errUnread = errors.New("the stream has not been read yet")

// Config is the section "feed" of the configuration. Values that are not
// positive take their defaults.
type Config = config.Feed

// Feed is the stage. Make one with New.
type Feed struct {
	config  Config
	stream  Stream
	verify  Verifier
	log     *slog.Logger
	metrics *metrics

	ring     *ring
	writers  []*writer
	upgrader websocket.Upgrader

	ready     chan struct{} // closed once the ring was filled
	readyOnce sync.Once
	trouble   atomic.Pointer[error] // of the stream; nil while it answers

	readers sync.WaitGroup // one for each registered socket
	writes  sync.WaitGroup // writes that had to leave their writer

	mu       sync.Mutex // covers what follows
	open     bool       // between the first fill and the order to stop
	views    map[string]*view
	sockets  map[*socket]struct{}
	perUser  map[int64]int
	reserved int // sockets, those whose upgrade is under way included
	turn     int // the writer that gets the next socket
}

// New makes a feed; nothing runs before Run.
func New(c Config, stream Stream, verify Verifier, log *slog.Logger, reg prometheus.Registerer) *Feed {
	f := &Feed{
		config: withDefaults(c), stream: stream, verify: verify, log: log,
		metrics: newMetrics(reg), ready: make(chan struct{}),
		views:   make(map[string]*view),
		sockets: make(map[*socket]struct{}),
		perUser: make(map[int64]int),
	}
	f.ring = newRing(f.config.LogLength, f.metrics)
	f.upgrader = newUpgrader()
	for i := range min(runtime.GOMAXPROCS(0), maxWriters) {
		f.writers = append(f.writers, newWriter(f, i))
	}
	none := errUnread
	f.trouble.Store(&none)
	return f
}

func withDefaults(c Config) Config {
	d := config.Default().Feed
	for _, n := range []struct {
		got      *int
		fallback int
	}{
		{&c.LogLength, d.LogLength}, {&c.Snapshot, d.Snapshot},
		{&c.MaxSockets, d.MaxSockets}, {&c.MaxPerUser, d.MaxPerUser},
	} {
		if *n.got <= 0 {
			*n.got = n.fallback
		}
	}
	for _, t := range []struct {
		got      *time.Duration
		fallback time.Duration
	}{
		{&c.Coalesce, d.Coalesce}, {&c.Heartbeat, d.Heartbeat}, {&c.WriteTimeout, d.WriteTimeout},
	} {
		if *t.got <= 0 {
			*t.got = t.fallback
		}
	}
	return c
}

// Run tails the stream and drives the writers until ctx ends; then it closes
// every socket with 1012, waits a bounded time for them to go, and returns with
// no goroutine left. Call it once.
func (f *Feed) Run(ctx context.Context) error {
	// The writers outlive ctx: they still have to say goodbye.
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var writers sync.WaitGroup
	for _, w := range f.writers {
		writers.Go(func() { w.run(writing) })
	}
	f.tail(ctx)
	f.shutdown()
	stop()
	writers.Wait()
	f.writes.Wait()
	return nil
}

// Ready blocks until the log was filled once, or until ctx ends.
func (f *Feed) Ready(ctx context.Context) error {
	select {
	case <-f.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Healthy says whether the stream answers; the error is of code Unavailable.
// Sockets stay open while it does not.
func (f *Feed) Healthy() error {
	if err := f.trouble.Load(); err != nil {
		return &pulse.Error{Code: pulse.Unavailable, Message: "the feed stands still", Err: *err}
	}
	return nil
}

// shutdown closes every socket and waits for the readers.
func (f *Feed) shutdown() {
	f.mu.Lock()
	f.open = false
	all := make([]*socket, 0, len(f.sockets))
	for s := range f.sockets {
		all = append(all, s)
	}
	f.mu.Unlock()

	for _, s := range all {
		s.close(wire.CloseRestart, "restarting, connect again")
	}
	gone := make(chan struct{})
	go func() {
		f.readers.Wait()
		close(gone)
	}()
	bound := time.NewTimer(drainTime)
	defer bound.Stop()
	select {
	case <-gone:
	case <-bound.C:
		for _, s := range all {
			s.cut()
		}
		<-gone
	}
}

// acquire gives the view of a filter, made where there is none, and counts one
// more user of it. Each call needs one release.
func (f *Feed) acquire(c *filter) *view {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.views[c.key]
	if v == nil {
		v = newView(c, f.ring, len(f.writers), f.config.Snapshot, f.metrics)
		f.views[c.key] = v
		f.metrics.views.Inc()
	}
	v.users.Add(1)
	return v
}

func (f *Feed) release(v *view) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v.users.Add(-1) == 0 {
		delete(f.views, v.filter.key)
		f.metrics.views.Dec()
	}
}
