package reddit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"dev.redditpulse/shared/pulse"
)

// fakeWindow is Reddit's side: it counts in windows of its own clock.
type fakeWindow struct {
	limit  int
	number int64
	used   int
	over   int // requests that came when nothing was left
	most   int
}

func (f *fakeWindow) answer() *answer {
	unix := time.Now().Unix()
	if n := unix / 600; n != f.number {
		f.number, f.used = n, 0
	}
	reset := strconv.FormatInt(600-unix%600, 10)
	if f.used >= f.limit {
		f.over++
		return reply(429, strconv.Itoa(f.used), "0.0", reset, reset)
	}
	f.used++
	f.most = max(f.most, f.used)
	return reply(200, strconv.Itoa(f.used), strconv.Itoa(f.limit-f.used)+".0", reset)
}

func TestRestartsNeverOvertakeRedditsWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(2, 1))
		f := &fakeWindow{limit: 300}
		l := testLimiter(60)
		for start := time.Now(); time.Since(start) < 6*time.Hour; {
			for range random.IntN(100) {
				take(t, l, discovery, f.answer)
			}
			old := l.window() // as of now; the rest of this life is never told of
			for range random.IntN(10) {
				take(t, l, discovery, f.answer)
			}
			l = testLimiter(60)
			l.restore(old)
		}
		if f.over != 0 || f.most < 200 {
			t.Errorf("%d requests were too many, a window held up to %d", f.over, f.most)
		}
	})
}

func TestTheRateFollowsRedditsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(90)
		for _, c := range []struct {
			used, remaining string
			limit, allowed  float64
		}{
			{"", "", 0, 89},
			{"1", "999.0", 1000, 89},
			{"2", "298", 300, 26},
			{"0", "0", 300, 26},       // not a limit
			{"1e7", "5", 300, 26},     // absurd
			{"7", "1e7", 300, 26},     // absurd
			{"", "7", 300, 26},        // nothing of the limit
			{"3", "993.0", 996, 89},   // of the next window
			{"1", "9999", 10000, 89},  // the configured rate stays
			{"1", "1", 2, 0.1},        // one in a window, at least
			{"500", "300", 800, 71.0}, // another program uses it too
		} {
			turn, err := l.wait(t.Context(), discovery)
			if err != nil {
				t.Fatal(err)
			}
			turn.answered(kindNew, reply(200, c.used, c.remaining, "300"))
			if got := l.allowed() * 60; l.quota.limit != c.limit || got < c.allowed-1e-9 || got > c.allowed+1e-9 {
				t.Errorf("%s used, %s remaining: limit %v, %v a minute, want %v and %v",
					c.used, c.remaining, l.quota.limit, got, c.limit, c.allowed)
			}
			l.level = l.burst
			l.quota.left = 1000
		}
	})
}

func TestWindowIsReckonedFromWhatIsKnown(t *testing.T) {
	t.Parallel()
	type step struct {
		after      time.Duration
		header     []string // nil: an answer without
		used       float64
		left       float64
		untilEnd   time.Duration
		unbelieved bool
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"counted between answers that tell", []step{
			{0, []string{"10", "90.0", "500"}, 10, 90, 500 * time.Second, false},
			{0, nil, 11, 89, 500 * time.Second, false},
			{time.Second, nil, 12, 88, 499 * time.Second, false},
			{0, []string{"12", "88.0", "499"}, 12, 88, 499 * time.Second, false},
		}},
		{"another program with the same id", []step{
			{0, []string{"10", "90.0", "500"}, 10, 90, 500 * time.Second, false},
			{0, []string{"60", "40.0", "500"}, 60, 40, 500 * time.Second, false},
		}},
		{"answers out of order", []step{
			{0, []string{"12", "88", "500"}, 12, 88, 500 * time.Second, false},
			{0, []string{"11", "89", "501"}, 12, 88, 500 * time.Second, false},
		}},
		{"an answer of the window before", []step{
			{0, []string{"99", "1", "2"}, 99, 1, 2 * time.Second, false},
			{4 * time.Second, []string{"1", "99", "598"}, 1, 99, 598 * time.Second, false},
			{0, []string{"100", "0", "0"}, 1, 99, 598 * time.Second, false},
		}},
		{"a window ends by itself", []step{
			{0, []string{"99", "1", "2"}, 99, 1, 2 * time.Second, false},
			{4 * time.Second, nil, 1, 99, 598 * time.Second, false},
			{3600 * time.Second, nil, 1, 99, 598 * time.Second, false},
		}},
		{"no header ever: counted by the clock", []step{
			{100 * time.Second, nil, 1, inf, 500 * time.Second, false},
			{0, nil, 2, inf, 500 * time.Second, false},
			{501 * time.Second, nil, 1, inf, 599 * time.Second, false},
		}},
		{"no reset", []step{
			{100 * time.Second, []string{"5", "95"}, 5, 95, 500 * time.Second, false},
			{0, []string{"", "94.5"}, 6, 94.5, 500 * time.Second, false},
		}},
		{"a clock that is not Reddit's", []step{
			{37 * time.Second, []string{"5", "95", "600"}, 5, 95, 600 * time.Second, false},
			{599 * time.Second, []string{"99", "1", "1"}, 99, 1, time.Second, false},
			{time.Second, []string{"1", "99", "600"}, 1, 99, 600 * time.Second, false},
		}},
		{"two limits in one window", []step{
			{0, []string{"500", "500", "300"}, 500, 500, 300 * time.Second, false},
			{0, []string{"3", "297", "300"}, 500, 297, 300 * time.Second, false},
			{0, []string{"501", "499", "300"}, 501, 297, 300 * time.Second, false},
		}},
		{"absurd", []step{
			{0, []string{"1", "99", "1e9"}, 1, 99, 600 * time.Second, false},
			{0, []string{"1", "1e12", "600"}, 2, 98, 600 * time.Second, true},
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuota()
			for i, s := range c.steps {
				time.Sleep(s.after)
				now := time.Now()
				q.roll(now)
				b, ok := readBudget(reply(200, s.header...).header)
				if ok {
					ok = q.said(b, now)
				}
				if !ok {
					q.count(now)
				}
				if q.used != s.used || q.left != s.left || q.end.Sub(now) != s.untilEnd || ok && s.unbelieved {
					t.Errorf("%s, step %d: used %v, left %v, end in %s; want %+v", c.name, i, q.used, q.left, q.end.Sub(now), s)
				}
			}
		})
	}
}

func TestUsedUpWindowStopsUntilItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		last *answer
		want time.Duration
	}{
		{"one is left", reply(200, "999", "1", "300"), 0},
		{"used up", reply(200, "1000", "0", "300"), 301 * time.Second},
		{"less than one", reply(200, "999", "0.5", "10"), 11 * time.Second},
		{"at its very end", reply(200, "1000", "0", "0"), time.Second},
		{"end unknown", reply(200, "1000", "0", ""), 481 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := testLimiter(600)
			time.Sleep(2 * time.Minute) // into a window; 2000-01-01 begins with one
			take(t, l, discovery, func() *answer {
				c.last.received = time.Now()
				return c.last
			})
			if got := testutil.ToFloat64(l.met.stops.WithLabelValues(stopUsedUp)); (got == 1) != (c.want > 0) {
				t.Errorf("%s: %v stops", c.name, got)
			}
			if got := take(t, l, discovery, plain); got != c.want {
				t.Errorf("%s: waited %s, want %s", c.name, got, c.want)
			}
		})
	}
}

func TestAWindowOfFiftyNeverSeesMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Another program has used most of a large window.
		f := &fakeWindow{limit: 100_000}
		f.answer()
		f.used = f.limit - 50
		l := testLimiter(10_000)
		var all sync.WaitGroup
		var mu sync.Mutex
		for i := range 64 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
				defer cancel()
				for {
					turn, err := l.wait(ctx, class(i%2))
					if err != nil {
						return
					}
					time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
					mu.Lock()
					a := f.answer()
					mu.Unlock()
					time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
					switch random.IntN(4) {
					case 0:
						turn.lost()
					case 1:
						turn.answered(kindNew, reply(a.status))
					default:
						turn.answered(kindNew, a)
					}
				}
			})
		}
		all.Wait()
		if f.used < f.limit-10 || f.over != 0 {
			t.Errorf("%d of 50 left, %d requests too many", f.limit-f.used, f.over)
		}
	})
}

func TestWhatIsKnownSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(100 * time.Second)
		old := testLimiter(90)
		if w := old.window(); w != (pulse.Window{}) {
			t.Errorf("nothing sent: %+v", w)
		}
		take(t, old, discovery, func() *answer { return reply(200, "300", "0", "500", "") })
		start := time.Now()
		want := pulse.Window{Limit: 300, Used: 300, ResetAt: start.Add(500 * time.Second).Round(0).UTC()}
		if w := old.window(); w != want {
			t.Errorf("got %+v, want %+v", w, want)
		}
		for _, c := range []struct {
			name string
			w    pulse.Window
			want time.Duration
		}{
			{"used up", want, 501 * time.Second},
			{"one left", pulse.Window{Limit: 300, Used: 299, ResetAt: want.ResetAt}, 0},
			{"of a window that has ended", pulse.Window{Limit: 300, Used: 300, ResetAt: start.Add(-time.Second)}, 0},
			{"of a clock far ahead", pulse.Window{Limit: 300, Used: 300, ResetAt: start.Add(48 * time.Hour)}, 601 * time.Second},
			{"stopped", pulse.Window{StoppedUntil: start.Add(time.Minute)}, time.Minute},
			{"stopped by a clock far ahead", pulse.Window{StoppedUntil: start.Add(48 * time.Hour)}, 10 * time.Minute},
			{"nonsense", pulse.Window{Limit: -1, Used: -1, ResetAt: want.ResetAt, StoppedUntil: start.Add(-time.Hour)}, 0},
			{"not a number", pulse.Window{Limit: nan, Used: nan, ResetAt: want.ResetAt}, 0},
		} {
			l := testLimiter(90)
			l.restore(c.w)
			first := time.Duration(float64(time.Second)/l.rate) + 1
			if got := l.delay(time.Now(), urgent, 0); got != max(c.want, first) {
				t.Errorf("%s: the first request in %s, want %s", c.name, got, max(c.want, first))
			}
		}
		turn, err := testLimiter(90).wait(t.Context(), discovery)
		if err != nil {
			t.Fatal(err)
		}
		if w := turn.l.window(); w.Used != 1 {
			t.Errorf("%+v, want the request under way in it", w)
		}
	})
}

func TestRecentNeverCountsTooLittle(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	var r recent
	var all []time.Duration
	for at := time.Duration(0); at < 3*time.Hour; at += time.Duration(random.Int64N(int64(20 * time.Second))) {
		if random.IntN(300) == 0 {
			at += 30 * time.Minute
		}
		r.advance(int64(at / time.Second))
		most, least := 0, 0
		for _, a := range all {
			if at-a <= window+time.Second {
				most++
			}
			if at-a <= window {
				least++
			}
		}
		if r.total < least || r.total > most {
			t.Fatalf("%s: counts %d, want %d to %d", at, r.total, least, most)
		}
		if next := time.Duration(r.next()) * time.Second; next <= at || next > at+window+time.Second {
			t.Fatalf("%s: next falls at %s", at, next)
		}
		r.add()
		all = append(all, at)
	}
}

func TestSentIsToldAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(60)
		c := &Client{limit: l}
		for range 50 {
			take(t, l, discovery, plain)
		}
		if got := c.Sent(); got != 5 {
			t.Errorf("sent %v a minute, want 5", got)
		}
		time.Sleep(11 * time.Minute)
		if got := c.Sent(); got != 0 {
			t.Errorf("sent %v a minute, want none", got)
		}
		if got := fmt.Sprintf("%.6g", c.Allowed()); got != "59" {
			t.Errorf("allowed %s a minute, want 59", got)
		}
	})
}
