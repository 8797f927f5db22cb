package ingest

import (
	"context"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
)

type jobKind int

const (
	jobPoll     jobKind = iota
	jobSweep            // a deeper read for posts that were approved late
	jobBackfill         // a deeper read for posts from before the first poll
	jobRefresh
)

// job is a listing for a worker.
type job struct {
	kind    jobKind
	targets []target
	depth   time.Duration // of a deeper read
	begun   time.Time
	urgent  bool // somebody waits for it
}

// result is what a worker brings back.
type result struct {
	kind     jobKind
	begun    time.Time
	outcomes []outcome
	err      error // of a refresh
}

// tell gives a result to the loop.
func (s *schedule) tell(ctx context.Context, r result) {
	select {
	case s.results <- r:
	case <-ctx.Done():
	}
}

// listing is a worker for polls and sweeps.
func (s *schedule) listing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.jobs:
			outcomes := s.reader.read(ctx, &j)
			s.tell(ctx, result{kind: j.kind, begun: j.begun, outcomes: outcomes})
		}
	}
}

// refreshing is a worker for refreshes: batches come and go by channel.
func (s *schedule) refreshing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case ids := <-s.reread:
			begun := time.Now()
			err := s.reader.refresh(ctx, ids)
			if err != nil {
				s.live.release(ids, time.Now().Add(gather))
			}
			if errors.Is(err, context.Canceled) {
				return
			}
			s.tell(ctx, result{kind: jobRefresh, begun: begun, err: err})
		}
	}
}

// loading reads the rows when wanted. While the database is away the last known
// ones stand.
func (s *schedule) loading(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
		}
		rows, err := s.g.subreddits(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.g.log.Warn("subreddits not reloaded", "err", err)
			}
			continue
		}
		select {
		case s.loaded <- rows:
		case <-ctx.Done():
			return
		}
	}
}

func (g *Ingest) subreddits(ctx context.Context) ([]pulse.Subreddit, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return g.store.ListSubreddits(ctx)
}
