package api

import (
	"math"
	"strconv"
	"strings"
	"time"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// refreshPerPost is the requests that reading a post again and again takes
	// over its life, while ingestion has not said what it really takes.
	refreshPerPost = 0.15
	// slack is the share by which an interval may differ without being another.
	slack = 0.01
)

// outlook is what polling some rows takes.
type outlook struct {
	forecast  plan.Forecast
	in        plan.Inputs
	effective map[string]time.Duration // of the rows that are polled, by lower-case name
	missed    int                      // of them, polled less often than promised
}

// outlooks gives what polling takes now and what it would take then. The budget
// is what ingestion last said; of one that it never said, configured holds what
// may be sent. Refresh and sweep grow with the posts a minute.
func outlooks(now, then []pulse.Subreddit, said pulse.Budget, configured plan.Inputs) (outlook, outlook) {
	in := configured
	before, after := rate(now), rate(then)
	if said.At.IsZero() {
		in.Refresh = before * refreshPerPost
	} else {
		in.Refresh, in.Sweep = said.Refresh, said.Sweep
	}
	if said.Allowed > 0 {
		in.Allowed = said.Allowed
	}
	later := in
	if before > 0 {
		later.Refresh *= after / before
		later.Sweep *= after / before
	} else {
		later.Refresh = after * refreshPerPost
	}
	return look(now, in), look(then, later)
}

// rate is the posts a minute of all rows that are polled.
func rate(rows []pulse.Subreddit) float64 {
	sum := 0.0
	for i := range rows {
		if polled(&rows[i]) {
			sum += perMinute(&rows[i])
		}
	}
	return sum
}

func perMinute(row *pulse.Subreddit) float64 {
	if row.Status.PostsPerMinute == nil {
		return plan.UnknownRate
	}
	return *row.Status.PostsPerMinute
}

// polled tells whether a row costs requests: what Reddit keeps closed does not.
func polled(row *pulse.Subreddit) bool {
	switch row.Status.State {
	case pulse.Private, pulse.Quarantined, pulse.Gated, pulse.Banned, pulse.Missing:
		return false
	}
	return row.IsActive
}

func look(all []pulse.Subreddit, in plan.Inputs) outlook {
	var rows []plan.Row
	for i := range all {
		if row := &all[i]; polled(row) {
			rows = append(rows, plan.Row{
				Name: row.Name, Interval: promise(row), Priority: row.Priority, PerMinute: perMinute(row),
			})
		}
	}
	o := outlook{in: in, forecast: plan.Predict(rows, in), effective: make(map[string]time.Duration, len(rows))}
	for i, row := range rows {
		effective := o.forecast.Effective[i]
		o.effective[strings.ToLower(row.Name)] = effective
		if !holds(effective, row.Interval) {
			o.missed++
		}
	}
	return o
}

func promise(row *pulse.Subreddit) time.Duration {
	return time.Duration(row.IntervalSeconds) * time.Second
}

func holds(effective, promised time.Duration) bool {
	return effective.Seconds() <= promised.Seconds()*(1+slack)
}

// of gives how often a row is polled, nil where it is not.
func (o *outlook) of(name string) *float64 {
	effective, ok := o.effective[strings.ToLower(name)]
	if !ok {
		return nil
	}
	seconds := wire.Figure(effective.Seconds())
	return &seconds
}

// wanted is the requests a minute that doing everything when due would take.
func (o *outlook) wanted() float64 { return o.forecast.Discovery + o.in.Refresh + o.in.Sweep }

// share is wanted of what may be sent.
func (o *outlook) share() float64 {
	if o.in.Allowed <= 0 {
		return 0
	}
	return o.wanted() / o.in.Allowed
}

func (o *outlook) load() wire.Load {
	return wire.Load{
		Subreddits: len(o.effective), Allowed: wire.Figure(o.in.Allowed),
		Discovery: wire.Figure(o.forecast.Discovery), Refresh: wire.Figure(o.in.Refresh),
		Sweep: wire.Figure(o.in.Sweep), Total: wire.Figure(o.wanted()), Share: wire.Figure(o.share()),
		IntervalFactor: wire.Figure(o.forecast.Factor), RefreshFactor: wire.Figure(o.forecast.RefreshFactor),
	}
}

// words is the outlook in a sentence.
func (o *outlook) words() string {
	if len(o.effective) == 0 {
		return "no subreddit is polled, nothing is asked of Reddit"
	}
	cost := requests(o.wanted()) + " of " + requests(o.in.Allowed) + " requests a minute"
	if percent := math.Round(o.share() * 100); percent > 100 {
		cost = "budget " + strconv.FormatFloat(percent, 'f', 0, 64) + " %"
		switch {
		case o.forecast.Factor > 1+slack:
			cost += ": all intervals ×" + factor(o.forecast.Factor)
		case o.forecast.RefreshFactor > 1+slack:
			cost += ": refresh of posts ×" + factor(o.forecast.RefreshFactor)
		}
	}
	if o.missed == 0 {
		return cost + "; every interval holds"
	}
	return cost + "; " + strconv.Itoa(o.missed) + " of " + strconv.Itoa(len(o.effective)) + " would miss their promise"
}

func factor(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// requests gives a figure as one would say it: whole from ten on.
func requests(v float64) string {
	if v > 0 && v < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// moved tells whether two answers of of differ by more than the slack.
func moved(now, then *float64) bool {
	if now == nil || then == nil {
		return (now == nil) != (then == nil)
	}
	return math.Abs(*then-*now) > slack**now
}
