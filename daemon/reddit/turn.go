package reddit

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Bounds of a stop after a 429.
const (
	maxBackoff = 10 * time.Minute // for one that Reddit did not ask for itself
	maxJitter  = time.Second
)

// maxUntold is how many good answers may lack the headers of the window until we
// take it that Reddit sends none.
const maxUntold = 10

// turn is the right to send one request. Exactly one of back, lost and answered
// ends it.
type turn struct {
	l  *limiter
	at time.Time
}

// back ends a turn whose request was not sent.
func (t *turn) back() {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	l.unsent()
	l.pump(now)
}

// lost ends a turn whose request got no whole answer. Reddit may have counted it.
func (t *turn) lost() {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	l.land()
	l.quota.count(now)
	l.look(now)
	l.pump(now)
}

// answered ends a turn with what the answer says of the budget. For a 429 it
// returns how long nothing will be sent.
func (t *turn) answered(k kind, a *answer) time.Duration {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	l.land()
	b, told := readBudget(a.header)
	if told = told && l.quota.said(b, a.received); told {
		l.met.remaining.Set(b.remaining)
		l.tune()
	} else {
		l.quota.count(now)
	}
	var wait time.Duration
	if a.status == http.StatusTooManyRequests {
		wait = l.stop(t, a)
	} else if t.at.After(l.stopped) && shows(k, a.status) {
		l.refusals = 0
		if l.untold++; told || l.untold >= maxUntold {
			l.probing = false
		}
	}
	l.look(now)
	l.pump(now)
	return wait
}

// shows tells whether an answer comes from where the window is counted.
func shows(k kind, status int) bool {
	return k != kindToken && status != http.StatusUnauthorized && status < http.StatusInternalServerError
}

// probe lets requests go one by one until it is known where we stand.
func (l *limiter) probe() { l.probing, l.untold = true, 0 }

// unsent takes back a turn whose request was never sent.
func (l *limiter) unsent() {
	l.flying--
	l.level = min(l.level+1, l.burst)
}

// land notes that a request is no longer under way.
func (l *limiter) land() {
	l.flying--
	l.answers.add()
}

// look sees whether the window is used up.
func (l *limiter) look(now time.Time) {
	if l.quota.left < 1 && !l.exhausted {
		l.met.stops.WithLabelValues(stopUsedUp).Inc()
	}
	l.exhausted = l.quota.left < 1
	l.turnAway(now)
}

// stop sends nothing for as long as a 429 asks, else until the window ends, and
// longer from one 429 to the next. It returns for how long.
func (l *limiter) stop(t *turn, a *answer) time.Duration {
	wait, told := retryAfter(a.header, a.received)
	if !told {
		wait = max(l.quota.end.Add(slack).Sub(a.received), minWait)
	}
	// Those that were under way together count as one.
	if t.at.After(l.stopped) {
		l.refusals++
	}
	grown := wait << min(max(l.refusals-1, 0), 10)
	wait = max(wait, min(grown, maxBackoff)) + rand.N(maxJitter)
	l.stopped = time.Now()
	l.probe()
	l.hold(a.received, wait)
	l.met.stops.WithLabelValues(stopRefused).Inc()
	return max(l.until.Sub(l.stopped), minWait)
}

// hold sends nothing for a while; one that ends before another changes nothing.
func (l *limiter) hold(now time.Time, wait time.Duration) {
	if until := now.Add(wait); until.After(l.until) {
		l.until = until
	}
}
