package ingest

import (
	"math"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
)

// cost is a count of requests a minute, fading over costMemory: longer than the
// bursts that they come in.
type cost struct {
	count float64
	at    time.Time
	since time.Time // of the first count
}

const costMemory = 6 * time.Hour

func (c *cost) fade(now time.Time) {
	if c.since.IsZero() {
		c.since, c.at = now, now
	}
	c.count *= math.Exp(-now.Sub(c.at).Seconds() / costMemory.Seconds())
	c.at = now
}

func (c *cost) add(now time.Time, n float64) {
	c.fade(now)
	c.count += n
}

// perMinute is the rate over the time that was watched.
func (c *cost) perMinute(now time.Time) float64 {
	c.fade(now)
	watched := costMemory.Minutes() * (1 - math.Exp(-now.Sub(c.since).Seconds()/costMemory.Seconds()))
	return c.count / max(watched, 1)
}

func (s *schedule) planSoon(now time.Time) {
	if soon := now.Add(planSoon); soon.Before(s.nextPlan) || s.nextPlan.IsZero() {
		s.nextPlan = soon
	}
}

// replan says, when it is time, by how much intervals must be stretched.
func (s *schedule) replan(now time.Time) {
	if now.Before(s.nextPlan) {
		return
	}
	s.nextPlan = now.Add(planEvery)
	in, shapes := s.inputs(now), s.shapes()
	load := loadOf(shapes)
	if load.near(s.load) && near(in.Allowed, s.given.Allowed) && near(in.Refresh, s.given.Refresh) && near(in.Sweep, s.given.Sweep) {
		return
	}
	s.load, s.given = load, in
	s.forecast = plan.Predict(shapes, in)
	s.live.setStretch(s.forecast.RefreshFactor)
	s.g.metrics.factor.Set(s.forecast.Factor)
	s.g.metrics.refreshFactor.Set(s.forecast.RefreshFactor)
	s.nextBudget = now
}

// load is what a plan depends on, summed up: a plan is made anew only when it
// has changed.
type load struct {
	rows          int
	polls, perDay float64 // polls a minute each by itself, posts
}

func loadOf(shapes []plan.Row) load {
	l := load{rows: len(shapes)}
	for i := range shapes {
		l.polls += 1 / shapes[i].Pace().Minutes()
		l.perDay += shapes[i].PerMinute * 24 * 60
	}
	return l
}

func (l load) near(o load) bool {
	return l.rows == o.rows && near(l.polls, o.polls) && near(l.perDay, o.perDay)
}

// near tells whether two figures differ by less than a plan can tell.
func near(a, b float64) bool { return math.Abs(a-b) <= 0.02*max(math.Abs(a), math.Abs(b), 0.1) }

// report notes, when it is time, what polling costs.
func (s *schedule) report(now time.Time) {
	if now.Before(s.nextBudget) {
		return
	}
	s.nextBudget = now.Add(budgetEvery)
	s.noteBudget(now)
}

// shapes are the rows that the plan counts.
func (s *schedule) shapes() []plan.Row {
	shapes := make([]plan.Row, 0, len(s.rows))
	for _, r := range s.rows {
		if r.planned() {
			shapes = append(shapes, r.poll.Row)
		}
	}
	// The same rows give the same plan.
	slices.SortFunc(shapes, func(a, b plan.Row) int { return strings.Compare(a.Name, b.Name) })
	return shapes
}

func (s *schedule) inputs(now time.Time) plan.Inputs {
	return plan.Inputs{
		Allowed: s.g.reddit.Allowed(), Share: s.g.c.DiscoveryShare,
		Refresh: s.refreshDemand(now), Sweep: s.sweepCost.perMinute(now),
	}
}

// refreshDemand is how many requests a minute reading posts again takes. Listings
// read many of them by the way: how many is measured.
func (s *schedule) refreshDemand(now time.Time) float64 {
	const enough = 20 // requests, to tell a ratio from
	wanted := s.live.demand()
	minutes := min(now.Sub(s.demandAt), planEvery).Minutes()
	s.demandAt = now
	s.refreshExpected.add(now, minutes*wanted/max(s.forecast.RefreshFactor, 1))
	s.refreshCost.fade(now)
	if s.refreshExpected.count < enough {
		return wanted
	}
	return wanted * min(max(s.refreshCost.count/s.refreshExpected.count, 0.05), 1.25)
}

// noteBudget notes what polling costs, for whoever asks.
func (s *schedule) noteBudget(now time.Time) {
	in := s.inputs(now)
	s.unsaved.budget = &pulse.Budget{
		At: now, Allowed: in.Allowed, Sent: s.g.reddit.Sent(),
		Discovery: s.forecast.Discovery, Refresh: in.Refresh, Sweep: in.Sweep,
		Factor: s.forecast.Factor, RefreshFactor: s.forecast.RefreshFactor,
		LivePosts: int64(s.live.len()), Window: s.g.reddit.Window(),
	}
	states := map[pulse.PollState]int{}
	for _, r := range s.rows {
		states[r.status.State]++
	}
	s.g.metrics.subreddits.Reset()
	for state, n := range states {
		s.g.metrics.subreddits.WithLabelValues(string(state)).Set(float64(n))
	}
}
