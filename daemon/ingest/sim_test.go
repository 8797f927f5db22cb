package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/daemon/reddit"
	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
)

// play is hours of polling the simulated Reddit with the real client, on a clock
// that jumps.
type play struct {
	memory
	sim   *redditsim.Server
	reg   *prometheus.Registry
	begun time.Time
	names []string
	ends  func()
	down  [][2]time.Time
}

// community is one of those that a play polls.
type community struct {
	interval  int // seconds
	priority  pulse.Priority
	perMinute float64
}

// mixed is 115 communities: 26 asked for every minute, 45 every three, 44 every
// ten. Each by itself they would take 45 requests a minute.
func mixed() []community {
	var all []community
	add := func(n, interval int, p pulse.Priority, most float64) {
		for i := range n {
			// A few busy ones and many quiet ones, as it is.
			all = append(all, community{interval, p, most / math.Pow(float64(i+1), 1.1)})
		}
	}
	add(26, 60, pulse.Fast, 3.4)
	add(45, 180, pulse.Medium, 0.8)
	add(44, 600, pulse.Slow, 0.2)
	return all
}

// begin starts polling in the bubble.
func startPlay(t testing.TB, all []community, odd redditsim.Oddities, allowed int) *play {
	t.Helper()
	p := &play{memory: newMemory(), reg: prometheus.NewRegistry(), begun: time.Now()}
	p.forgets = true
	rates := map[string]float64{}
	for i, c := range all {
		name := fmt.Sprintf("community%05d", i)
		rates[name] = c.perMinute
		p.names = append(p.names, name)
		p.rows = append(p.rows, pulse.Subreddit{
			Name: name, IntervalSeconds: c.interval, Priority: c.priority, IsActive: true, Version: 1,
		})
	}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("PLAY_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	sim, err := redditsim.New(redditsim.Config{Seed: 7, Rates: rates, Oddities: odd, RequestsPerWindow: 1000}, log)
	if err != nil {
		t.Fatal(err)
	}
	p.sim = sim
	client, err := reddit.New(reddit.Config{
		BaseURL: "https://oauth.reddit.com", TokenURL: "https://www.reddit.com/api/v1/access_token",
		ClientID: "play", ClientSecret: "secret", UserAgent: "linux:dev.redditpulse:test (by /u/pulse_simulator)",
		RequestsPerMinute: allowed, Timeout: 16 * time.Second, Transport: sim.RoundTripper(),
	}, log, p.reg)
	if err != nil {
		t.Fatal(err)
	}
	c := settings()
	c.MaxLive = 200_000
	g := New(c, client, p, p, log, p.reg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	p.ends = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		client.Close()
		synctest.Wait()
	}
	return p
}

// outage takes Reddit away for d.
func (p *play) outage(t testing.TB, d time.Duration) {
	t.Helper()
	if err := p.sim.Inject(redditsim.Fault{Kind: "503", For: d}); err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	pass(d)
	p.down = append(p.down, [2]time.Time{from, time.Now()})
}

// found is what of the truth was seen.
type found struct {
	posts, seen, inGap int
	unseeable          int // visible only while nobody could look, or behind a listing's end
	lost               []redditsim.Truth
	delays             []time.Duration // from visible to produced
}

// judge holds what was seen against the simulator's truth of posts made before
// until.
func (p *play) judge(until time.Time) map[string]found {
	p.mem.Lock()
	defer p.mem.Unlock()
	all := map[string]found{}
	for i, name := range p.names {
		f := found{}
		promise := time.Duration(p.rows[i].IntervalSeconds) * time.Second
		truth := p.sim.Truth([]string{name}, p.begun, until)
		for k, post := range truth {
			f.posts++
			at, seen := p.firstAt[post.ID]
			switch {
			case seen:
				f.seen++
				if !p.wasDown(post.VisibleFrom, promise) {
					f.delays = append(f.delays, max(at.Sub(post.VisibleFrom), 0))
				}
			case p.missing(post):
				f.inGap++
			case p.hidden(post, listedUntil(truth[k:], until), promise):
				f.unseeable++
			default:
				f.lost = append(f.lost, post)
			}
		}
		all[name] = f
	}
	return all
}

func (p *play) wasDown(at time.Time, around time.Duration) bool {
	return slices.ContainsFunc(p.down, func(d [2]time.Time) bool {
		return at.After(d[0].Add(-around)) && at.Before(d[1].Add(around+2*time.Minute))
	})
}

func (p *play) missing(post redditsim.Truth) bool {
	return slices.ContainsFunc(p.gaps, func(g pulse.Gap) bool {
		return strings.EqualFold(g.Subreddit, post.Subreddit) && !post.CreatedAt.Before(g.From) && !post.CreatedAt.After(g.To)
	})
}

// hidden tells whether a post was in the listing for less than the promise, and
// one that was approved late for less than the time between two looks for such,
// not counting the times when nobody could look.
func (p *play) hidden(post redditsim.Truth, end time.Time, promise time.Duration) bool {
	if post.VisibleFrom.IsZero() {
		return true
	}
	if !post.GoneAt.IsZero() && post.GoneAt.Before(end) {
		end = post.GoneAt
	}
	visible := end.Sub(post.VisibleFrom)
	for _, d := range p.down {
		from, to := post.VisibleFrom, end
		if d[0].After(from) {
			from = d[0]
		}
		if d[1].Before(to) {
			to = d[1]
		}
		visible -= max(to.Sub(from), 0)
	}
	if s := p.status[post.Subreddit]; post.Held && s.PostsPerMinute != nil {
		promise = max(promise, sweepPause(settings().Sweep, *s.PostsPerMinute)+2*time.Minute)
	}
	return visible < promise+time.Minute
}

// listedUntil is when the first of some posts was behind the end of Reddit's
// listing, for all the posts that came after it.
func listedUntil(from []redditsim.Truth, until time.Time) time.Time {
	const depth = 1000
	var newer []time.Time
	for _, post := range from[1:min(len(from), 4*depth)] {
		if !post.VisibleFrom.IsZero() {
			newer = append(newer, post.VisibleFrom)
		}
	}
	if len(newer) < depth {
		return until
	}
	slices.SortFunc(newer, time.Time.Compare)
	if end := newer[depth-1]; end.Before(until) {
		return end
	}
	return until
}

func (p *play) usage(t testing.TB) redditsim.Usage {
	t.Helper()
	for _, u := range p.sim.Usage() {
		if u.Application == "play" {
			return u
		}
	}
	t.Fatal("the simulator knows of no requests")
	return redditsim.Usage{}
}

// total adds up some communities.
func total(all map[string]found, names []string) found {
	var sum found
	for _, name := range names {
		f := all[name]
		sum.posts += f.posts
		sum.seen += f.seen
		sum.inGap += f.inGap
		sum.unseeable += f.unseeable
		sum.lost = append(sum.lost, f.lost...)
		sum.delays = append(sum.delays, f.delays...)
	}
	slices.Sort(sum.delays)
	return sum
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*p), len(sorted)-1)]
}

func TestEveryPostOfTheSimulatorIsSeenOrInAGap(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		p := startPlay(t, mixed()[:40], redditsim.Oddities{}, 90)
		pass(40 * time.Minute)
		p.outage(t, 10*time.Minute)
		pass(110 * time.Minute)
		sum := total(p.judge(time.Now().Add(-65*time.Minute)), p.names)
		p.ends()
		t.Logf("%d posts: %d seen, %d in %d gaps, %d unseeable, %d lost", sum.posts, sum.seen, sum.inGap, len(p.gaps), sum.unseeable, len(sum.lost))
		for _, l := range sum.lost {
			t.Errorf("lost: %+v", l)
		}
		if sum.posts < 500 || sum.unseeable > sum.posts/50 {
			t.Errorf("%d posts, %d unseeable: the simulator is not what it was", sum.posts, sum.unseeable)
		}
		if u := p.usage(t); u.TooMany > 0 || u.MaxIn600s > 900 {
			t.Errorf("%d requests in 600 s, %d of them too many", u.MaxIn600s, u.TooMany)
		}
		for id, n := range p.firsts {
			if n > 1 {
				t.Errorf("%s was first seen %d times", id, n)
			}
		}
	})
}

// counterOf reads a counter without labels.
func counterOf(t testing.TB, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
