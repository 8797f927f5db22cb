package ingest

import (
	"context"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
)

const (
	// Refreshes under way at once.
	maxRefreshing = 2
	// An edited subreddit need not wait for a free worker: so many more may poll.
	extraPolls = 2
	// New posts that one request for late ones is expected to pass over.
	sweepPosts = 700
	// How often the plan is made anew, for rates change.
	planEvery = 30 * time.Second
	// After a change of the configuration the plan waits this long for more.
	planSoon = 200 * time.Millisecond
	// So many edited subreddits are polled at once; more wait for their turn.
	maxHurried = 60
)

// schedule is which subreddit is polled when. All fields belong to run's
// goroutine; workers get work and give results by channel.
type schedule struct {
	g      *Ingest
	reader *reader
	live   *live
	rows   map[string]*row // by key
	polls  plan.Queue
	sweeps plan.Queue

	jobs    chan job
	reread  chan []string
	results chan result
	parcels chan parcel
	written chan parcel
	wanted  chan struct{} // one slot: the rows are to be read
	loaded  chan []pulse.Subreddit
	unsaved unsaved
	outage  outage

	polling, sweeping, rereading int // requests under way

	nextRefresh time.Time
	nextPlan    time.Time
	nextBudget  time.Time
	nextProbe   time.Time
	forecast    plan.Forecast
	load        load        // that the forecast was made of
	given       plan.Inputs // and what else it was made of
	sweepCost   cost        // of requests for late posts
}

type jobKind int

const (
	jobPoll jobKind = iota
	jobSweep
	jobRefresh
)

// job is a listing for a worker.
type job struct {
	kind    jobKind
	targets []target
	back    time.Time // of a sweep
	begun   time.Time
}

// result is what a worker brings back.
type result struct {
	kind     jobKind
	begun    time.Time
	outcomes []outcome
	err      error // of a refresh
}

func keyOf(name string) string { return strings.ToLower(name) }

func newSchedule(g *Ingest) *schedule {
	s := &schedule{
		g: g, rows: map[string]*row{}, live: newLive(g.c.RefreshUntil, g.c.MaxLive, g.metrics),
		jobs: make(chan job), reread: make(chan []string), results: make(chan result),
		parcels: make(chan parcel, 1), written: make(chan parcel),
		wanted: make(chan struct{}, 1), loaded: make(chan []pulse.Subreddit),
		forecast: plan.Forecast{Factor: 1, RefreshFactor: 1},
		unsaved:  unsaved{rows: map[string]bool{}},
	}
	s.sweeps.Expected = sweepPosts
	s.reader = &reader{Ingest: g, seen: newSeen(g.store), live: s.live}
	return s
}

// run polls until ctx ends.
func (s *schedule) run(ctx context.Context) {
	var helpers sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	for range s.g.c.Workers + extraPolls {
		helpers.Go(func() { s.listing(ctx) })
	}
	for range maxRefreshing {
		helpers.Go(func() { s.refreshing(ctx) })
	}
	helpers.Go(func() { s.saving(ctx) })
	helpers.Go(func() { s.loading(ctx) })
	helpers.Go(func() { s.g.store.WatchSubreddits(ctx, s.want) })
	s.loop(ctx)
	cancel()
	helpers.Wait()
}

func (s *schedule) loop(ctx context.Context) {
	poll := time.NewTicker(s.g.c.ConfigPoll)
	defer poll.Stop()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		now := time.Now()
		s.replan(now)
		s.report(now)
		s.dispatch(ctx, now)
		s.save(now)
		alarm.Reset(time.Until(s.wake()))
		select {
		case <-ctx.Done():
			return
		case rows := <-s.loaded:
			s.reload(rows, time.Now())
		case r := <-s.results:
			s.finish(r, time.Now())
		case p := <-s.written:
			s.saved(p)
		case <-poll.C:
			s.want()
		case <-alarm.C:
		}
	}
}

// want has the rows read; it is safe for concurrent use.
func (s *schedule) want() {
	select {
	case s.wanted <- struct{}{}:
	default: // they will be
	}
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
			outcomes := s.reader.read(ctx, j.targets, j.kind == jobSweep, j.back)
			s.tell(ctx, result{kind: j.kind, begun: j.begun, outcomes: outcomes})
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

// dispatch hands out all that is due to the workers that are free.
func (s *schedule) dispatch(ctx context.Context, now time.Time) {
	for s.outage.allows(now, s.busy()) && s.polling < s.mayPoll() {
		batch := s.polls.Take(now)
		if batch == nil {
			break
		}
		s.send(ctx, job{kind: jobPoll, targets: s.targets(batch, jobPoll), begun: now})
	}
	if s.outage.part != "" {
		return
	}
	if s.sweeping == 0 && s.polling < s.g.c.Workers {
		if batch := s.sweeps.Take(now); batch != nil {
			s.send(ctx, job{
				kind: jobSweep, targets: s.targets(batch, jobSweep), begun: now, back: now.Add(-s.g.c.SweepDepth),
			})
		}
	}
	for s.rereading < maxRefreshing && !now.Before(s.nextRefresh) {
		ids, next := s.live.batch(now)
		if s.nextRefresh = next; ids == nil {
			break
		}
		s.rereading++
		select {
		case s.reread <- ids:
		case <-ctx.Done():
			return
		}
	}
}

// mayPoll is how many polls may be under way: more for those that an operator
// waits for.
func (s *schedule) mayPoll() int {
	if s.polls.Hurried() {
		return s.g.c.Workers + extraPolls
	}
	return s.g.c.Workers
}

func (s *schedule) busy() int { return s.polling + s.sweeping + s.rereading }

// send gives a job to a worker that is free.
func (s *schedule) send(ctx context.Context, j job) {
	if j.kind == jobSweep {
		s.sweeping++
	} else {
		s.polling++
	}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
	}
}

// targets takes the rows of a batch out of the schedule's hands.
func (s *schedule) targets(batch []*plan.Entry, kind jobKind) []target {
	all := make([]target, 0, len(batch))
	for _, e := range batch {
		r := s.rows[e.Key]
		if kind == jobSweep {
			r.sweeping = true
		} else {
			r.polling = true
		}
		all = append(all, r.target())
	}
	return all
}

// wake is when the loop has something to do by itself.
func (s *schedule) wake() time.Time {
	at := s.nextPlan
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	sooner(s.nextBudget)
	if s.unsaved.waits() {
		sooner(s.unsaved.next)
	}
	if s.outage.part != "" {
		if next, ok := s.polls.Next(); ok && s.busy() == 0 {
			if next.Before(s.outage.until) {
				next = s.outage.until
			}
			sooner(next)
		}
		return at
	}
	if next, ok := s.polls.Next(); ok && s.polling < s.mayPoll() {
		sooner(next)
	}
	if next, ok := s.sweeps.Next(); ok && s.sweeping == 0 && s.polling < s.g.c.Workers {
		sooner(next)
	}
	if s.rereading < maxRefreshing {
		sooner(s.nextRefresh)
	}
	return at
}

// finish takes a result into the schedule.
func (s *schedule) finish(res result, now time.Time) {
	switch res.kind {
	case jobRefresh:
		s.refreshed(res, now)
		return
	case jobSweep:
		s.sweeping--
		s.sweepCost.add(now, float64(s.reader.sweepPages.Swap(0)))
	case jobPoll:
		s.polling--
	}
	for i := range res.outcomes {
		o := &res.outcomes[i]
		if part := awayPart(o.err); o.err == nil || part != "" {
			s.outage.met(part, o.err, res.begun, now, s.g.log, s.g.metrics)
		}
		if r := s.rows[o.key]; r != nil && res.kind == jobSweep {
			s.swept(r, o, now)
		} else if r != nil {
			s.polled(r, o, now)
		}
	}
}

// refreshed takes note of how reading posts again went.
func (s *schedule) refreshed(res result, now time.Time) {
	s.rereading--
	s.nextRefresh = now
	part := awayPart(res.err)
	if res.err == nil || part != "" {
		s.outage.met(part, res.err, res.begun, now, s.g.log, s.g.metrics)
		return
	}
	s.nextRefresh = now.Add(gather)
	s.g.log.Warn("posts not read again", "err", res.err)
}

// polled plans the next poll of a row and notes how this one went.
func (s *schedule) polled(r *row, o *outcome, now time.Time) {
	if !r.polling {
		return // the row was removed and added meanwhile
	}
	r.polling = false
	if !r.IsActive || r.refused {
		return
	}
	var next time.Time
	if o.err == nil {
		known := !r.poll.Covered.IsZero()
		r.succeeded(o)
		r.entries(s.forecast.Factor, s.g.c.Sweep)
		next = now.Add(r.poll.Pause)
		if o.gap != nil && known {
			s.note(*o.gap)
		}
		if !known && o.items == 0 && !r.poll.Alone {
			r.heard = s.probeSlot(now).Add(-silence)
		}
		s.sweepLater(r, o, now)
	} else {
		r.entries(s.forecast.Factor, s.g.c.Sweep)
		next = now.Add(r.failed(o.err))
		if awayPart(o.err) == "" {
			s.g.log.Warn("poll failed", "subreddit", r.Name, "state", r.status.State, "err", o.err, "next_in", next.Sub(now))
		}
	}
	s.putBack(r, next, now)
}

// putBack lets a row wait for its next poll; one that was edited meanwhile does
// not wait.
func (s *schedule) putBack(r *row, next, now time.Time) {
	if r.again {
		r.again = false
		next = now
		s.polls.Hurry(&r.poll, now)
	} else {
		s.polls.Put(&r.poll, next)
	}
	s.planned(r, next)
}

// planned notes when a row's next poll is.
func (s *schedule) planned(r *row, next time.Time) {
	seconds := r.poll.Pause.Seconds()
	r.status.NextPollAt, r.status.EffectiveIntervalSeconds = &next, &seconds
	s.unsaved.rows[r.poll.Key] = true
}

// probeSlot spreads the first questions about silent subreddits.
func (s *schedule) probeSlot(now time.Time) time.Time {
	const every = 10 * time.Second
	if s.nextProbe.Before(now) {
		s.nextProbe = now
	}
	s.nextProbe = s.nextProbe.Add(every)
	return s.nextProbe
}

func (s *schedule) note(gap pulse.Gap) {
	s.g.metrics.gaps.Inc()
	s.g.log.Warn("posts may be missing", "subreddit", gap.Subreddit, "from", gap.From, "to", gap.To, "reason", gap.Reason)
	s.unsaved.gaps = append(s.unsaved.gaps, gap)
}

// sweepLater plans when a row's listing is read deeper, for posts that were
// approved late. A poll that read as deep does for it.
func (s *schedule) sweepLater(r *row, o *outcome, now time.Time) {
	if s.g.c.Sweep == 0 || r.sweeping {
		return
	}
	deep := !o.reached.IsZero() && !o.reached.After(now.Add(-s.g.c.SweepDepth))
	if !deep && r.swept {
		return // waits for its turn
	}
	s.sweeps.Remove(&r.sweep)
	s.putSweep(r, now.Add(s.g.c.Sweep))
}

func (s *schedule) putSweep(r *row, due time.Time) {
	r.swept = true
	r.sweep.Covered = due.Add(-s.g.c.SweepDepth)
	s.sweeps.Put(&r.sweep, due)
}

// swept plans the next deeper read, soon where this one failed.
func (s *schedule) swept(r *row, o *outcome, now time.Time) {
	if !r.sweeping {
		return
	}
	r.sweeping = false
	if !r.planned() {
		r.swept = false
		return
	}
	next := now.Add(s.g.c.Sweep)
	if o.err != nil {
		next = now.Add(jitter(s.g.c.Sweep / 6))
	}
	s.putSweep(r, next)
}
