package reddit

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"dev.redditpulse/shared/pulse"
)

// reply is an answer of now with these headers: used, remaining, reset, retry-after.
func reply(status int, headers ...string) *answer {
	a := &answer{status: status, header: http.Header{}, received: time.Now()}
	for i, name := range []string{"X-Ratelimit-Used", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Retry-After"} {
		if i < len(headers) && headers[i] != "" {
			a.header.Set(name, headers[i])
		}
	}
	return a
}

func TestDiscoveryKeepsItsShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(100)
		take(t, l, discovery, func() *answer { return reply(200, "951", "49", "500") })
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var limited *LimitError
		if _, err := l.wait(ctx, refresh); !errors.As(err, &limited) || limited.Wait != 441*time.Second {
			t.Errorf("below 5 %% of the window: %v, want a wait to its end", err)
		}
		if got := take(t, l, discovery, plain); got != 0 {
			t.Errorf("discovery waited %s", got)
		}
		l.quota.left = 51
		for range 10 {
			take(t, l, discovery, func() *answer { l.quota.left++; return plain() })
		}
		// The bucket is nearly empty, and half of it is discovery's.
		if got := take(t, l, refresh, plain); got < 2*time.Second || got > 4*time.Second {
			t.Errorf("a refresh waited %s for the reserve", got)
		}
	})
}

func TestEveryRefusalStopsEverything(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a    func() *answer
		want time.Duration
	}{
		{"whole seconds", func() *answer { return reply(429, "", "", "", "4") }, 4 * time.Second},
		{"part of a second", func() *answer { return reply(429, "", "", "", "2.5") }, 2500 * time.Millisecond},
		{"date", func() *answer {
			return reply(429, "", "", "", time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat))
		}, 30 * time.Second},
		{"reset", func() *answer { return reply(429, "1000", "0.0", "77") }, 78 * time.Second},
		{"both", func() *answer { return reply(429, "1000", "5", "77", "9") }, 9 * time.Second},
		{"zero", func() *answer { return reply(429, "", "", "", "0") }, time.Second},
		{"neither", func() *answer { return reply(429) }, 481 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := testLimiter(600)
			time.Sleep(2 * time.Minute)
			var told time.Duration
			turn, err := l.wait(t.Context(), discovery)
			if err != nil {
				t.Fatal(err)
			}
			if told = turn.answered(kindNew, c.a()); told < c.want-time.Second || told > c.want+maxJitter {
				t.Errorf("%s: told to wait %s, want %s", c.name, told, c.want)
			}
			if got := take(t, l, discovery, plain); got < c.want || got > c.want+maxJitter {
				t.Errorf("%s: waited %s, want %s", c.name, got, c.want)
			}
			if got := testutil.ToFloat64(l.met.stops.WithLabelValues(stopRefused)); got != 1 {
				t.Errorf("%s: %v stops", c.name, got)
			}
		})
	}
}

func TestRefusalsInARowStopForLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(600)
		refuse := func() *answer { return reply(429, "", "", "", "4") }
		// Three that were under way together are one refusal.
		l.probing = false
		time.Sleep(time.Minute)
		var together []*turn
		for range 3 {
			turn, err := l.wait(t.Context(), discovery)
			if err != nil {
				t.Fatal(err)
			}
			together = append(together, turn)
		}
		for _, turn := range together {
			turn.answered(kindNew, refuse())
		}
		for _, want := range []float64{4, 8, 16, 32, 64, 128, 256, 512, 600, 600} {
			got := take(t, l, discovery, refuse).Seconds()
			if got < want || got > want+1 {
				t.Errorf("waited %v s, want %v", got, want)
			}
		}
		if !l.probing {
			t.Error("more than one request may go after a refusal")
		}
		take(t, l, discovery, plain)
		take(t, l, discovery, refuse)
		if got := take(t, l, discovery, plain); got > 5*time.Second {
			t.Errorf("waited %s after a good answer and one refusal", got)
		}
	})
}

func TestRequestsGoOneByOneUntilItIsKnownWhereWeStand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  kind
		a     *answer
		known bool
	}{
		{kindNew, reply(200, "1", "999.0", "300"), true},
		{kindInfo, reply(404, "1", "999.0"), true},
		{kindNew, reply(200), false},
		{kindNew, reply(200, "1", "many"), false},
		{kindNew, reply(500), false},
		{kindNew, reply(401), false},
		{kindToken, reply(200), false},
		{kindNew, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := testLimiter(600)
			time.Sleep(time.Minute)
			turn, err := l.wait(t.Context(), discovery)
			if err != nil {
				t.Fatal(err)
			}
			next := make(chan *given, 2)
			for range 2 {
				go func() {
					turn, err := l.wait(t.Context(), discovery)
					next <- &given{turn, err}
				}()
			}
			time.Sleep(time.Minute)
			if len(next) != 0 {
				t.Fatal("a second request went")
			}
			if c.a == nil {
				turn.lost()
			} else {
				turn.answered(c.kind, c.a)
			}
			synctest.Wait()
			if got := len(next); got != 1 && !c.known || got != 2 && c.known {
				t.Errorf("%s %+v: %d requests went", c.kind, c.a, got)
			}
			for range 2 {
				n := <-next
				if n.err != nil {
					t.Fatal(n.err)
				}
				n.turn.back()
			}
		})
	}
}

func TestARedditWithoutHeadersIsNotProbedForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(600)
		for n := range maxUntold {
			if !l.probing {
				t.Errorf("%d answers without headers were enough", n)
			}
			take(t, l, discovery, plain)
		}
		if l.probing {
			t.Errorf("%d answers without headers were not enough", maxUntold)
		}
		l.restore(pulse.Window{})
		if take(t, l, discovery, plain); !l.probing {
			t.Error("not probing after a takeover")
		}
	})
}

// given is what a wait came to.
type given struct {
	turn *turn
	err  error
}

func TestStopDuringAWaitCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter(1)
		l.probing = false
		first, err := l.wait(t.Context(), discovery)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		patient, hasty := make(chan error), make(chan error)
		go func() { _, err := l.wait(t.Context(), discovery); patient <- err }() // its turn is in 67 s
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			_, err := l.wait(ctx, discovery)
			hasty <- err
		}()
		synctest.Wait()
		first.answered(kindNew, reply(429, "", "", "", "300"))
		var limited *LimitError
		if err := <-hasty; !errors.As(err, &limited) || time.Since(start) != 0 || limited.Wait < 5*time.Minute {
			t.Errorf("too short a deadline: %v after %s, want a limit error at once", err, time.Since(start))
		}
		if err := <-patient; err != nil || time.Since(start) < 5*time.Minute || time.Since(start) > 5*time.Minute+maxJitter {
			t.Errorf("sent after %s, %v; want 5m", time.Since(start), err)
		}
		if got := testutil.ToFloat64(l.met.turnedAway[discovery]); got != 1 {
			t.Errorf("%v turned away, want 1", got)
		}
	})
}
