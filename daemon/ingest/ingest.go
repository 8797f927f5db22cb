// Package ingest polls the configured subreddits and hands what it finds to
// Kafka. It decides which subreddit is asked when; it never writes posts.
package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Reddit lists posts. Its errors may tell a subreddit's state (PollState()) or
// how long to stay away (RetryAfter()).
type Reddit interface {
	// Newest gives a page of a subreddit's newest posts behind after ("" from
	// the top).
	Newest(ctx context.Context, subreddit string, limit int, after string) (pulse.ListingPage, error)
}

// Producer hands records to Kafka.
type Producer interface {
	// Produce returns once all brokers that must have the records have them.
	Produce(ctx context.Context, records []wire.Record) error
}

// Store has the configuration and knows which posts are stored.
type Store interface {
	ListSubreddits(ctx context.Context) ([]pulse.Subreddit, error)
	// WatchSubreddits calls changed when the configuration may have changed; it
	// returns when ctx ends.
	WatchSubreddits(ctx context.Context, changed func())
	SaveStatus(ctx context.Context, name string, s pulse.SubredditStatus) error
	KnownPosts(ctx context.Context, ids []string) ([]string, error)
}

// Config is the stage's settings.
type Config struct {
	ConfigPoll time.Duration // how often the rows are read if nobody notifies
	MaxPages   int           // how far a poll pages back when a page is all new
	Workers    int           // polls under way at once
}

// Ingest polls. Its schedule is owned by one goroutine; workers poll.
type Ingest struct {
	c       Config
	reddit  Reddit
	bus     Producer
	store   Store
	seen    *seen
	log     *slog.Logger
	metrics *metrics
}

// New makes the stage.
func New(c Config, reddit Reddit, bus Producer, store Store, log *slog.Logger, reg prometheus.Registerer) *Ingest {
	return &Ingest{
		c: c, reddit: reddit, bus: bus, store: store,
		seen: newSeen(store), log: log, metrics: newMetrics(reg),
	}
}

// Run polls until ctx ends.
func (g *Ingest) Run(ctx context.Context) error {
	s := newSchedule(g)
	return s.run(ctx)
}
