// Package process takes batches of one partition from Kafka to the
// announcement, in one fixed order: decode, recall, score, store, remember, dead
// letters, announce, commit. Each step may be repeated: a crash between any two
// replays the batch from the last committed offset and changes nothing twice.
// What a reading means is computed from what was remembered before it, and is
// remembered only once it is stored, so that a replay computes the same again.
//
// An outage pauses the partition; only what can never be stored becomes a dead
// letter; a bug, or a batch that is mostly poison, halts the partition until
// somebody has looked.
package process

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Claim is one partition while it is ours.
type Claim interface {
	Topic() string
	Partition() int
	// Fetch gives the records behind the last fetched ones, at most limit,
	// none when none came for a moment. Its errors are the context's.
	Fetch(ctx context.Context, limit int) ([]wire.Record, error)
	// Commit takes the offset to read next. After an error its outcome is open:
	// the next commit covers it, or the partition is not ours any more, which
	// the next Fetch says.
	Commit(ctx context.Context, next int64) error
}

// Cache remembers posts between batches.
type Cache interface {
	// Recall gives the body remembered of each post, nil where there is none, and
	// since when anything is remembered.
	Recall(ctx context.Context, ids []string) (bodies [][]byte, since time.Time, err error)
	// Remember keeps memories; of two of one post the newer reading wins.
	Remember(ctx context.Context, memories []pulse.Memory) error
	// Announce appends posts to the feed.
	Announce(ctx context.Context, posts [][]byte, length int) error
}

// Database keeps posts, their history and the baselines.
type Database interface {
	// WriteBatch stores readings, sorted by post and time, in one transaction: all
	// in the history, the last of each post as its newest unless a newer one is
	// there. To be announced are the ids now stored so, and as they are stored the
	// posts whose very reading was stored before.
	WriteBatch(ctx context.Context, readings []pulse.Post) (stored []string, repeated []pulse.Post, err error)
	// PostsByID gives those posts that are stored, in any order.
	PostsByID(ctx context.Context, ids []string) ([]pulse.Post, error)
	// AddBaselines adds to the stored baselines. After an error it may or may not
	// have been done.
	AddBaselines(ctx context.Context, learnt []pulse.Baseline) error
	// EachBaseline gives the baselines from a day on, those of one cell behind
	// each other.
	EachBaseline(ctx context.Context, since time.Time, f func(pulse.Baseline)) error
}

// Producer writes dead letters.
type Producer interface {
	// Produce returns once all brokers that must have the records have them.
	Produce(ctx context.Context, records []wire.Record) error
}

// Config is the stage's settings.
type Config struct {
	BatchSize       int
	RetryMin        time.Duration
	RetryMax        time.Duration
	PoisonShare     float64 // of a batch: above it the partition halts
	DropDeletedText bool    // of a post that its author deleted, keep the figures only
	StreamLength    int     // posts that the feed keeps
	Group           string  // named in dead letters
	Version         string  // of the build, named in dead letters
	Rules           score.Rules
	LearnEvery      time.Duration // between flushes of what was learnt; 0: Run does nothing
}

// Processor processes partitions; each in a goroutine of its own.
type Processor struct {
	c       Config
	cache   Cache
	db      Database
	dead    Producer
	log     *slog.Logger
	metrics *metrics
	pauses  *pauses
	now     func() time.Time

	sentiments *score.SentimentCache
	learner    *score.Learner
	usual      atomic.Pointer[score.Baselines] // nil until first read
	// crossed is told each step that a batch has finished; a test stops the
	// world there.
	crossed func(step)
}

// New makes a processor. now is the wall clock.
func New(c Config, cache Cache, db Database, dead Producer, log *slog.Logger,
	reg prometheus.Registerer, now func() time.Time) *Processor {
	m := newMetrics(reg)
	p := &Processor{
		c: c, cache: cache, db: db, dead: dead, log: log, metrics: m,
		pauses: newPauses(m), now: now, crossed: func(step) {},
		sentiments: score.NewSentimentCache(maxSentiments), learner: score.NewLearner(maxLearnt),
	}
	p.metrics.watch(reg, p)
	return p
}

// Partition processes a claim until ctx ends: that is when the partition is
// revoked or the daemon stops. What is begun then is left to the next owner.
func (p *Processor) Partition(ctx context.Context, claim Claim) {
	log := p.log.With("topic", claim.Topic(), "partition", claim.Partition())
	defer p.pauses.resume(claim)
	var w work
	owed := int64(nothingOwed)
	for ctx.Err() == nil {
		records, err := claim.Fetch(ctx, p.c.BatchSize)
		if err != nil {
			return
		}
		if len(records) > 0 {
			if p.batch(ctx, claim, records, &w, log) != nil {
				return
			}
			owed = records[len(records)-1].Offset + 1
		}
		owed = p.commit(ctx, claim, owed, &w, log)
	}
}

// nothingOwed is the offset while everything processed is committed.
const nothingOwed = -1

// commit commits an offset and gives what is still owed: where it fails, the
// same offset again, unless a later one takes its place.
func (p *Processor) commit(ctx context.Context, claim Claim, owed int64, w *work, log *slog.Logger) int64 {
	if owed == nothingOwed {
		return nothingOwed
	}
	defer p.done(stepCommit, time.Now())
	err := claim.Commit(ctx, owed)
	if err != nil && !w.owing {
		log.Warn("offset not committed: it goes with the next ones", "offset", owed, "err", err)
	}
	w.owing = err != nil
	if err != nil {
		return owed
	}
	return nothingOwed
}

// Paused tells why processing stands still, nil while it does not.
func (p *Processor) Paused() error { return p.pauses.err() }
