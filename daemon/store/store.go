// Package store is the care of the database: history partitions made ahead,
// expired tokens removed, the replica watched. Posts are written by process.
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
)

// Database is what needs care.
type Database interface {
	// EnsurePartitions makes the history's partitions for days days from from.
	EnsurePartitions(ctx context.Context, from time.Time, days int) error
	// RemoveExpiredTokens forgets refresh tokens that expired before at.
	RemoveExpiredTokens(ctx context.Context, at time.Time) error
}

// Store cares for the database. Several may run: each act is idempotent.
type Store struct {
	db    Database
	ahead int
	log   *slog.Logger
}

// New makes the stage; ahead is how many days of history partitions are kept
// ready behind today's.
func New(db Database, ahead int, log *slog.Logger) *Store {
	return &Store{db: db, ahead: ahead, log: log}
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
	if err := s.db.EnsurePartitions(ctx, now, s.ahead+1); err != nil {
		return err
	}
	return s.db.RemoveExpiredTokens(ctx, now)
}
