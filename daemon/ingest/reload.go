package ingest

import (
	"context"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// prepare takes over from the last leader: the rows and how they stood, the
// budget, the posts that are read again, and what was produced but may not be
// stored yet. False when ctx ended first.
func (s *schedule) prepare(ctx context.Context) bool {
	// What Kafka has comes before what is stored: in the other order a post on its
	// way would be in neither.
	steps := []func(context.Context) error{s.restoreBudget, s.restoreRows, s.restoreSeen, s.restorePosts}
	for failures := 0; len(steps) > 0; {
		err := steps[0](ctx)
		if err == nil {
			steps = steps[1:]
			continue
		}
		if ctx.Err() != nil {
			return false
		}
		s.g.log.Warn("polling can't begin yet", "err", err)
		failures++
		select {
		case <-ctx.Done():
			return false
		case <-time.After(jitter(min(10*time.Second, outageMin<<min(failures, 10)))):
		}
	}
	return true
}

func (s *schedule) restoreBudget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	b, err := s.g.store.LastBudget(ctx)
	if err != nil {
		return err
	}
	s.g.reddit.Restore(b.Window)
	s.forecast.Factor = max(b.Factor, 1)
	return nil
}

func (s *schedule) restoreRows(ctx context.Context) error {
	rows, err := s.g.subreddits(ctx)
	if err != nil {
		return err
	}
	s.reload(rows, time.Now())
	return nil
}

// restorePosts reads what is stored of the posts that are read again.
func (s *schedule) restorePosts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*storeTimeout)
	defer cancel()
	posts, err := s.g.store.LivePosts(ctx, time.Now().Add(-s.g.c.RefreshUntil), s.g.c.MaxLive)
	if err != nil {
		return err
	}
	s.live.restore(posts, time.Now())
	ids := make([]string, 0, min(len(posts), maxRecent))
	for i := min(len(posts), maxRecent) - 1; i >= 0; i-- {
		ids = append(ids, posts[i].PostID)
	}
	s.reader.seen.add(ids)
	return nil
}

// restoreSeen learns of posts that are in Kafka, but not in the database yet.
func (s *schedule) restoreSeen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	keys, err := s.g.bus.Unprocessed(ctx, wire.TopicRaw)
	if err != nil {
		return err
	}
	s.reader.seen.add(keys)
	return nil
}

// reload takes over the rows as they are now. Rows that did not change keep
// their timers.
func (s *schedule) reload(rows []pulse.Subreddit, now time.Time) {
	there := make(map[string]bool, len(rows))
	var edited []*row
	for _, config := range rows {
		key := keyOf(config.Name)
		there[key] = true
		if r := s.take(key, config, now); r != nil {
			edited = append(edited, r)
		}
	}
	for key, r := range s.rows {
		if !there[key] {
			s.remove(key, r)
		}
	}
	for _, r := range edited {
		s.obey(r, len(edited) <= maxHurried, now)
	}
	s.planSoon(now)
}

// take brings a row up to date; it gives the row if polling it has to change.
func (s *schedule) take(key string, config pulse.Subreddit, now time.Time) *row {
	r := s.rows[key]
	if r != nil && r.Version == config.Version && r.CreatedAt.Equal(config.CreatedAt) {
		return nil
	}
	err := pulse.CheckSubreddit(config)
	if r != nil && !r.CreatedAt.Equal(config.CreatedAt) {
		s.remove(key, r) // removed and added again
		r = nil
	}
	if r == nil {
		r = newRow(key, config, now)
		s.rows[key] = r
	} else {
		s.polls.Remove(&r.poll)
		s.sweeps.Remove(&r.sweep)
		r.swept = false
		if !r.IsActive && config.IsActive && now.Sub(r.poll.Covered) > s.g.c.Backfill {
			r.poll.Covered = time.Time{} // nobody wanted what was posted meanwhile
		}
		r.Subreddit = config
	}
	if r.refused = err != nil; r.refused {
		s.refuse(r, err)
		return nil
	}
	return r
}

// refuse keeps a row that the schema should not have let in from being polled
// and says why where the operator looks.
func (s *schedule) refuse(r *row, err error) {
	r.status.State, r.status.LastError, r.status.NextPollAt = pulse.Paused, err.Error(), nil
	s.unsaved.rows[r.poll.Key] = true
	s.g.log.Warn("subreddit refused", "subreddit", r.Name, "err", err)
}

// obey has a row that is new or was edited polled at once: the operator watches.
// Of very many, and of those that were just polled by an earlier leader, each
// waits for its turn.
func (s *schedule) obey(r *row, few bool, now time.Time) {
	if few {
		s.g.log.Info("subreddit configured", "subreddit", r.Name,
			"interval_seconds", r.IntervalSeconds, "priority", r.Priority, "active", r.IsActive)
	}
	if !r.IsActive {
		r.status.State, r.status.NextPollAt, r.status.LastError = pulse.Paused, nil, ""
		s.unsaved.rows[r.poll.Key] = true
		return
	}
	if r.polling {
		r.again = true
		return
	}
	if r.status.State == "" || r.status.State == pulse.Paused {
		r.status.State = pulse.Pending
	}
	r.poll.Alone = !readable(r.status.State)
	r.entries(s.forecast.Factor, s.g.c.Sweep)
	due := now
	switch {
	case r.inherited:
		due = r.dueAfterTakeover(now)
		s.polls.Put(&r.poll, due)
	case few:
		s.polls.Hurry(&r.poll, now)
	default:
		s.polls.Put(&r.poll, now)
	}
	r.inherited = false
	s.planned(r, due)
}

func (s *schedule) remove(key string, r *row) {
	s.polls.Remove(&r.poll)
	s.sweeps.Remove(&r.sweep)
	s.fills.Remove(&r.fill)
	delete(s.rows, key)
	delete(s.unsaved.rows, key)
	s.g.log.Info("subreddit removed", "subreddit", r.Name)
}

// lastWords writes what is unsaved when the daemon stops.
func (s *schedule) lastWords(ctx context.Context) {
	s.noteBudget(time.Now())
	if err := s.g.write(ctx, s.parcel()); err != nil {
		s.g.log.Warn("state of polling not saved at the end", "err", err)
	}
}
