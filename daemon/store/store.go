// Package store is the care of the database: history partitions made ahead, what
// has expired removed, the dead letters mirrored and, when somebody says so, sent
// again. Posts are written by process.
package store

import (
	"context"
	"log/slog"
	"time"
)

const (
	careEvery   = time.Hour
	careTimeout = time.Minute
	retryEvery  = 10 * time.Second
	// A post that nobody has read for so long trends no more.
	trendLife = 6 * time.Hour
	// Baselines count for a week.
	baselineLife = 8 * 24 * time.Hour
)

// Database is what needs care.
type Database interface {
	// EnsurePartitions makes the history's partitions for days days from from.
	EnsurePartitions(ctx context.Context, from time.Time, days int) error
	// RemoveExpiredTokens forgets refresh tokens that expired before at.
	RemoveExpiredTokens(ctx context.Context, at time.Time) error
	// ExpireTrends forgets that posts trend that were last read before at.
	ExpireTrends(ctx context.Context, at time.Time) error
	// ForgetBaselines removes the baselines of the days before day.
	ForgetBaselines(ctx context.Context, day time.Time) error
	// ForgetDeadLetters removes those that are settled and failed before at.
	ForgetDeadLetters(ctx context.Context, at time.Time) error
}

// Store cares for the database. Several may run: each act is idempotent.
type Store struct {
	db  Database
	c   Config
	log *slog.Logger
}

// Config is the stage's settings.
type Config struct {
	PartitionsAhead int           // days of history partitions kept ready behind today's
	DeadRetention   time.Duration // of dead letters that are settled; as long as their topic keeps them
}

// New makes the stage.
func New(db Database, c Config, log *slog.Logger) *Store {
	return &Store{db: db, c: c, log: log}
}

// Run cares every hour until ctx ends; a failure is tried again soon.
func (s *Store) Run(ctx context.Context) error {
	for {
		wait := careEvery
		if err := s.care(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("database care interrupted", "err", err)
			wait = retryEvery
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (s *Store) care(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, careTimeout)
	defer cancel()
	now := time.Now()
	for _, act := range []func() error{
		func() error { return s.db.EnsurePartitions(ctx, now, s.c.PartitionsAhead+1) },
		func() error { return s.db.RemoveExpiredTokens(ctx, now) },
		func() error { return s.db.ExpireTrends(ctx, now.Add(-trendLife)) },
		func() error { return s.db.ForgetBaselines(ctx, now.Add(-baselineLife)) },
		func() error { return s.db.ForgetDeadLetters(ctx, now.Add(-s.c.DeadRetention)) },
	} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}
