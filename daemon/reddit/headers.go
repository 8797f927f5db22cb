package reddit

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// window is the length of Reddit's rate limit windows. They are aligned to
// Unix time.
const window = 600 * time.Second

// Bounds of a wait that an answer may ask for. Asked again within the same
// second, Reddit answers 429 even when it has just said that the wait is 0.
const (
	minWait = time.Second
	maxWait = time.Hour
)

// budget is what Reddit says of the current window.
type budget struct {
	used      float64 // negative when it was not said
	remaining float64
	reset     time.Duration // to the window's end; negative when it was not said
}

// readBudget reads the x-ratelimit headers; not every answer has them.
func readBudget(h http.Header) (budget, bool) {
	remaining, ok := amount(h.Get("X-Ratelimit-Remaining"))
	if !ok {
		return budget{}, false
	}
	b := budget{used: -1, remaining: remaining, reset: -1}
	if used, ok := amount(h.Get("X-Ratelimit-Used")); ok {
		b.used = used
	}
	if reset, ok := seconds(h.Get("X-Ratelimit-Reset")); ok {
		b.reset = reset
	}
	return b, true
}

// retryAfter is how long a 429 wants us to wait: as it says, else to the end of
// the window as it says. It may say neither.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	wait, ok := seconds(h.Get("Retry-After"))
	if !ok {
		wait, ok = untilDate(h, now)
	}
	if !ok {
		wait, ok = seconds(h.Get("X-Ratelimit-Reset"))
	}
	if !ok {
		return 0, false
	}
	return min(max(wait, minWait), maxWait), true
}

// untilDate reads a Retry-After that is a date, by the clock that wrote it.
func untilDate(h http.Header, now time.Time) (time.Duration, bool) {
	date, err := http.ParseTime(h.Get("Retry-After"))
	if err != nil {
		return 0, false
	}
	if said, err := http.ParseTime(h.Get("Date")); err == nil {
		now = said
	}
	return date.Sub(now), true
}

func untilWindowEnd(now time.Time) time.Duration {
	return min(window-time.Duration(now.UnixNano())%window, window)
}

// seconds reads a number of seconds, whole or not, of at most maxWait.
func seconds(s string) (time.Duration, bool) {
	n, ok := amount(s)
	if !ok {
		return 0, false
	}
	return time.Duration(min(n, maxWait.Seconds()) * float64(time.Second)), true
}

// amount reads a finite number that is not negative.
func amount(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
		return 0, false
	}
	return n, true
}
