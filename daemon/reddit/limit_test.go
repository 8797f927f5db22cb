package reddit

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"dev.redditpulse/shared/pulse"
)

func testLimiter(perMinute int) *limiter {
	return newLimiter(perMinute, newMetrics(prometheus.NewRegistry(), perMinute))
}

// take sends a request of no duration, and returns how long it waited.
func take(t *testing.T, l *limiter, c class, a func() *answer) time.Duration {
	t.Helper()
	start := time.Now()
	turn, err := l.wait(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	waited := time.Since(start)
	turn.answered(kindNew, a())
	return waited
}

func plain() *answer { return reply(200) }

// mostIn is the highest number of moments that any 600 s hold.
func mostIn(moments []time.Time) int {
	slices.SortFunc(moments, time.Time.Compare)
	most, from := 0, 0
	for i, m := range moments {
		for m.Sub(moments[from]) > window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func TestAnyTenMinutesHoldTheConfiguredRequests(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{1, 2, 7, 90, 100, 600} {
		synctest.Test(t, func(t *testing.T) {
			l := testLimiter(perMinute)
			var sent []time.Time
			for start := time.Now(); time.Since(start) < 2*time.Hour; {
				take(t, l, discovery, plain)
				sent = append(sent, time.Now())
				if len(sent)%(40*perMinute) == 0 {
					time.Sleep(20 * time.Minute) // the bucket fills
				}
			}
			most := mostIn(sent)
			if limit := 10 * perMinute; most > limit || most < limit*9/10-1 {
				t.Errorf("%d a minute: 600 s hold %d, want nearly %d", perMinute, most, limit)
			}
		})
	}
}

// load asks for turns from many sides, and keeps what came of it.
type load struct {
	l      *limiter
	mu     sync.Mutex
	asked  [classes][]asking
	landed []time.Time // when each request arrived at Reddit
}

type asking struct{ asked, given time.Time }

func (d *load) ask(ctx context.Context, t *testing.T, c class, random *rand.Rand) {
	asked := time.Now()
	turn, err := d.l.wait(ctx, c)
	if err != nil {
		var limited *LimitError
		if !errors.As(err, &limited) && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return
	}
	d.mu.Lock()
	d.asked[c] = append(d.asked[c], asking{asked, time.Now()})
	d.mu.Unlock()
	if random.IntN(20) == 0 {
		turn.back()
		return
	}
	time.Sleep(time.Duration(random.IntN(8000)) * time.Millisecond)
	d.mu.Lock()
	d.landed = append(d.landed, time.Now())
	d.mu.Unlock()
	time.Sleep(time.Duration(random.IntN(8000)) * time.Millisecond)
	switch random.IntN(10) {
	case 0:
		turn.lost()
	case 1:
		turn.answered(kindNew, reply(503))
	default:
		turn.answered(kindNew, plain())
	}
}

func TestTheBudgetHoldsUnderAnyDemand(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			const perMinute = 30
			random := rand.New(rand.NewPCG(seed, 1))
			d := &load{l: testLimiter(perMinute)}
			var all sync.WaitGroup
			for start := time.Now(); time.Since(start) < 3*time.Hour; {
				// Eight times what is allowed, in bouts, with pauses of up to a quarter of an hour.
				if random.IntN(500) == 0 {
					time.Sleep(time.Duration(random.IntN(900)) * time.Second)
				}
				time.Sleep(time.Duration(1 + random.IntN(int(time.Minute/perMinute/4))))
				c := class(random.IntN(int(classes)))
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if random.IntN(10) > 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(1+random.IntN(300_000))*time.Millisecond)
				}
				own := rand.New(rand.NewPCG(random.Uint64(), 2))
				all.Go(func() {
					defer cancel()
					if own.IntN(10) == 0 {
						stop := context.AfterFunc(ctx, func() {})
						defer stop()
						time.AfterFunc(time.Duration(own.IntN(60))*time.Second, cancel)
					}
					d.ask(ctx, t, c, own)
				})
			}
			all.Wait()
			d.check(t, 10*perMinute)
		})
	}
}

func (d *load) check(t *testing.T, limit int) {
	t.Helper()
	if most := mostIn(d.landed); most > limit || most < limit*8/10 {
		t.Errorf("600 s hold %d requests, want nearly %d", most, limit)
	}
	var waiting []asking // discovery, by when it asked
	for c := range classes {
		slices.SortStableFunc(d.asked[c], func(a, b asking) int { return a.asked.Compare(b.asked) })
		for i, a := range d.asked[c][1:] {
			if before := d.asked[c][i]; a.given.Before(before.given) {
				t.Fatalf("%s asked at %s went before %s", c, a.asked, before.asked)
			}
		}
	}
	waiting = d.asked[discovery]
	for _, r := range d.asked[refresh] {
		for len(waiting) > 0 && !waiting[0].given.After(r.given) {
			waiting = waiting[1:]
		}
		if len(waiting) > 0 && waiting[0].asked.Before(r.given) {
			t.Fatalf("a refresh went at %s before a discovery of %s", r.given, waiting[0].asked)
		}
	}
	if len(d.asked[discovery]) < 500 || len(d.asked[refresh]) < 50 {
		t.Errorf("only %d and %d requests went", len(d.asked[discovery]), len(d.asked[refresh]))
	}
	if d.l.flying != 0 || d.l.queues[discovery].Len() != 0 || d.l.queues[refresh].Len() != 0 {
		t.Errorf("%v requests are still under way, or wait", d.l.flying)
	}
}

func TestRestartsGiveNoFurtherBurst(t *testing.T) {
	t.Parallel()
	const lives = 400
	for _, c := range []struct {
		name string
		next func(old, idle *limiter) *limiter
	}{
		{"crash loop that remembers nothing", func(_, _ *limiter) *limiter { return testLimiter(60) }},
		{"takeover by one that was idle", func(_, idle *limiter) *limiter {
			idle.restore(pulse.Window{})
			return idle
		}},
		{"what was known some seconds ago", func(old, _ *limiter) *limiter {
			w := old.window()
			time.Sleep(5 * time.Second)
			l := testLimiter(60)
			l.restore(w)
			return l
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			idle := make([]*limiter, lives)
			for i := range idle {
				idle[i] = testLimiter(60)
			}
			time.Sleep(time.Hour)
			l := testLimiter(60)
			var sent []time.Time
			for i := range lives {
				for range random.IntN(30) {
					take(t, l, discovery, plain)
					sent = append(sent, time.Now())
				}
				l = c.next(l, idle[i])
			}
			if most := mostIn(sent); most > 600 {
				t.Errorf("%s: 600 s hold %d requests, want at most 600", c.name, most)
			}
		})
	}
}

func TestWaitingEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(60)
		l.restore(pulse.Window{StoppedUntil: time.Now().Add(time.Minute)})
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var limited *LimitError
		if _, err := l.wait(short, discovery); !errors.As(err, &limited) || limited.Wait != time.Minute || time.Since(start) != 0 {
			t.Errorf("too short a deadline: %v after %s, want a limit error at once", err, time.Since(start))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, stop)
		if _, err := l.wait(ctx, discovery); !errors.Is(err, context.Canceled) || time.Since(start) != 2*time.Second {
			t.Errorf("cancelled: %v after %s", err, time.Since(start))
		}
		if _, err := l.wait(ctx, discovery); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
		time.Sleep(time.Minute)
		l.advance(time.Now())
		full := l.level
		turn, err := l.wait(t.Context(), discovery)
		if err != nil {
			t.Fatal(err)
		}
		if turn.back(); l.level != full || l.flying != 0 {
			t.Errorf("%v turns, %v under way after one was given back; want %v", l.level, l.flying, full)
		}
	})
}

func TestARefreshThatIsStarvedSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(60)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		go func() {
			for range 2000 {
				time.Sleep(900 * time.Millisecond)
				go func() {
					if turn, err := l.wait(ctx, discovery); err == nil {
						turn.answered(kindNew, plain())
					}
				}()
			}
		}()
		short, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var limited *LimitError
		if _, err := l.wait(short, refresh); !errors.As(err, &limited) {
			t.Errorf("got %v, want a limit error", err)
		}
		time.Sleep(time.Hour)
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(60)
		l.restore(pulse.Window{StoppedUntil: time.Now().Add(time.Minute)})
		var all sync.WaitGroup
		for range maxWaiting {
			all.Go(func() {
				if _, err := l.wait(t.Context(), refresh); !errors.Is(err, errClosed) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		var limited *LimitError
		if _, err := l.wait(t.Context(), refresh); !errors.As(err, &limited) {
			t.Errorf("got %v, want a limit error", err)
		}
		if waiting, away := testutil.ToFloat64(l.met.waiting[refresh]), testutil.ToFloat64(l.met.turnedAway[refresh]); waiting != maxWaiting || away != 1 {
			t.Errorf("%v waiting, %v turned away", waiting, away)
		}
		l.close()
		all.Wait()
		if _, err := l.wait(t.Context(), discovery); !errors.Is(err, errClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestWhatSomebodyWaitsForGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(90)
		take(t, l, discovery, plain) // shows where we stand
		var busy sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 50 {
			busy.Go(func() {
				for ctx.Err() == nil {
					if turn, err := l.wait(ctx, discovery); err == nil {
						turn.answered(kindNew, plain())
					}
				}
			})
		}
		<-time.After(10 * time.Minute)
		for range 20 {
			if waited := take(t, l, urgent, plain); waited > time.Second {
				t.Errorf("it waited %s while others took all there is", waited)
			}
			<-time.After(10 * time.Second)
		}
		cancel()
		busy.Wait()
	})
}
