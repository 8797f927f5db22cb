package ingest

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
)

// figures has the tests of this file play for hours and print what they
// measure; without it they play for less and print nothing.
var figures = flag.Bool("figures", false, "measure at full length, and print")

func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	if *figures {
		fmt.Printf("Figure%s\t"+format+"\n", append([]any{strings.TrimPrefix(t.Name(), "Test")}, args...)...)
	}
}

// long skips a test that the race detector makes take minutes.
func long(t *testing.T) {
	t.Helper()
	if raceDetector && !*figures {
		t.Skip("plays too long with the race detector; TestEveryPostOfTheSimulatorIsSeenOrInAGap takes the same paths")
	}
}

// full is long in a measurement, short in a test.
func full(long, short time.Duration) time.Duration {
	if *figures {
		return long
	}
	return short
}

func count(u redditsim.Usage, kind string) float64 { return float64(u.Kinds[kind]) }

func TestCostOfSharedRequests(t *testing.T) {
	t.Parallel()
	long(t)
	bubble(t, func(t *testing.T) {
		p := startPlay(t, mixed(), redditsim.Oddities{}, 90)
		pass(90 * time.Minute) // the first polls read back
		before := p.usage(t)
		lasts := full(4*time.Hour, time.Hour)
		pass(lasts)
		after := p.usage(t)
		p.ends()
		listings := (count(after, "new") - count(before, "new")) / lasts.Minutes()
		refreshes := count(after, "info") - count(before, "info")
		perRequest := (counterOf(t, p.reg, "pulse_ingest_refreshed_posts_total")) / max(count(after, "info"), 1)
		figure(t, "%.2f listing requests/min, deeper reads for late posts included; %.2f refreshes/min of %.1f posts each",
			listings, refreshes/lasts.Minutes(), perRequest)
		if listings > 3 {
			t.Errorf("%.2f listing requests a minute", listings)
		}
		if perRequest < 90 {
			t.Errorf("%.1f posts a refresh", perRequest)
		}
	})
}

func TestCoverageOverOutages(t *testing.T) {
	t.Parallel()
	if !*figures {
		t.Skip("TestEveryPostOfTheSimulatorIsSeenOrInAGap plays less of the same")
	}
	bubble(t, func(t *testing.T) {
		// One is so busy that Reddit's listing does not reach back over an hour.
		all := append(mixed(), community{60, pulse.Fast, 40})
		p := startPlay(t, all, redditsim.Oddities{}, 90)
		for range 3 {
			pass(45 * time.Minute)
			p.outage(t, 10*time.Minute)
		}
		pass(30 * time.Minute)
		p.outage(t, time.Hour)
		pass(105 * time.Minute)
		sum := total(p.judge(time.Now().Add(-65*time.Minute)), p.names)
		u := p.usage(t)
		p.ends()
		figure(t, "%d posts made, %d seen, %d in one of %d gaps, %d in no listing while anybody could look, %d lost; at most %d requests in 600 s, %d answers of 429",
			sum.posts, sum.seen, sum.inGap, len(p.gaps), sum.unseeable, len(sum.lost), u.MaxIn600s, u.TooMany)
		for _, l := range sum.lost {
			t.Errorf("lost: %+v", l)
		}
	})
}

func TestDelayOfFastRows(t *testing.T) {
	t.Parallel()
	long(t)
	bubble(t, func(t *testing.T) {
		p := startPlay(t, mixed(), redditsim.NoOddities(), 90)
		pass(full(6*time.Hour, 90*time.Minute))
		sum := total(p.judge(time.Now().Add(-2*time.Minute)), p.names[:26])
		p.ends()
		median, p99 := percentile(sum.delays, 0.5), percentile(sum.delays, 0.99)
		figure(t, "%d posts of 26 communities promised 60 s: median %s, p99 %s", len(sum.delays),
			median.Round(100*time.Millisecond), p99.Round(100*time.Millisecond))
		if median > 30*time.Second || p99 > 65*time.Second {
			t.Errorf("median %s, p99 %s", median, p99)
		}
	})
}

func TestEightfoldDemand(t *testing.T) {
	t.Parallel()
	long(t)
	bubble(t, func(t *testing.T) {
		var all []community
		for range 40_000 / map[bool]int{true: 1, false: 4}[*figures] {
			all = append(all, community{60, pulse.Medium, 0.002})
		}
		allowed := 90
		if !*figures {
			allowed = 22
		}
		p := startPlay(t, all, redditsim.NoOddities(), allowed)
		pass(full(90*time.Minute, 45*time.Minute))
		u := p.usage(t)
		p.ends()
		b := p.budget
		figure(t, "%.0f requests/min wanted, %.0f allowed: at most %d in any 600 s, %d answers of 429, intervals x%.2f",
			b.Discovery+b.Refresh+b.Sweep, b.Allowed, u.MaxIn600s, u.TooMany, b.Factor)
		if u.MaxIn600s > 10*allowed || u.TooMany > 0 {
			t.Errorf("%d requests in 600 s, %d answers of 429", u.MaxIn600s, u.TooMany)
		}
		if b.Discovery < 7*b.Allowed {
			t.Errorf("only %.0f wanted", b.Discovery)
		}
	})
}

func TestForecastsComeTrue(t *testing.T) {
	t.Parallel()
	long(t)
	cases := map[string]struct {
		all     []community
		allowed int
	}{
		"115 communities": {mixed(), 90},
		"more than fits":  {slices.Repeat([]community{{60, pulse.Medium, 0.01}}, 2000), 23},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				p := startPlay(t, c.all, redditsim.NoOddities(), c.allowed)
				pass(full(16*time.Hour, 2*time.Hour))
				mean, worst, hours := 0.0, 0.0, int(full(8*time.Hour, time.Hour).Hours())
				for range hours {
					off := p.nextHour(t)
					mean += off / float64(hours)
					if math.Abs(off) > math.Abs(worst) {
						worst = off
					}
				}
				p.ends()
				figure(t, "requests/min predicted against sent in each of the next %d hours: off by %+.1f %% on average, %+.1f %% at worst", hours, mean, worst)
				if limit := float64(map[bool]int{true: 5, false: 30}[*figures]); math.Abs(mean) > limit {
					t.Errorf("off by %+.1f %%", mean)
				}
			})
		})
	}
}

// nextHour plays an hour and gives by how many percent the forecast for it was
// off.
func (p *play) nextHour(t *testing.T) float64 {
	t.Helper()
	p.mem.Lock()
	b := p.budget
	p.mem.Unlock()
	before := p.usage(t)
	pass(time.Hour)
	actual := float64(p.usage(t).Requests-before.Requests) / 60
	return 100 * (min(b.Discovery+b.Refresh+b.Sweep, b.Allowed) - actual) / actual
}
