package redditsim_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

// crawled is when each post was found, by id.
type crawled map[string][]time.Time

// crawl reads the listings of all communities to posts older than oldest.
func (s *site) crawl(found crawled, now, oldest time.Time) {
	s.t.Helper()
	for _, name := range s.sim.Subreddits() {
		seen := map[string]bool{}
		for after, more := "", true; more; more = after != "" {
			resp, body := s.get("/r/" + name + "/new?raw_json=1&limit=100&after=" + after)
			var page struct {
				Data struct {
					After    string
					Children []struct {
						Data struct {
							Name    string
							Created float64 `json:"created_utc"`
						}
					}
				}
			}
			if err := json.Unmarshal([]byte(body), &page); err != nil || resp.StatusCode != 200 {
				s.t.Fatalf("r/%s: %d, %v", name, resp.StatusCode, err)
			}
			after = page.Data.After
			for _, child := range page.Data.Children {
				if seen[child.Data.Name] {
					s.t.Fatalf("r/%s: %s twice in one reading", name, child.Data.Name)
				}
				seen[child.Data.Name] = true
				found[child.Data.Name] = append(found[child.Data.Name], now)
				if child.Data.Created < float64(oldest.Unix())-3600 {
					after = ""
				}
			}
		}
	}
}

func TestACrawlFindsWhatTheTruthCallsVisibleAndNothingElse(t *testing.T) {
	t.Parallel()
	rates := map[string]float64{"a_lively": 2, "b_usual": 0.6, "C_Quiet": 0.1, "d_rare": 0.01, "e_empty": 0}
	s, now := inside(t, redditsim.Config{
		Seed: 11, Rates: rates, RequestsPerWindow: 1 << 30,
		Oddities: redditsim.Oddities{Held: 0.15, Stale: -1, Removed: 0.2, Gone: 0.1, Lag: 5 * time.Minute},
	})
	start, found := *now, crawled{}
	var readings []time.Time
	for ; now.Before(start.Add(2 * time.Hour)); *now = now.Add(97 * time.Second) {
		readings = append(readings, *now)
		s.crawl(found, *now, start)
	}
	truths := map[string]redditsim.Truth{}
	want, missed, late, unseen := 0, 0, 0, 0
	for _, truth := range s.sim.Truth(s.sim.Subreddits(), start.Add(-48*time.Hour), *now) {
		truths[truth.ID] = truth
		if truth.CreatedAt.Before(start) {
			continue
		}
		visible := slices.DeleteFunc(slices.Clone(readings), func(at time.Time) bool { return !truth.Visible(at) })
		if !slices.Equal(found[truth.ID], visible) {
			missed++
			t.Errorf("%+v: found at %v, want %v", truth, found[truth.ID], visible)
		}
		if want++; truth.VisibleFrom.IsZero() {
			unseen++
		} else if truth.Held && truth.VisibleFrom.Sub(truth.CreatedAt) > 10*time.Minute {
			late++
		}
	}
	for id, at := range found {
		if redditsim.MadeAt(id).Before(start.Add(-48 * time.Hour)) {
			continue // found on the last page of a quiet community
		}
		truth, known := truths[id]
		if !known {
			t.Errorf("%s was found and is not in the truth", id)
		}
		for _, one := range at {
			if !truth.Visible(one) {
				t.Errorf("%+v: found at %s", truth, one)
			}
		}
	}
	if want < 300 || late < 5 || unseen < 10 {
		t.Errorf("%d posts, %d of them late, %d never seen: too few to tell", want, late, unseen)
	}
}

func TestTruthIsToldOverHTTPWithoutAToken(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 2})
	used := s.sim.Usage()
	from, to := now.Add(-3*time.Hour), now.Add(30*time.Minute)
	span := "&from=" + from.Format(time.RFC3339) + "&to=" + to.Format(time.RFC3339)
	resp, body := s.do("GET", "/__sim/truth?subreddit=GoLang&subreddit=AskReddit"+span, "", map[string]string{"User-Agent": ""})
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "application/x-ndjson" {
		t.Fatalf("%d %s: %s", resp.StatusCode, got, body)
	}
	var want strings.Builder
	enc := json.NewEncoder(&want)
	truths := s.sim.Truth([]string{"golang", "askreddit", "golang"}, from, to)
	for _, truth := range truths {
		if truth.CreatedAt.Before(from) || !truth.CreatedAt.Before(to) {
			t.Errorf("outside the span: %+v", truth)
		}
		if err := enc.Encode(truth); err != nil {
			t.Fatal(err)
		}
	}
	if body != want.String() || len(truths) < 300 {
		t.Errorf("%d posts; over HTTP: %.300s, want %.300s", len(truths), body, want.String())
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(body[:strings.Index(body, "\n")]), &line); err != nil || len(line) != 7 ||
		line["gone_at"] != nil || line["fate"] != "live" {
		t.Errorf("a line of it: %v, %v", line, err)
	}
	for query, want := range map[string]string{
		"?from=yesterday":            "from: want a moment like 2026-05-04T12:00:00Z, got \\\"yesterday\\\"",
		"?to=9999-01-01":             "to: want a moment",
		"?subreddit=go+lang":         "subreddit: \\\"go lang\\\" is no name",
		"?name=golang":               "name: unknown parameter, want subreddit, from or to",
		"?from=2021-01-01T00:00:00Z": "to: more than 100000 posts",
	} {
		if resp, body := s.do("GET", "/__sim/truth"+query, "", nil); resp.StatusCode != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", query, resp.StatusCode, body, want)
		}
	}
	if got := s.sim.Usage(); len(got) != len(used) || got[0].Requests != 0 {
		t.Errorf("questions to the simulator itself are counted: %+v", got)
	}
}

func TestTruthOfAReplayIsItsPosts(t *testing.T) {
	t.Parallel()
	readEntries(t, recordedDir)
	s := knownSite(t)
	names := s.sim.Subreddits()
	all := s.sim.Truth(names, time.Unix(0, 0), noon.AddDate(10, 0, 0))
	if len(all) != 3232 || all[0].Fate != "recorded" || all[0].Subreddit != names[0] || !all[0].Visible(noon) {
		t.Errorf("%d posts, want 3232, the first %+v", len(all), all[0])
	}
	mid := all[len(all)/2]
	only := s.sim.Truth([]string{mid.Subreddit}, mid.CreatedAt, mid.CreatedAt.Add(time.Second))
	if !slices.Contains(only, mid) {
		t.Errorf("%+v is not in its own second: %+v", mid, only)
	}
}
