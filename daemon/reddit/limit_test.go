package reddit

import (
	"context"
	"errors"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequestsKeepThePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(60)
		start := time.Now()
		for range 80 {
			if err := l.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("80 requests at 60 a minute took %s, want 20s: a minute's worth at once, then one a second", took)
		}
	})
}

func TestNoWindowOfTheDefaultPaceHoldsMoreThanRedditAllows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(90)
		sent := 0
		for start := time.Now(); time.Since(start) < window; sent++ {
			if err := l.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if sent < 900 || sent > 1000 {
			t.Errorf("%d requests in a window, want 900 to 1000", sent)
		}
	})
}

func TestUsedUpBudgetStopsUntilTheReset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		b    budget
		want time.Duration
	}{
		{"left", budget{remaining: 1, reset: 300 * time.Second}, 0},
		{"used up", budget{remaining: 0, reset: 300 * time.Second}, 300 * time.Second},
		{"less than one", budget{remaining: 0.5, reset: 10 * time.Second}, 10 * time.Second},
		{"reset at once", budget{remaining: 0, reset: 0}, time.Second},
		{"reset unknown", budget{remaining: 0, reset: -1}, window},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(60)
			start := time.Now() // midnight of 2000-01-01: a window begins
			l.observe(c.b, start)
			l.observe(budget{remaining: 0, reset: 0}, start.Add(-time.Minute)) // late news change nothing
			if err := l.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != c.want {
				t.Errorf("%s: waited %s, want %s", c.name, took, c.want)
			}
		})
	}
}

func TestStopDuringAWaitCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		start := time.Now()
		if err := l.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- l.wait(t.Context()) }() // its turn is in a minute
		synctest.Wait()
		l.stop(start.Add(5 * time.Minute))
		if err := <-done; err != nil || time.Since(start) != 5*time.Minute {
			t.Errorf("sent after %s, %v; want 5m", time.Since(start), err)
		}
	})
}

func TestWaitingEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(60)
		l.stop(time.Now().Add(time.Minute))
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var limited *LimitError
		if err := l.wait(short); !errors.As(err, &limited) || limited.Wait != time.Minute || time.Since(start) != 0 {
			t.Errorf("too short a deadline: %v after %s, want a limit error at once", err, time.Since(start))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, stop)
		if err := l.wait(ctx); !errors.Is(err, context.Canceled) || time.Since(start) != 2*time.Second {
			t.Errorf("cancelled: %v after %s", err, time.Since(start))
		}
	})
}

func TestBudgetHeadersAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remaining, reset string
		want             budget
		ok               bool
	}{
		{"997.0", "600", budget{997, 600 * time.Second}, true},
		{"299", "17", budget{299, 17 * time.Second}, true},
		{" 0.5 ", "", budget{0.5, -1}, true},
		{"3", "never", budget{3, -1}, true},
		{"3", "1e18", budget{3, time.Hour}, true},
		{"", "600", budget{}, false},
		{"-1", "600", budget{}, false},
		{"NaN", "600", budget{}, false},
		{"Inf", "600", budget{}, false},
	} {
		h := http.Header{}
		h.Set("x-ratelimit-remaining", c.remaining)
		h.Set("x-ratelimit-reset", c.reset)
		if got, ok := readBudget(h); got != c.want || ok != c.ok {
			t.Errorf("%q %q: got %v %v, want %v %v", c.remaining, c.reset, got, ok, c.want, c.ok)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("997.0", "600", "4", int64(1_777_888_000))
	f.Add("0", "", "", int64(0))
	f.Add("0x1p-2", "-5", "Mon, 04 May 2026 12:00:00 GMT", int64(1_777_888_000))
	f.Add("1e308", "NaN", "1e308", int64(-1))
	f.Fuzz(func(t *testing.T, remaining, reset, after string, unix int64) {
		h := http.Header{"X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}, "Retry-After": {after}}
		at := time.Unix(unix%(1<<33), 0)
		if b, ok := readBudget(h); ok &&
			(math.IsNaN(b.remaining) || math.IsInf(b.remaining, 0) || b.remaining < 0 || b.reset < -1 || b.reset > maxWait) {
			t.Errorf("%q %q: %v", remaining, reset, b)
		}
		if wait := retryAfter(h, at); wait < minWait || wait > maxWait {
			t.Errorf("%q %q: wait %s", after, reset, wait)
		}
	})
}
