// Package ingest finds the posts of the configured subreddits and hands them to
// Kafka: it decides which subreddits are asked for together, when, and which
// posts are read again, all within one request budget. It never writes posts.
package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Reddit lists posts and knows what it may ask. Its errors may tell a
// subreddit's state (PollState()), that one of several subreddits is to blame
// (Several()), how long to stay away (RetryAfter()), or that Reddit as a whole
// does not answer (Outage()).
type Reddit interface {
	// Newest gives one page of the newest posts of some subreddits.
	Newest(ctx context.Context, q pulse.ListingQuery) (pulse.ListingPage, error)
	// Info gives the posts with these ids, at most 100; those that are gone from
	// Reddit are left out.
	Info(ctx context.Context, ids []string) (pulse.ListingPage, error)
	Window() pulse.Window
	Restore(w pulse.Window)
	Allowed() float64 // requests a minute
	Sent() float64    // requests a minute, over the last ten minutes
}

// Bus is Kafka.
type Bus interface {
	// Produce returns once all brokers that must have the records have them.
	Produce(ctx context.Context, records []wire.Record) error
	// Unprocessed gives the keys of the records that may not be stored yet.
	Unprocessed(ctx context.Context, topic string) ([]string, error)
}

// Store has the configuration, keeps what must outlive the process and knows
// which posts are stored.
type Store interface {
	// Lead runs run while no other ingest daemon does.
	Lead(ctx context.Context, name string, retry time.Duration, wait func(), run func(context.Context) error) error
	ListSubreddits(ctx context.Context) ([]pulse.Subreddit, error)
	// WatchSubreddits calls changed when the configuration may have changed; it
	// returns when ctx ends.
	WatchSubreddits(ctx context.Context, changed func())
	// SaveStatuses writes how polling stands, by name; gaps are not among it.
	SaveStatuses(ctx context.Context, statuses map[string]pulse.SubredditStatus) error
	AddGaps(ctx context.Context, gaps []pulse.Gap) error
	SaveBudget(ctx context.Context, b pulse.Budget) error
	LastBudget(ctx context.Context) (pulse.Budget, error)
	// LivePosts gives the newest posts made since, of which Reddit still shows
	// all, with their last figures.
	LivePosts(ctx context.Context, since time.Time, limit int) ([]pulse.Post, error)
	PostsByID(ctx context.Context, ids []string) ([]pulse.Post, error)
	KnownPosts(ctx context.Context, ids []string) ([]string, error)
}

// Config is the stage's settings.
type Config struct {
	ConfigPoll     time.Duration // how often the rows are read if nobody notifies
	MaxPages       int           // how many pages a poll goes back while posts are missing
	Workers        int           // listings under way at once, and refreshes as many again
	Backfill       time.Duration // how far back the first poll of a subreddit reads
	Sweep          time.Duration // between two deeper reads of a subreddit; 0: none
	SweepDepth     time.Duration // how far back those read
	RefreshUntil   time.Duration // age at which a post is no longer read again
	MaxLive        int           // posts that are read again
	DiscoveryShare float64       // of the budget, while posts wait to be read again
}

// Ingest polls. Its schedule is owned by one goroutine; workers poll.
type Ingest struct {
	c       Config
	reddit  Reddit
	bus     Bus
	store   Store
	log     *slog.Logger
	metrics *metrics
}

// New makes the stage.
func New(c Config, reddit Reddit, bus Bus, store Store, log *slog.Logger, reg prometheus.Registerer) *Ingest {
	return &Ingest{c: c, reddit: reddit, bus: bus, store: store, log: log, metrics: newMetrics(reg)}
}

const (
	// leadership is the name that ingest daemons of one database compete for.
	leadership = "pulse.ingest"
	leadRetry  = 2 * time.Second
)

// Run polls until ctx ends, while no other ingest daemon does.
func (g *Ingest) Run(ctx context.Context) error {
	return g.store.Lead(ctx, leadership, leadRetry,
		func() { g.metrics.leading.Set(0) },
		func(leading context.Context) error {
			g.lead(ctx, leading)
			return nil
		})
}

// lead takes over where the last leader stopped, and polls until leading ends.
func (g *Ingest) lead(ctx, leading context.Context) {
	begun := time.Now()
	s := newSchedule(g)
	if !s.prepare(leading) {
		return
	}
	g.metrics.leading.Set(1)
	g.log.Info("polling begins", "subreddits", len(s.rows), "live_posts", s.live.len(), "took", time.Since(begun))
	s.run(leading)
	if ctx.Err() != nil { // else somebody else leads, and knows better
		s.lastWords(ctx)
	}
}
