package reddit

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// class says who goes first where requests wait for each other.
type class int

const (
	urgent    class = iota // what somebody waits for, and tokens
	discovery              // what finds new posts
	refresh                // what may wait
	classes
)

func (c class) String() string { return [classes]string{"urgent", "discovery", "refresh"}[c] }

// Bounds of the budget.
const (
	maxBurst   = 10     // requests that may go at once after a pause
	keptUrgent = 1      // turns of a full bucket: kept for what somebody waits for
	maxWaiting = 10_000 // of a class; whoever comes on top is turned away
	keptShare  = 0.05   // of Reddit's window: kept for discovery
	fullShare  = 0.9    // of Reddit's limit: taken where it is lower than ours
)

var errClosed = errors.New("the reddit client is closed")

// limiter is the one budget of the process: every request takes its turn here
// before it is sent, and gives account of it afterwards.
//
// Turns come from a bucket that holds at most burst of them and fills at rate,
// and burst + rate·600 s = capacity: no 600 s hold more. The bucket starts
// empty. What a process can take after a start, the one before it could have
// taken too, so that the bound holds across any number of restarts and
// takeovers, if Restore is called at each of the latter: it empties the bucket.
//
// What was sent counts until 600 s after its answer, so that the bound also
// holds for the moments of arrival at Reddit, however long some were under way.
type limiter struct {
	capacity float64 // requests that any 600 s may hold
	started  time.Time
	met      *metrics

	mu       sync.Mutex // covers the rest
	level    float64    // turns in the bucket
	filled   time.Time  // when level was right
	burst    float64
	rate     float64 // turns a second
	flying   float64 // requests under way
	answers  recent
	quota    quota
	queues   [classes]list.List // of *waiter
	timer    *time.Timer        // wakes whoever waits first; nil until someone has
	closed   bool
	until    time.Time // nothing is sent before
	stopped  time.Time // when until was last moved
	refusals int       // 429 in a row
	// probing lets requests go one by one: since the start, or the last 429, no
	// answer has shown where we stand.
	probing   bool
	untold    int  // good answers since then that did not
	exhausted bool // nothing is left of Reddit's window
}

// waiter is a request that waits for its turn.
type waiter struct {
	class    class
	place    *list.Element
	deadline time.Time     // zero when there is none
	ready    chan struct{} // closed when turn or err is there
	turn     *turn
	err      error
}

func newLimiter(perMinute int, met *metrics) *limiter {
	now := time.Now()
	l := &limiter{
		capacity: float64(perMinute) * window.Minutes(), started: now, filled: now,
		met: met, quota: newQuota(), probing: true,
	}
	l.tune()
	return l
}

// tune sets the pace by our limit and Reddit's.
func (l *limiter) tune() {
	within := l.capacity
	if l.quota.limit > 0 && l.quota.limit < l.capacity {
		within = fullShare * l.quota.limit
	}
	l.burst = min(maxBurst, max(within/10, 1))
	// At least one in a window, so that we hear of it when the limit rises.
	l.rate = max(within-l.burst, within/2, 1) / window.Seconds()
	l.level = min(l.level, l.burst)
}

// allowed is how many requests a second may be sent lastingly.
func (l *limiter) allowed() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rate
}

// sent is how many requests the last 600 s held.
func (l *limiter) sent() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(time.Now())
	return float64(l.answers.total) + l.flying
}

// wait blocks until a request may be sent, or until ctx ends. As things stand,
// ctx may end before: then it returns a *LimitError at once.
func (l *limiter) wait(ctx context.Context, c class) (*turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{class: c, ready: make(chan struct{})}
	w.deadline, _ = ctx.Deadline()
	if err := l.join(w); err != nil {
		return nil, err
	}
	select {
	case <-w.ready:
		return w.turn, w.err
	case <-ctx.Done():
		return nil, l.leave(w, ctx.Err())
	}
}

// within returns a *LimitError if ctx ends before a request of c may be sent.
func (l *limiter) within(ctx context.Context, c class) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	return tooLate(now, deadline, l.delay(now, c, l.ahead(c)))
}

func (l *limiter) join(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	now := time.Now()
	l.advance(now)
	delay := l.delay(now, w.class, l.ahead(w.class))
	if err := tooLate(now, w.deadline, delay); err != nil {
		l.met.turnedAway[w.class].Inc()
		return err
	}
	queue := &l.queues[w.class]
	if queue.Len() >= maxWaiting {
		l.met.turnedAway[w.class].Inc()
		return limitError(delay)
	}
	w.place = queue.PushBack(w)
	l.pump(now)
	return nil
}

// leave takes w out of its queue, or gives back the turn that came too late.
func (l *limiter) leave(w *waiter, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	switch {
	case w.place != nil:
		l.remove(w)
	case w.turn != nil:
		l.unsent()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = limitError(l.delay(now, w.class, l.ahead(w.class)))
	}
	l.pump(now)
	return err
}

// ahead is how many would go before another request of c.
func (l *limiter) ahead(c class) float64 {
	n := 0
	for i := range c + 1 {
		n += l.queues[i].Len()
	}
	return float64(n)
}

func tooLate(now, deadline time.Time, delay time.Duration) error {
	if deadline.IsZero() || deadline.Sub(now) >= delay {
		return nil
	}
	return limitError(delay)
}

func (l *limiter) remove(w *waiter) {
	l.queues[w.class].Remove(w.place)
	w.place = nil
}

// settle ends the waiting of w.
func (l *limiter) settle(w *waiter, t *turn, err error) {
	l.remove(w)
	w.turn, w.err = t, err
	close(w.ready)
}

// advance brings all that time changes to now.
func (l *limiter) advance(now time.Time) {
	l.level = min(l.level+l.rate*now.Sub(l.filled).Seconds(), l.burst)
	l.filled = now
	l.answers.advance(int64(now.Sub(l.started) / time.Second))
	l.quota.roll(now)
}

// pump gives out the turns that may be given now, and sees to it that it runs
// again when the next one may be. The classes go in their order.
func (l *limiter) pump(now time.Time) {
	for c := range classes {
		for l.queues[c].Len() > 0 {
			delay := l.delay(now, c, 0)
			if delay > 0 || l.probing && l.flying > 0 {
				l.rest(delay)
				return
			}
			l.level--
			l.flying++
			w := l.queues[c].Front().Value.(*waiter)
			l.settle(w, &turn{l: l, at: now}, nil)
		}
	}
	l.rest(0)
}

// rest waits for delay before it pumps again; 0 waits for an answer or a
// request.
func (l *limiter) rest(delay time.Duration) {
	for c := range classes {
		l.met.waiting[c].Set(float64(l.queues[c].Len()))
	}
	switch {
	case delay <= 0 && l.timer != nil:
		l.timer.Stop()
	case delay > 0 && l.timer == nil:
		l.timer = time.AfterFunc(delay, l.tick)
	case delay > 0:
		l.timer.Reset(delay)
	}
}

func (l *limiter) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := time.Now()
	l.advance(now)
	l.pump(now)
}

// delay is how long a request of c waits that has as many before it, if nothing
// else happens.
func (l *limiter) delay(now time.Time, c class, ahead float64) time.Duration {
	delay := l.gate(now, c, ahead)
	need := ahead + 1
	switch {
	case c == refresh:
		need += (l.burst - 1) / 2
	case c == discovery && l.burst == maxBurst:
		need += keptUrgent
	}
	if short := need - l.level; short > 0 {
		// A nanosecond more, so that rounding never wakes us too early.
		delay = max(delay, time.Duration(short/l.rate*float64(time.Second))+1)
	}
	if float64(l.answers.total)+l.flying+1 > l.capacity {
		falls := l.started.Add(time.Duration(l.answers.next()) * time.Second)
		delay = max(delay, falls.Sub(now))
	}
	return delay
}

// gate is the part of a delay that Reddit demands.
func (l *limiter) gate(now time.Time, c class, ahead float64) time.Duration {
	need := ahead + 1
	if c == refresh {
		need = ahead + max(1, keptShare*l.quota.limit)
	}
	gate := max(l.until.Sub(now), 0)
	if l.quota.left-l.flying < need {
		gate = max(gate, l.quota.end.Add(slack).Sub(now))
	}
	return gate
}

// turnAway tells those who cannot wait as long as Reddit demands.
func (l *limiter) turnAway(now time.Time) {
	for c := range classes {
		gate := l.gate(now, c, 0)
		if gate <= 0 {
			continue
		}
		for e := l.queues[c].Front(); e != nil; {
			w := e.Value.(*waiter)
			e = e.Next()
			if err := tooLate(now, w.deadline, gate); err != nil {
				l.met.turnedAway[c].Inc()
				l.settle(w, nil, err)
			}
		}
	}
}

// restore begins as if no turn had been taken yet, where another life of the
// process, or another process, left off.
func (l *limiter) restore(w pulse.Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	l.level = 0
	l.probe()
	l.quota.resume(w, now)
	l.tune()
	if !w.StoppedUntil.IsZero() {
		l.hold(now, min(w.StoppedUntil.Sub(now), window))
	}
	l.turnAway(now)
	l.pump(now)
}

// window is what restore needs. Requests under way are taken as used.
func (l *limiter) window() pulse.Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.advance(now)
	w := pulse.Window{Limit: l.quota.limit, Used: l.quota.used + l.flying}
	if l.quota.limit > 0 {
		w.Used = max(w.Used, l.quota.limit-l.quota.left+l.flying)
	}
	if !l.quota.end.IsZero() {
		w.ResetAt = wall(now, l.quota.end)
	}
	if l.until.After(now) {
		w.StoppedUntil = wall(now, l.until)
	}
	return w
}

// wall is t by the wall clock as it goes now.
func wall(now, t time.Time) time.Time { return now.Add(t.Sub(now)).Round(0).UTC() }

// close sends all away who wait, and lets nobody in any more.
func (l *limiter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	for c := range classes {
		for e := l.queues[c].Front(); e != nil; e = l.queues[c].Front() {
			l.settle(e.Value.(*waiter), nil, errClosed)
		}
	}
}
