package ingest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

const (
	storeTimeout = 10 * time.Second
	// Reddit's own answers about a community (private, banned, …) change rarely.
	stateRetry = time.Hour
	maxBackoff = 10 * time.Minute
	// How quickly the estimate of posts per minute forgets.
	rateMemory = 6 * time.Hour
)

// schedule is which subreddit is polled when. All fields belong to run's
// goroutine; workers get subreddits through due and give results back through
// polled.
type schedule struct {
	g       *Ingest
	rows    map[string]*row // by lower-case name
	due     chan job
	polled  chan result
	changed chan struct{} // one slot: news of the configuration
}

// row is one subreddit and how its polls fare.
type row struct {
	pulse.Subreddit
	next     time.Time
	polling  bool // a worker has it
	removed  bool // while a worker had it
	failures int  // in a row
	rate     rate
}

// job is a poll for a worker. The row is the schedule's: a worker only brings it
// back.
type job struct {
	row  *row
	name string
}

// result is what a worker brings back.
type result struct {
	row   *row
	at    time.Time
	posts int // first seen
	err   error
}

func newSchedule(g *Ingest) *schedule {
	return &schedule{
		g: g, rows: map[string]*row{}, due: make(chan job), polled: make(chan result),
		changed: make(chan struct{}, 1),
	}
}

func (s *schedule) run(ctx context.Context) error {
	var helpers sync.WaitGroup
	defer helpers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range s.g.c.Workers {
		helpers.Go(func() { s.work(ctx) })
	}
	helpers.Go(func() {
		s.g.store.WatchSubreddits(ctx, func() {
			select {
			case s.changed <- struct{}{}:
			default: // news is waiting already
			}
		})
	})
	poll := time.NewTicker(s.g.c.ConfigPoll)
	defer poll.Stop()
	s.reload(ctx)
	for {
		next, wait := s.nextDue()
		var due chan job
		var ready job
		if next != nil && wait <= 0 {
			due, ready = s.due, job{next, next.Name}
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.changed:
			s.reload(ctx)
		case <-poll.C:
			s.reload(ctx)
		case due <- ready:
			next.polling = true
		case r := <-s.polled:
			s.finish(ctx, r)
		case <-timerOf(timer, due):
		}
		timer.Stop()
	}
}

// timerOf silences the timer while a subreddit is due: then a worker is what is
// waited for.
func timerOf(t *time.Timer, due chan job) <-chan time.Time {
	if due != nil {
		return nil
	}
	return t.C
}

// nextDue gives the subreddit that is due first and the time until then.
func (s *schedule) nextDue() (*row, time.Duration) {
	var first *row
	for _, r := range s.rows {
		if r.polling || !r.IsActive {
			continue
		}
		if first == nil || r.next.Before(first.next) {
			first = r
		}
	}
	if first == nil {
		return nil, time.Hour
	}
	return first, time.Until(first.next)
}

// reload takes over the rows as they are now. Rows that did not change keep
// their timers. While the database is away the last known rows stand.
func (s *schedule) reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rows, err := s.g.store.ListSubreddits(ctx)
	if err != nil {
		if ctx.Err() == nil || !errors.Is(ctx.Err(), context.Canceled) {
			s.g.log.Warn("subreddits not reloaded", "err", err)
		}
		return
	}
	there := make(map[string]bool, len(rows))
	for _, config := range rows {
		key := strings.ToLower(config.Name)
		there[key] = true
		s.take(ctx, key, config)
	}
	for key, r := range s.rows {
		if !there[key] {
			r.removed = true
			delete(s.rows, key)
			s.g.log.Info("subreddit removed", "subreddit", r.Name)
		}
	}
	s.g.metrics.subreddits.Set(float64(len(s.rows)))
}

func (s *schedule) take(ctx context.Context, key string, config pulse.Subreddit) {
	r, known := s.rows[key]
	if known && r.Version == config.Version && r.CreatedAt.Equal(config.CreatedAt) {
		return
	}
	if err := pulse.CheckSubreddit(config); err != nil {
		s.refuse(ctx, key, config, err)
		return
	}
	now := time.Now()
	if !known {
		r = &row{next: now}
		s.rows[key] = r
	}
	wasActive := r.IsActive
	r.Subreddit = config
	if !wasActive {
		r.next = now
	} else if soonest := now.Add(r.interval()); r.next.After(soonest) && r.failures == 0 {
		r.next = soonest
	}
	s.g.log.Info("subreddit configured", "subreddit", r.Name,
		"interval_seconds", r.IntervalSeconds, "priority", r.Priority, "active", r.IsActive)
}

// refuse keeps a row that the schema should not have let in from being polled
// and says why where the operator looks.
func (s *schedule) refuse(ctx context.Context, key string, config pulse.Subreddit, err error) {
	config.IsActive = false
	if before, known := s.rows[key]; known {
		before.removed = true // a poll under way must not write over the reason
	}
	s.rows[key] = &row{Subreddit: config}
	s.g.log.Warn("subreddit refused", "subreddit", config.Name, "err", err)
	s.save(ctx, config.Name, pulse.SubredditStatus{State: pulse.Paused, LastError: err.Error()})
}

func (r *row) interval() time.Duration { return time.Duration(r.IntervalSeconds) * time.Second }

func (s *schedule) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.due:
			outcome := s.g.poll(ctx, j)
			select {
			case <-ctx.Done():
				return
			case s.polled <- outcome:
			}
		}
	}
}

// finish plans the next poll and writes how this one went.
func (s *schedule) finish(ctx context.Context, res result) {
	r := res.row
	r.polling = false
	if r.removed {
		return
	}
	status := pulse.SubredditStatus{State: pulse.Polling}
	pause := r.interval()
	if res.err == nil {
		r.failures = 0
		perMinute := r.rate.add(res.at, res.posts)
		status.LastPollAt, status.PostsPerMinute = &res.at, perMinute
	} else {
		r.failures++
		status.State, pause = verdict(res.err, pause, r.failures)
		status.LastError = res.err.Error()
		s.g.log.Warn("poll failed", "subreddit", r.Name, "state", status.State, "err", res.err, "next_in", pause)
	}
	r.next = res.at.Add(pause)
	if soonest := time.Now(); r.next.Before(soonest) {
		r.next = soonest
	}
	seconds := pause.Seconds()
	status.NextPollAt, status.EffectiveIntervalSeconds = &r.next, &seconds
	s.save(ctx, r.Name, status)
}

// verdict gives the state that an error means and how long to stay away.
func verdict(err error, interval time.Duration, failures int) (pulse.PollState, time.Duration) {
	var state interface{ PollState() pulse.PollState }
	if errors.As(err, &state) {
		return state.PollState(), max(stateRetry, interval)
	}
	var limit interface{ RetryAfter() time.Duration }
	if errors.As(err, &limit) {
		return pulse.Backoff, max(limit.RetryAfter(), interval)
	}
	delay := time.Duration(float64(interval) * math.Pow(2, float64(min(failures-1, 10))))
	delay = min(delay, max(maxBackoff, interval))
	return pulse.Backoff, delay/2 + rand.N(delay/2+1)
}

// save writes a status; it is for display, so a failure costs a log line.
func (s *schedule) save(ctx context.Context, name string, status pulse.SubredditStatus) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.g.store.SaveStatus(ctx, name, status); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.g.log.Warn("subreddit status not saved", "subreddit", name, "err", err)
	}
}

// rate estimates posts per minute, forgetting over rateMemory.
type rate struct {
	posts   float64
	minutes float64
	last    time.Time // of the poll before; zero at first
}

// add takes the posts first seen by a poll. The first poll finds what had
// gathered before and tells nothing: nil.
func (r *rate) add(at time.Time, posts int) *float64 {
	if r.last.IsZero() {
		r.last = at
		return nil
	}
	step := at.Sub(r.last)
	r.last = at
	fade := math.Exp(-step.Seconds() / rateMemory.Seconds())
	r.posts = r.posts*fade + float64(posts)
	r.minutes = r.minutes*fade + step.Minutes()
	if r.minutes <= 0 {
		return nil
	}
	perMinute := r.posts / r.minutes
	return &perMinute
}
