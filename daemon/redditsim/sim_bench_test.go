package redditsim_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

// world60 is a Reddit of 60 communities with 30 posts a minute in all, and a
// clock that goes on by 10 s with every request.
func world60(b *testing.B) (sim *redditsim.Server, names string) {
	b.Helper()
	rates := map[string]float64{}
	for i := range 60 {
		rates[fmt.Sprintf("bench_%02d", i)] = 0.5
	}
	now := noon
	sim, err := redditsim.New(redditsim.Config{Seed: 1, Rates: rates, Now: func() time.Time {
		now = now.Add(10 * time.Second)
		return now
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return sim, strings.Join(sim.Subreddits(), "+")
}

// A page of 100 posts of 60 communities, as new ones come, takes 0.5 ms of one
// core of a small server; so do 100 posts by id. Most of it is their JSON.
func BenchmarkPageOfSixty(b *testing.B) {
	sim, names := world60(b)
	benchmark(b, sim, "/r/"+names+"/new?limit=100&raw_json=1")
}

// An anchor that is not in the listing costs the walk through all of it.
func BenchmarkLostAnchor(b *testing.B) {
	sim, names := world60(b)
	benchmark(b, sim, "/r/"+names+"/new?limit=100&raw_json=1&after=t3_1")
}

func BenchmarkInfoOfHundred(b *testing.B) {
	sim, names := world60(b)
	var ids []string
	all := sim.Truth(strings.Split(names, "+"), noon.Add(-24*time.Hour), noon)
	for i := range 100 {
		ids = append(ids, all[i*len(all)/100].ID)
	}
	benchmark(b, sim, "/api/info?raw_json=1&id="+strings.Join(ids, ","))
}

func BenchmarkHotOfSixty(b *testing.B) {
	sim, names := world60(b)
	benchmark(b, sim, "/r/"+names+"/hot?limit=100&raw_json=1")
}

func benchmark(b *testing.B, sim *redditsim.Server, path string) {
	b.Helper()
	req, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = sim.Answer(req)
	}
	b.ReportMetric(float64(size)/1024, "KB")
}
