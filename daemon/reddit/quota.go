package reddit

import (
	"math"
	"time"

	"dev.redditpulse/shared/pulse"
)

const (
	// slack is how long after its end a window is held to last: Reddit speaks in
	// whole seconds, and refuses whoever comes within the last one.
	slack = time.Second
	// sameWindow is how far apart the ends of one window may be told.
	sameWindow = window / 2
	// Figures above are not believed.
	maxQuota = 1_000_000
)

// quota is Reddit's window: fixed, and aligned to Reddit's clock. Its times
// carry the monotonic clock, so that it lasts as long as it does, however the
// wall clock is set meanwhile. Where that one stands still, as on a machine that
// sleeps, a window is held to last too long: never by more than its length.
type quota struct {
	limit float64   // requests in a window; 0 while Reddit has not said
	used  float64   // as Reddit said or as counted, the higher
	left  float64   // as Reddit said or as counted, the lower; infinite while unknown
	end   time.Time // zero while nothing was sent
	told  bool      // end is as Reddit said, else by our own clock
}

func newQuota() quota { return quota{left: math.Inf(1)} }

// roll begins a new window if the last one is over.
func (q *quota) roll(now time.Time) {
	if !q.end.IsZero() && !now.Before(q.end.Add(slack)) {
		q.begin(q.end.Add((now.Sub(q.end)/window+1)*window), 0)
	}
}

func (q *quota) begin(end time.Time, used float64) {
	q.end, q.used, q.left = end, used, math.Inf(1)
	if q.limit > 0 {
		q.left = q.limit - used
	}
}

// count notes a request of which Reddit did not say where it stands.
func (q *quota) count(now time.Time) {
	if q.end.IsZero() {
		q.begin(now.Add(untilWindowEnd(now)), 0)
	}
	q.used++
	q.left--
}

// said notes what the headers of an answer say, and tells whether they could be
// believed. Answers come in any order: of those of one window, the one that
// leaves least is right.
func (q *quota) said(b budget, now time.Time) bool {
	if b.remaining > maxQuota || b.used > maxQuota {
		return false
	}
	end := q.end
	if b.reset >= 0 {
		end = now.Add(min(b.reset, window))
	} else if end.IsZero() {
		end = now.Add(untilWindowEnd(now))
	}
	first := b.reset >= 0 && !q.told
	q.told = q.told || first
	switch off := end.Sub(q.end); {
	case first || off >= sameWindow:
		q.begin(end, 0)
		q.left = math.Inf(1)
	case off <= -sameWindow:
		return true // of the window before
	case off < 0:
		q.end = end // told with less delay
	}
	q.left = min(q.left, b.remaining)
	if b.used < 0 {
		q.used++
		return true
	}
	q.used = max(q.used, b.used)
	if limit := b.used + b.remaining; limit >= 1 {
		q.limit = limit
	}
	return true
}

// resume takes over what another life of the process knew, or another process.
func (q *quota) resume(w pulse.Window, now time.Time) {
	if w.Limit >= 1 && w.Limit <= maxQuota {
		q.limit = w.Limit
	}
	// Where one of both clocks was set, a window still has only its length.
	last := min(w.ResetAt.Sub(now), window)
	if w.ResetAt.IsZero() || last <= 0 || !(w.Used >= 0) {
		return
	}
	q.told = false
	end := now.Add(last)
	switch off := end.Sub(q.end); {
	case off >= sameWindow:
		q.begin(end, w.Used)
	case off > -sameWindow && w.Used > q.used:
		q.begin(q.end, w.Used)
	}
}
