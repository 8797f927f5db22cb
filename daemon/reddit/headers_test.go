package reddit

import (
	"math"
	"net/http"
	"testing"
	"time"
)

var inf, nan = math.Inf(1), math.NaN()

func TestBudgetHeadersAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		used, remaining, reset string
		want                   budget
		ok                     bool
	}{
		{"3", "997.0", "600", budget{3, 997, 600 * time.Second}, true},
		{"1", "299", "17", budget{1, 299, 17 * time.Second}, true},
		{"1.0", " 0.5 ", "", budget{1, 0.5, -1}, true},
		{"", "3", "never", budget{-1, 3, -1}, true},
		{"-2", "3", "1e18", budget{-1, 3, time.Hour}, true},
		{"4", "", "600", budget{}, false},
		{"4", "-1", "600", budget{}, false},
		{"4", "NaN", "600", budget{}, false},
		{"4", "Inf", "600", budget{}, false},
	} {
		h := http.Header{}
		h.Set("x-ratelimit-used", c.used)
		h.Set("x-ratelimit-remaining", c.remaining)
		h.Set("x-ratelimit-reset", c.reset)
		if got, ok := readBudget(h); got != c.want || ok != c.ok {
			t.Errorf("%q %q %q: got %v %v, want %v %v", c.used, c.remaining, c.reset, got, ok, c.want, c.ok)
		}
	}
}

func TestRetryAfterIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after, date, reset string
		want               time.Duration
		ok                 bool
	}{
		{"4", "", "77", 4 * time.Second, true},
		{"2.5", "", "", 2500 * time.Millisecond, true},
		{"0", "", "77", time.Second, true},
		{"", "", "77", 77 * time.Second, true},
		{"", "", "0", time.Second, true},
		{"soon", "", "", 0, false},
		{"-4", "", "", 0, false},
		{"", "", "", 0, false},
		{"1e300", "", "", time.Hour, true},
		{"Mon, 04 May 2026 12:00:30 GMT", "", "", 30 * time.Second, true},
		{"Mon, 04 May 2026 11:00:00 GMT", "", "", time.Second, true},
		{"Mon, 04 May 2026 15:00:30 GMT", "Mon, 04 May 2026 15:00:00 GMT", "", 30 * time.Second, true}, // Reddit's clock is another
		{"Mon, 04 May 2099 12:00:30 GMT", "", "", time.Hour, true},
	} {
		h := http.Header{"Retry-After": {c.after}, "Date": {c.date}, "X-Ratelimit-Reset": {c.reset}}
		if got, ok := retryAfter(h, now); got != c.want || ok != c.ok {
			t.Errorf("%+v: got %s %v", c, got, ok)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("3", "997.0", "600", "4", "", int64(1_777_888_000))
	f.Add("", "0", "", "", "", int64(0))
	f.Add("1e9", "0x1p-2", "-5", "Mon, 04 May 2026 12:00:00 GMT", "Mon, 04 May 2026 11:00:00 GMT", int64(1_777_888_000))
	f.Add("NaN", "1e308", "NaN", "1e308", "Mon", int64(-1))
	f.Fuzz(func(t *testing.T, used, remaining, reset, after, date string, unix int64) {
		h := http.Header{
			"X-Ratelimit-Used": {used}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset},
			"Retry-After": {after}, "Date": {date},
		}
		at := time.Unix(unix%(1<<33), 0)
		b, ok := readBudget(h)
		if ok && (!finite(b.remaining) || !finite(b.used) || b.remaining < 0 || b.used < -1 || b.reset < -1 || b.reset > maxWait) {
			t.Errorf("%q %q %q: %v", used, remaining, reset, b)
		}
		if wait, ok := retryAfter(h, at); ok && (wait < minWait || wait > maxWait) {
			t.Errorf("%q %q: wait %s", after, reset, wait)
		}
		q := newQuota()
		q.count(at)
		if ok && q.said(b, at) {
			last := q.end.Sub(at)
			if q.left < 0 || q.left > maxQuota || q.limit < 0 || q.limit > 2*maxQuota || q.used < 0 || last < 0 || last > window {
				t.Errorf("%q %q %q: %+v", used, remaining, reset, q)
			}
		}
	})
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
