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
	// Refreshes, and deeper reads, under way at once.
	maxRefreshing = 2
	maxSweeping   = 1
	// An edited subreddit need not wait for a free worker: so many more may poll.
	extraPolls = 2
	// Posts that one deeper read is expected to pass over.
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
	sweeps plan.Queue // deeper reads, for late posts
	fills  plan.Queue // and for those from before the first poll

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

	refreshCost, refreshExpected cost // sent, and by the waits of the posts
	demandAt                     time.Time
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
	s.sweepCost.fade(time.Now()) // from now on it is watched
	s.sweeps.Expected, s.fills.Expected = sweepPosts, sweepPosts
	s.reader = &reader{Ingest: g, seen: newSeen(g.store), live: s.live}
	return s
}

// run polls until ctx ends.
func (s *schedule) run(ctx context.Context) {
	var helpers sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	for range s.g.c.Workers + extraPolls + maxSweeping {
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

// dispatch hands out all that is due to the workers that are free.
func (s *schedule) dispatch(ctx context.Context, now time.Time) {
	for s.outage.allows(now, s.busy()) && s.polling < s.mayPoll() {
		urgent := s.polls.Hurried()
		batch := s.polls.Take(now)
		if batch == nil {
			break
		}
		s.send(ctx, job{kind: jobPoll, targets: s.targets(batch, jobPoll), begun: now, urgent: urgent})
	}
	if s.outage.part != "" {
		return
	}
	if s.maySweep() {
		if batch := s.sweeps.Take(now); batch != nil {
			s.send(ctx, job{kind: jobSweep, targets: s.targets(batch, jobSweep), begun: now, depth: s.g.c.SweepDepth})
		} else if batch := s.fills.Take(now); batch != nil {
			s.send(ctx, job{kind: jobBackfill, targets: s.targets(batch, jobBackfill), begun: now, depth: s.g.c.Backfill})
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

// maySweep tells whether a deeper read may go: never in the way of polls.
func (s *schedule) maySweep() bool { return s.sweeping < maxSweeping && s.polling < s.g.c.Workers }

func (s *schedule) busy() int { return s.polling + s.sweeping + s.rereading }

// send gives a job to a worker that is free.
func (s *schedule) send(ctx context.Context, j job) {
	if j.kind == jobPoll {
		s.polling++
	} else {
		s.sweeping++
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
		switch kind {
		case jobPoll:
			r.polling = true
		case jobSweep:
			r.sweeping = true
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
	for _, deeper := range []*plan.Queue{&s.sweeps, &s.fills} {
		if next, ok := deeper.Next(); ok && s.maySweep() {
			sooner(next)
		}
	}
	if s.rereading < maxRefreshing {
		sooner(s.nextRefresh)
	}
	return at
}
