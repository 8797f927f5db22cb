package redditsim_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

func TestHeldPostsAppearLateAtThePlaceOfTheirMaking(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 4, Rates: map[string]float64{"moderated": 0.5}, Oddities: redditsim.Oddities{
		Held: 0.5, Lag: -1, Disorder: -1, Stale: -1, Removed: -1, Gone: -1,
	}})
	made := s.sim.Truth([]string{"moderated"}, now.Add(-6*time.Hour), now.Add(-4*time.Hour))
	var held, refused, soon int
	for _, truth := range made {
		delay := truth.VisibleFrom.Sub(truth.CreatedAt)
		switch {
		case !truth.Held:
			if delay > time.Second || truth.Fate != "live" {
				t.Errorf("not held: %+v", truth)
			}
			continue
		case truth.VisibleFrom.IsZero():
			refused++
			*now = truth.CreatedAt.Add(time.Hour)
			if got := s.list("/api/info?id=" + truth.ID).posts[0]; got["removed_by_category"] != "automod_filtered" {
				t.Errorf("never approved, by id: %v", got["removed_by_category"])
			}
			continue
		}
		held++
		if delay < 30*time.Minute {
			soon++
		}
		if delay > 3*time.Hour+time.Second {
			t.Errorf("held for %s", delay)
		}
		*now = truth.VisibleFrom.Add(-time.Millisecond)
		if got := s.list("/api/info?id=" + truth.ID).posts[0]; got["removed_by_category"] != "automod_filtered" {
			t.Errorf("before its approval, by id: %v", got["removed_by_category"])
		}
		if slices.Contains(s.some("/r/moderated/new?limit=100", 3).ids, truth.ID) {
			t.Errorf("listed before its approval: %+v", truth)
		}
		*now = truth.VisibleFrom
		if got := s.list("/api/info?id=" + truth.ID).posts[0]; got["removed_by_category"] != nil {
			t.Errorf("approved, by id: %v", got["removed_by_category"])
		}
		list := s.some("/r/moderated/new?limit=100", 3)
		at := slices.Index(list.ids, truth.ID)
		if at < 0 || at > 0 && redditsim.MadeAt(list.ids[at-1]).Before(redditsim.MadeAt(truth.ID)) {
			t.Errorf("approved, at place %d: %+v", at, truth)
		}
	}
	if held < 15 || refused < 3 || soon < held/2 {
		t.Errorf("of %d posts %d were held, %d of them for less than 30 min, and %d refused", len(made), held, soon, refused)
	}
}

func TestNewPostsShowWithinTheLag(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 4, Oddities: redditsim.Oddities{Held: -1}})
	var lags []time.Duration
	for _, truth := range s.sim.Truth([]string{"AskReddit", "memes"}, now.Add(-12*time.Hour), *now) {
		if !truth.VisibleFrom.IsZero() {
			lags = append(lags, truth.VisibleFrom.Sub(redditsim.MadeAt(truth.ID)))
		}
	}
	slices.Sort(lags)
	median, most := lags[len(lags)/2], lags[len(lags)-1]
	if lags[0] < 0 || median < time.Second || median > 5*time.Second || most < 45*time.Second || most > time.Minute {
		t.Errorf("of %d posts: median %s, most %s", len(lags), median, most)
	}
}

func TestSomeNeighboursAreInverted(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{Seed: 4, Oddities: redditsim.Oddities{Stale: -1}})
	inverted, worst := 0, 0.0
	posts := s.all("/r/AskReddit/new?limit=100").posts
	oldest := math.Inf(1)
	for _, p := range posts {
		at := p["created_utc"].(float64)
		if at > oldest {
			inverted++
			worst = max(worst, at-oldest)
		}
		oldest = min(oldest, at)
	}
	if inverted < 20 || inverted > 200 || worst < 40 || worst > 81 {
		t.Errorf("%d of %d posts stand behind an older one, by up to %v s", inverted, len(posts), worst)
	}
}

func TestSomePagesAreStale(t *testing.T) {
	t.Parallel()
	fresh, at := inside(t, redditsim.Config{Seed: 6, Speed: 20, Oddities: redditsim.Oddities{Stale: -1, Lag: -1}})
	s, now := inside(t, redditsim.Config{Seed: 6, Speed: 20, Oddities: redditsim.Oddities{Stale: 0.3, Lag: -1}})
	const path = "/r/AskReddit+memes/new?limit=5"
	stale := 0
	for range 100 {
		*now = now.Add(10 * time.Second)
		got := s.list(path)
		if again := s.list(path); !slices.Equal(got.raw, again.raw) {
			t.Error("asked twice at one moment, a page differs")
		}
		*at = *now
		if slices.Equal(got.ids, fresh.list(path).ids) {
			continue
		}
		stale++
		match := false
		for back := 0; back <= 30 && !match; back++ {
			*at = now.Add(-time.Duration(back) * time.Second)
			match = slices.Contains(fresh.list(path).ids, got.ids[0])
		}
		if !match {
			t.Errorf("%s: the page is none of the last 30 s", now)
		}
	}
	if stale < 15 || stale > 45 {
		t.Errorf("%d of 100 pages are stale, want about 30", stale)
	}
}

func TestFuzzIsAsOnReddit(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 8, Oddities: redditsim.Oddities{Stale: -1}})
	start := *now
	ids := strings.Join(s.list("/r/all/top?limit=100&t=day").ids, ",")
	var off []float64
	same := 0
	for i := range 10 {
		// A day later little but the error moves.
		*now = start.Add(23*time.Hour + time.Duration(i)*time.Minute)
		a := s.list("/api/info?id=" + ids)
		*now = now.Add(time.Second)
		for j, p := range s.list("/api/info?id=" + ids).posts {
			d := math.Abs(p["score"].(float64) - a.posts[j]["score"].(float64))
			if d == 0 {
				same++
			} else {
				off = append(off, d)
			}
			if p["ups"] != p["score"] || p["downs"] != 0.0 {
				t.Errorf("score %v, ups %v, downs %v", p["score"], p["ups"], p["downs"])
			}
		}
	}
	slices.Sort(off)
	share := float64(len(off)) / float64(len(off)+same)
	median, p90, most := off[len(off)/2], off[len(off)*9/10], off[len(off)-1]
	t.Logf("%.0f%% of pairs differ, |d| median %v, p90 %v, most %v", share*100, median, p90, most)
	if share < 0.45 || share > 0.85 || median > 2 || p90 < 3 || p90 > 6 || most < 6 || most > 11 {
		t.Errorf("%.0f%% of pairs differ, |d| median %v, p90 %v, most %v; recorded: 58%%, 1, 4, 9", share*100, median, p90, most)
	}
}

func TestPostsThatAreGoneAreNotFoundByID(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 8, Oddities: redditsim.Oddities{Gone: 0.3, Held: -1, Lag: -1, Stale: -1}})
	gone := 0
	for _, truth := range s.sim.Truth([]string{"AskReddit"}, now.Add(-time.Hour), *now) {
		if truth.Fate != "gone" {
			continue
		}
		gone++
		*now = truth.GoneAt.Add(-time.Millisecond)
		before := s.list("/api/info?id=" + truth.ID)
		*now = truth.GoneAt
		if after := s.list("/api/info?id=" + truth.ID); len(before.ids) != 1 || len(after.ids) != 0 {
			t.Errorf("%+v: found %v before, %v after", truth, before.ids, after.ids)
		}
	}
	if gone < 20 {
		t.Errorf("only %d posts vanished", gone)
	}
}

func TestRatesAreKept(t *testing.T) {
	t.Parallel()
	want := map[string]float64{"fast_one": 60, "even_one": 2, "Slow_One": 0.02, "none_ever": 0, "golang": 5}
	s, now := inside(t, redditsim.Config{Seed: 3, Rates: want})
	if names := s.sim.Subreddits(); !slices.Equal(names, []string{"even_one", "fast_one", "golang", "none_ever", "slow_one"}) {
		t.Errorf("to begin with: %v", names)
	}
	for name, rate := range want {
		days := 4.0
		if rate < 1 {
			days = 90
		}
		made := s.sim.Truth([]string{name}, now.Add(-time.Duration(days*24)*time.Hour), *now)
		got := float64(len(made)) / (days * 24 * 60)
		if math.Abs(got-rate) > 0.12*rate {
			t.Errorf("r/%s: %.3f posts a minute, want %v", name, got, rate)
		}
	}
	if got := s.list("/r/none_ever/new"); len(got.ids) != 0 || got.after != "" {
		t.Errorf("a community without posts: %v", got.ids)
	}
	if got := s.list("/api/info?id=t3_1ldjpc44vq78"); len(got.ids) != 0 {
		t.Errorf("a post of nobody: %v", got.ids)
	}
}

func TestConfiguredCommunitiesAreFoundByIDHoweverManyAreAsked(t *testing.T) {
	t.Parallel()
	rates := map[string]float64{}
	for i := range 25_000 {
		rates["quiet_"+strconv.Itoa(i)] = 0.001
	}
	s, now := inside(t, redditsim.Config{Seed: 3, Rates: rates})
	names := s.sim.Subreddits()
	for i := 0; i < len(names); i += 1000 {
		truth := s.sim.Truth(names[i:i+1], now.Add(-90*24*time.Hour), now.Add(-80*24*time.Hour))
		for _, one := range truth {
			if got := s.list("/api/info?id=" + one.ID); one.Fate == "live" && !slices.Equal(got.ids, []string{one.ID}) {
				t.Errorf("%+v: got %v", one, got.ids)
			}
		}
	}
	s.sim.Know("one_more_known")
	known := s.list("/r/one_more_known/new?limit=1").ids[0]
	if got := s.list("/api/info?id=" + known); len(got.ids) != 1 {
		t.Errorf("a known community's post is not found by id")
	}
}
