package session

import (
	"context"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Subreddits lists the watched subreddits and what polling them costs.
func (s *Session) Subreddits(ctx context.Context) (wire.SubredditList, error) {
	list, err := s.config.Client.Subreddits(ctx)
	for i := range list.Results {
		list.Results[i] = cleanSubreddit(list.Results[i])
	}
	return list, err
}

// Preview says in words what a change would do, and whether every interval
// would hold.
func (s *Session) Preview(ctx context.Context, c wire.PreviewChange) (detail string, holds bool, err error) {
	p, err := s.config.Client.Preview(ctx, c)
	return clean(p.Detail, mostTitle), p.PromiseHolds, err
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
