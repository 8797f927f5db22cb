package redditsim_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

func TestUsageTellsTheMostRequestsInAny600Seconds(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{RequestsPerWindow: 20})
	start := *now
	ask := func(n int, at time.Duration) {
		*now = start.Add(at)
		for range n {
			s.get("/r/golang/new?limit=1")
		}
	}
	// The end of a window and the start of the next one are in one span of 600 s.
	ask(5, 0)
	ask(15, 590*time.Second)
	ask(4, 599*time.Second+999*time.Millisecond) // 5 + 15 + 4, and the 4 too many
	ask(18, 601*time.Second)                     // 15 + 4 + 18
	ask(1, 1190*time.Second)                     // the 15 are out
	ask(2, 1200*time.Second)
	us := s.sim.Usage()
	if len(us) != 1 || us[0].Application != "id" {
		t.Fatalf("applications: %+v", us)
	}
	got := us[0]
	wantWindows := []redditsim.WindowUsage{
		{From: start, Requests: 24, TooMany: 4}, {From: start.Add(10 * time.Minute), Requests: 19},
		{From: start.Add(20 * time.Minute), Requests: 2},
	}
	if got.Requests != 45 || got.MaxIn600s != 37 || !got.MaxUntil.Equal(start.Add(601*time.Second)) || got.TooMany != 4 ||
		!slices.Equal(got.Windows, wantWindows) {
		t.Errorf("got %+v", got)
	}
	if want := map[int]int{200: 42, 429: 4}; !maps.Equal(got.Statuses, want) {
		t.Errorf("statuses %v, want %v", got.Statuses, want)
	}
}

func TestUsageIsByKindAndApplication(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	for _, path := range []string{
		"/r/golang/new", "/r/golang+rust/new.json", "/r/golang/hot", "/r/golang", "/r/golang/rising", "/r/golang/top?t=week",
		"/api/info?id=t3_1", "/by_id/t3_1", "/nothing", "/r/golang/nothing",
	} {
		s.get(path)
	}
	s.inject(`[{"kind": "reset", "count": 1}]`)
	if _, err := s.try("/r/golang/new"); err == nil {
		t.Error("the connection did not break")
	}
	s.token = "x"
	s.get("/r/golang/new")
	resp, body := s.do("GET", "/__sim/requests", "", nil)
	var told struct {
		Now          time.Time
		Applications []redditsim.Usage
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil || resp.StatusCode != 200 || !told.Now.Equal(noon) || len(told.Applications) != 2 {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, body)
	}
	nobody, app := told.Applications[0], told.Applications[1]
	want := map[string]int{"new": 3, "hot": 2, "rising": 1, "top": 1, "info": 1, "by_id": 1, "other": 2, "token": 1}
	if !maps.Equal(app.Kinds, want) || app.Requests != 11 || app.MaxIn600s != 11 || app.Statuses[0] != 1 || app.Statuses[404] != 3 {
		t.Errorf("application %+v, want kinds %v", app, want)
	}
	if want := map[string]int{"new": 1}; !maps.Equal(nobody.Kinds, want) || nobody.Requests != 0 || nobody.MaxIn600s != 0 {
		t.Errorf("without a token %+v, want kinds %v", nobody, want)
	}
}
