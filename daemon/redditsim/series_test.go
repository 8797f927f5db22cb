package redditsim_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
)

func readSeries(t *testing.T, sim *redditsim.Server, c redditsim.Series) []pulse.Observation {
	t.Helper()
	var all []pulse.Observation
	err := sim.Series(t.Context(), c, func(o *pulse.Observation) error {
		all = append(all, *o)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var seriesWorld = redditsim.Config{
	Seed: 5, Rates: map[string]float64{"golang": 0.4, "Small_Town": 0.05, "empty": 0, "private_club": 1},
	Oddities: redditsim.Oddities{Removed: 0.2, Gone: 0.1, Held: 0.1}, RequestsPerWindow: 1 << 30,
}

func TestASeriesIsWhatAClientWouldHaveRead(t *testing.T) {
	t.Parallel()
	s, now := inside(t, seriesWorld)
	all := readSeries(t, s.sim, redditsim.Series{From: noon, Length: 30 * time.Hour, Every: 20 * time.Minute})
	if len(all) < 10_000 {
		t.Fatalf("%d readings", len(all))
	}
	states := map[pulse.State]int{}
	for i := 0; i < len(all); i += 97 {
		o := &all[i]
		states[o.State]++
		*now, s.token = o.ObservedAt, ""
		s.token = s.login()
		page := s.list("/api/info?raw_json=1&id=" + o.PostID)
		if len(page.posts) != 1 {
			t.Fatalf("%s is not found at %v", o.PostID, o.ObservedAt)
		}
		p := page.posts[0]
		if p["score"] != float64(o.Score) || p["num_comments"] != float64(o.NumComments) || p["title"] != o.Title ||
			p["author"] != o.Author || p["subreddit"] != o.Subreddit || p["created_utc"] != float64(o.CreatedAt.Unix()) ||
			p["permalink"] != o.Permalink || p["upvote_ratio"] != *o.UpvoteRatio || (p["removed_by_category"] == nil) != (o.State == pulse.Live) {
			t.Fatalf("reading %+v, Reddit says %v", o, p)
		}
	}
	if states[pulse.Live] == 0 || states[pulse.Removed] == 0 {
		t.Errorf("looked at %v", states)
	}
}

func TestASeriesKeepsItsPace(t *testing.T) {
	t.Parallel()
	const every, length = 7 * time.Minute, 40 * time.Hour
	sim := newSim(t, seriesWorld)
	all := readSeries(t, sim, redditsim.Series{From: noon, Length: length, Every: every})
	last := map[string]pulse.Observation{}
	for i, o := range all {
		if i > 0 && o.ObservedAt.Before(all[i-1].ObservedAt) {
			t.Fatalf("reading %d is of %v, after one of %v", i, o.ObservedAt, all[i-1].ObservedAt)
		}
		before, seen := last[o.PostID]
		switch {
		case o.CreatedAt.Before(noon) || !o.ObservedAt.Before(noon.Add(length)):
			t.Fatalf("%s of %v is read at %v", o.PostID, o.CreatedAt, o.ObservedAt)
		case seen && (o.ObservedAt.Sub(before.ObservedAt) != every || before.State != pulse.Live || o.Source != "info"):
			t.Fatalf("%+v follows %+v", o, before)
		case !seen && o.Source != "new":
			t.Fatalf("first seen by %s", o.Source)
		}
		last[o.PostID] = o
	}
	// Every post that was listed early enough is there.
	wanted := 0
	for _, truth := range sim.Truth([]string{"golang", "small_town"}, noon, noon.Add(length-4*time.Hour)) {
		if !truth.VisibleFrom.IsZero() && (truth.Fate == "live" || truth.GoneAt.Sub(truth.VisibleFrom) > time.Minute) {
			wanted++
			if _, seen := last[truth.ID]; !seen {
				t.Errorf("%+v is missing", truth)
			}
		}
	}
	if wanted < 500 {
		t.Errorf("%d posts looked for", wanted)
	}
}

func TestASeriesIsTheSameAgain(t *testing.T) {
	t.Parallel()
	c := redditsim.Series{Names: []string{"rust", "pics"}, From: noon, Length: 3 * time.Hour, Every: time.Minute}
	figures := func(seed uint64) (all []string) {
		for _, o := range readSeries(t, newSim(t, redditsim.Config{Seed: seed}), c) {
			all = append(all, o.PostID+o.ObservedAt.String()+o.Title)
		}
		return all
	}
	if a, b := figures(3), figures(3); len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("%d readings, then %d others", len(a), len(b))
	}
	if slices.Equal(figures(3), figures(4)) {
		t.Error("another seed gives the same")
	}
}

func TestWrongSeriesAreRefused(t *testing.T) {
	t.Parallel()
	good := redditsim.Series{From: noon, Length: time.Hour, Every: time.Minute}
	for want, change := range map[string]func(*redditsim.Series){
		"start: want 2020-01-01 or later":           func(c *redditsim.Series) { c.From = time.Time{} },
		"hours: want more than 0 and at most 8784":  func(c *redditsim.Series) { c.Length = -1 },
		"every: want 1s to 24h, got 1ms":            func(c *redditsim.Series) { c.Every = time.Millisecond },
		`names: "r/go" is no name of a community`:   func(c *redditsim.Series) { c.Names = []string{"golang", "r/go"} },
		"hours: want more than 0 and at most 8784 ": func(c *redditsim.Series) { c.Length = 1 << 62 },
	} {
		c := good
		change(&c)
		err := newSim(t, redditsim.Config{}).Series(t.Context(), c, func(*pulse.Observation) error { return nil })
		if pulse.CodeOf(err) != pulse.Invalid || err.Error() != strings.TrimSpace(want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	tape := tapeDir(t, map[string]string{
		"a.json": "{}", "index.json": `[{"file":"a.json","method":"GET","uri":"https://oauth.reddit.com/x","status":200,"body":"json"}]`,
	})
	sim := newSim(t, redditsim.Config{Replay: tape})
	if err := sim.Series(t.Context(), good, nil); err == nil || !strings.Contains(err.Error(), "want a synthetic Reddit") {
		t.Errorf("of a replay: %v", err)
	}
}

func TestASeriesStops(t *testing.T) {
	t.Parallel()
	sim := newSim(t, redditsim.Config{})
	c := redditsim.Series{From: noon, Length: 1000 * time.Hour, Every: time.Minute}
	full := errors.New("full")
	if err := sim.Series(t.Context(), c, func(*pulse.Observation) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want what the reader said", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := sim.Series(ctx, c, func(*pulse.Observation) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
}
