package session

import (
	"context"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Subreddits lists the watched subreddits.
func (s *Session) Subreddits(ctx context.Context) ([]wire.Subreddit, error) {
	rows, err := s.config.Client.Subreddits(ctx)
	for i := range rows {
		rows[i] = cleanSubreddit(rows[i])
	}
	return rows, err
}

// Subreddit gives one row as it is now.
func (s *Session) Subreddit(ctx context.Context, name string) (wire.Subreddit, error) {
	row, err := s.config.Client.Subreddit(ctx, name)
	return cleanSubreddit(row), err
}

// Add adds a row.
func (s *Session) Add(ctx context.Context, row wire.NewSubreddit) (wire.Subreddit, error) {
	if err := s.mayWrite(); err != nil {
		return wire.Subreddit{}, err
	}
	out, err := s.config.Client.AddSubreddit(ctx, row)
	return cleanSubreddit(out), err
}

// Edit changes a row that is still of that version.
func (s *Session) Edit(ctx context.Context, name string, version int64, c wire.SubredditChange) (wire.Subreddit, error) {
	if err := s.mayWrite(); err != nil {
		return wire.Subreddit{}, err
	}
	out, err := s.config.Client.EditSubreddit(ctx, name, version, c)
	return cleanSubreddit(out), err
}

// Remove removes a row that is still of that version.
func (s *Session) Remove(ctx context.Context, name string, version int64) error {
	if err := s.mayWrite(); err != nil {
		return err
	}
	return s.config.Client.RemoveSubreddit(ctx, name, version)
}

func (s *Session) mayWrite() error {
	if s.config.ReadOnly {
		return pulse.Errorf(pulse.Forbidden, "this terminal was started with --read-only")
	}
	return nil
}
