package reddit

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
)

// today moves the clock of a bubble to a time at which Reddit is open.
func today() { time.Sleep(time.Until(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))) }

// far lets requests and answers travel for a while.
type far struct {
	http.RoundTripper
	most time.Duration
}

func (f far) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(rand.N(f.most))
	resp, err := f.RoundTripper.RoundTrip(r)
	time.Sleep(rand.N(f.most))
	return resp, err
}

// demand asks for eight times as much as is allowed: listings and posts by id,
// each by a caller who waits for up to two minutes.
func demand(t *testing.T, c *Client, perMinute int, lasts time.Duration) {
	t.Helper()
	var callers sync.WaitGroup
	for start := time.Now(); time.Since(start) < lasts; time.Sleep(rand.N(time.Minute / time.Duration(4*perMinute))) {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(2*time.Minute))
			defer cancel()
			if rand.IntN(2) == 0 {
				c.Info(ctx, []string{"t3_1", "t3_2"})
			} else {
				c.Newest(ctx, pulse.ListingQuery{Subreddits: []string{"golang", "rust"}, Limit: 1, Spare: rand.IntN(3) == 0})
			}
		})
	}
	callers.Wait()
}

func TestEightfoldDemandNeverExceedsTheLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		perMinute, window int
		most, least       int // in any 600 s
		fault             redditsim.Fault
	}{
		{"as configured", 90, 1000, 900, 850, redditsim.Fault{}},
		{"all that Reddit allows", 100, 1000, 1000, 930, redditsim.Fault{}},
		{"Reddit allows less", 100, 300, 270, 230, redditsim.Fault{}},
		{"without headers", 90, 1000, 900, 800, redditsim.Fault{Kind: "no_ratelimit_headers"}},
		{"broken connections", 90, 1000, 900, 800, redditsim.Fault{Kind: "reset", Share: 0.3}},
		{"trouble", 90, 1000, 900, 800, redditsim.Fault{Kind: "503", Share: 0.3}},
	} {
		synctest.Test(t, func(t *testing.T) {
			today()
			sim := newSim(t, redditsim.Config{RequestsPerWindow: c.window})
			if c.fault.Kind != "" {
				if err := sim.Inject(c.fault); err != nil {
					t.Fatal(err)
				}
			}
			client := newClient(t, "https://reddit.test", func(conf *Config) {
				conf.RequestsPerMinute, conf.Transport = c.perMinute, far{sim.RoundTripper(), 2 * time.Second}
			})
			demand(t, client, c.perMinute, 40*time.Minute)
			for _, u := range sim.Usage() {
				if u.Application != "id" {
					continue
				}
				t.Logf("%s: at most %d requests in 600 s, %d answers of 429", c.name, u.MaxIn600s, u.TooMany)
				if u.MaxIn600s > c.most || u.MaxIn600s < c.least || u.TooMany != 0 {
					t.Errorf("%s: 600 s held up to %d requests, want %d to %d; %d answers of 429",
						c.name, u.MaxIn600s, c.least, c.most, u.TooMany)
				}
				return
			}
			t.Errorf("%s: the simulator saw nobody", c.name)
		})
	}
}

func TestHeadersWinOverOurOwnCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		today()
		sim := newSim(t, redditsim.Config{RequestsPerWindow: 1000})
		client := newClient(t, "https://reddit.test", func(conf *Config) {
			conf.RequestsPerMinute, conf.Transport = 90, sim.RoundTripper()
		})
		// In each window another program takes two thirds.
		for range 6 {
			if err := sim.Inject(redditsim.Fault{Kind: "unknown_used", Used: 660}); err != nil {
				t.Fatal(err)
			}
			demand(t, client, 90, 10*time.Minute)
		}
		for _, u := range sim.Usage() {
			// One that was under way when the other program came may be too late.
			if u.Application == "id" && (u.TooMany > 6 || u.Requests < 6*300) {
				t.Errorf("%d requests, %d answers of 429", u.Requests, u.TooMany)
			}
		}
	})
}

func TestRestartedClientsKeepTheBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		today()
		sim := newSim(t, redditsim.Config{RequestsPerWindow: 1000})
		var known pulse.Window
		for range 20 {
			client := newClient(t, "https://reddit.test", func(conf *Config) {
				conf.RequestsPerMinute, conf.Transport = 100, sim.RoundTripper()
			})
			client.Restore(known)
			demand(t, client, 100, rand.N(3*time.Minute))
			known = client.Window()
			demand(t, client, 100, rand.N(10*time.Second)) // is never told of
			client.Close()
		}
		for _, u := range sim.Usage() {
			if u.Application == "id" && (u.TooMany != 0 || u.MaxIn600s > 1000) {
				t.Errorf("600 s held up to %d requests, %d answers of 429", u.MaxIn600s, u.TooMany)
			}
		}
	})
}

// TestSixtyFourCallersAndFiftyRequests is in real time, over real connections.
func TestSixtyFourCallersAndFiftyRequests(t *testing.T) {
	t.Parallel()
	const limit, most = 100_000, 50
	var used, over atomic.Int64
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Write([]byte(`{"access_token": "abc", "token_type": "bearer", "expires_in": 86400}`))
			return
		}
		n := used.Add(1)
		w.Header().Set("X-Ratelimit-Reset", "600")
		if n > most {
			over.Add(1)
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("X-Ratelimit-Used", strconv.Itoa(int(limit-most+n)))
		w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(int(most-n))+".0")
		w.Write([]byte(`{"kind": "Listing", "data": {"children": []}}`))
	}))
	client := newClient(t, url, nil)
	var callers sync.WaitGroup
	var good, limited atomic.Int64
	for i := range 64 {
		callers.Go(func() {
			for {
				var err error
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				if i%2 == 0 {
					_, err = client.Newest(ctx, newest("golang"))
				} else {
					_, err = client.Info(ctx, []string{"t3_1"})
				}
				cancel()
				var limit *LimitError
				if errors.As(err, &limit) {
					limited.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				good.Add(1)
			}
		})
	}
	callers.Wait()
	if used.Load() > most || over.Load() != 0 || good.Load() != used.Load() || limited.Load() != 64 {
		t.Errorf("%d requests for %d, %d refused, %d callers turned away", used.Load(), most, over.Load(), limited.Load())
	}
}
