package reddit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBurst is how many requests may go at once after a pause: with a minute's
// worth, a window of ten minutes still holds less than Reddit allows.
const maxBurst = 90

// limiter spaces the requests of the process and stops them while Reddit's
// window is used up.
type limiter struct {
	pace *rate.Limiter

	mu    sync.Mutex // covers until
	until time.Time  // nothing is sent before
}

func newLimiter(perMinute int) *limiter {
	every := time.Minute / time.Duration(perMinute)
	return &limiter{pace: rate.NewLimiter(rate.Every(every), min(maxBurst, perMinute))}
}

// wait blocks until a request may be sent, or until ctx ends. When ctx would
// end first, it returns a *LimitError at once.
func (l *limiter) wait(ctx context.Context) error {
	turn := l.pace.Reserve()
	for delay := turn.Delay(); ; {
		// The stop may have been set, or moved, while we slept.
		delay = max(delay, l.stopped(time.Now()))
		if delay <= 0 {
			return nil
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < delay {
			turn.Cancel()
			return &LimitError{Wait: delay}
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			turn.Cancel()
			return ctx.Err()
		case <-timer.C:
			delay = 0
		}
	}
}

// observe takes note of what Reddit says is left.
func (l *limiter) observe(b budget, now time.Time) {
	if b.remaining >= 1 {
		return
	}
	reset := b.reset
	if reset < 0 {
		reset = untilWindowEnd(now)
	}
	l.stop(now.Add(max(reset, minWait)))
}

// stop sends nothing before t; an earlier t than before changes nothing.
func (l *limiter) stop(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.After(l.until) {
		l.until = t
	}
}

// stopped is how long the stop still lasts, 0 or less when there is none.
func (l *limiter) stopped(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until.Sub(now)
}
