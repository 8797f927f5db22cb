package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

var (
	listSubreddits  = sql.Query("subreddit/list")
	getSubreddit    = sql.Query("subreddit/get")
	addSubreddit    = sql.Query("subreddit/add")
	editSubreddit   = sql.Query("subreddit/edit")
	removeSubreddit = sql.Query("subreddit/remove")
)

// ListSubreddits gives every configured subreddit with its status, by name.
// Configuration is always read from the primary.
func (d *DB) ListSubreddits(ctx context.Context) ([]pulse.Subreddit, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, listSubreddits)
	if err != nil {
		return nil, coded("list subreddits", err)
	}
	all, err := pgx.CollectRows(rows, scanSubreddit)
	return all, coded("list subreddits", err)
}

// GetSubreddit gives one subreddit, case ignored; NotFound where it is not
// configured.
func (d *DB) GetSubreddit(ctx context.Context, name string) (pulse.Subreddit, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, getSubreddit, name)
	if err != nil {
		return pulse.Subreddit{}, coded("get a subreddit", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanSubreddit)
	if codeOfNil(err) == pulse.NotFound {
		return pulse.Subreddit{}, notFound("subreddit", name)
	}
	return s, coded("get a subreddit", err)
}

func codeOfNil(err error) pulse.Code {
	if err == nil {
		return ""
	}
	return codeOf(err)
}

// AddSubreddit inserts a row; Conflict, with the row that is there, where the
// name is taken.
func (d *DB) AddSubreddit(ctx context.Context, s pulse.Subreddit) (pulse.Subreddit, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var name string
	err := d.primary.QueryRow(ctx, addSubreddit, s.Name, s.IntervalSeconds, s.Priority, s.IsActive, s.AddedBy).Scan(&name)
	switch codeOfNil(err) {
	case "":
		return d.GetSubreddit(ctx, name)
	case pulse.NotFound:
		current, err := d.GetSubreddit(ctx, s.Name)
		if err != nil {
			return pulse.Subreddit{}, err
		}
		return current, &pulse.Error{Code: pulse.Conflict, Field: "name",
			Message: current.Name + " is configured already"}
	}
	return pulse.Subreddit{}, coded("add a subreddit", err)
}

// EditSubreddit changes the version that the editor saw (0: any). Conflict,
// with the row as it is, where it has changed since.
func (d *DB) EditSubreddit(ctx context.Context, name string, version int64, c pulse.SubredditChange) (pulse.Subreddit, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	err := d.primary.QueryRow(ctx, editSubreddit, name, version, c.IntervalSeconds, c.Priority, c.IsActive).Scan(&name)
	if code := codeOfNil(err); code != "" && code != pulse.NotFound {
		return pulse.Subreddit{}, coded("edit a subreddit", err)
	}
	current, getErr := d.GetSubreddit(ctx, name)
	if getErr == nil && err != nil {
		return current, changedSince(current)
	}
	return current, getErr
}

// RemoveSubreddit deletes the version that the remover saw (0: any).
func (d *DB) RemoveSubreddit(ctx context.Context, name string, version int64) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	err := d.primary.QueryRow(ctx, removeSubreddit, name, version).Scan(&name)
	if codeOfNil(err) != pulse.NotFound {
		return coded("remove a subreddit", err)
	}
	current, err := d.GetSubreddit(ctx, name)
	if err != nil {
		return err
	}
	return changedSince(current)
}

func changedSince(s pulse.Subreddit) error {
	return pulse.Errorf(pulse.Conflict, "%s has changed since you read it: it is at version %d", s.Name, s.Version)
}

func scanSubreddit(row pgx.CollectableRow) (pulse.Subreddit, error) {
	var s pulse.Subreddit
	var state, lastError *string
	var gaps *int64
	var ratePosts, rateMinutes *float64
	var last gapRow
	err := row.Scan(&s.Name, &s.IntervalSeconds, &s.Priority, &s.IsActive, &s.AddedBy, &s.CreatedAt,
		&s.UpdatedAt, &s.Version, &state, &s.Status.LastPollAt, &s.Status.NextPollAt,
		&s.Status.EffectiveIntervalSeconds, &s.Status.PostsPerMinute, &lastError, &gaps,
		&s.Status.CoveredUntil, &ratePosts, &rateMinutes, &last.from, &last.to, &last.noticed, &last.reason)
	s.Status.State = pulse.Pending
	if state != nil {
		s.Status.State, s.Status.LastError, s.Status.Gaps = pulse.PollState(*state), *lastError, *gaps
		s.Status.RatePosts, s.Status.RateMinutes = *ratePosts, *rateMinutes
		s.Status.LastGap = last.gap(s.Name)
	}
	if !s.IsActive {
		s.Status.State = pulse.Paused
	}
	return s, err
}

// WatchSubreddits calls changed after every notification of subreddit_config,
// and once after each (re)connection since some may have been missed. It
// returns only when ctx ends.
func (d *DB) WatchSubreddits(ctx context.Context, changed func()) {
	const retry = 2 * time.Second
	for ctx.Err() == nil {
		if err := d.listen(ctx, changed); err != nil && ctx.Err() == nil {
			d.log.Warn("subreddit notifications interrupted", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

func (d *DB) listen(ctx context.Context, changed func()) error {
	pooled, err := d.primary.Acquire(ctx)
	if err != nil {
		return coded("listen for subreddit changes", err)
	}
	// The connection is given up with its LISTEN, never back to the pool.
	conn := pooled.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "listen subreddit_config"); err != nil {
		return coded("listen for subreddit changes", err)
	}
	changed()
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return coded("wait for subreddit changes", err)
		}
		changed()
	}
}
