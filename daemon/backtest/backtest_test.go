package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"dev.redditpulse/daemon/backtest"
	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

var update = flag.Bool("update", false, "write the golden files anew")

var midnight = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func config() backtest.Config {
	return backtest.Config{Every: time.Hour, Rules: score.Rules{
		MinStep: 30 * time.Second, Tau: 15 * time.Minute, Noise: 6, NoiseShare: 0.03, Enter: 80, Leave: 60,
		MinPoints: 10, MinComments: 5, Prior: 10 * time.Hour, MinBaseline: 30 * time.Hour,
	}}
}

// small is a series made by hand: every ten minutes two posts are made, and read
// each five minutes for three hours. They stay where they are, but for one in ten
// of r/lively, which rises by 40 a minute from 40 minutes of age to 140.
func small() []pulse.Observation {
	var all []pulse.Observation
	for n := range 200 {
		for _, name := range []string{"lively", "still"} {
			made := midnight.Add(time.Duration(n) * 10 * time.Minute)
			for age := time.Duration(0); age <= 3*time.Hour; age += 5 * time.Minute {
				o := pulse.Observation{
					PostID: fmt.Sprintf("t3_%s%d", name, n), Subreddit: name, CreatedAt: made, ObservedAt: made.Add(age),
					Score: 1, NumComments: int64(age / time.Hour), State: pulse.Live,
				}
				if name == "lively" && n%10 == 9 {
					o.Score += int64(40 * min(max(age-40*time.Minute, 0), 100*time.Minute).Minutes())
				}
				all = append(all, o)
			}
		}
	}
	return all
}

func run(t *testing.T, readings []pulse.Observation) *backtest.Report {
	t.Helper()
	s := backtest.NewSeries()
	for i := range readings {
		if err := s.Add(&readings[i]); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := s.Run(t.Context(), config())
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestReportOfASmallSeries(t *testing.T) {
	t.Parallel()
	rep := run(t, small())
	var text bytes.Buffer
	if err := rep.Write(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "small.txt", text.Bytes())
	body, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "small.json", append(body, '\n'))
	if rep.Alerts.Count < 15 || rep.Alerts.Count > 20 || rep.Alerts.Top < 0.99 {
		t.Errorf("%+v, want one for each of 20 posts but the first", rep.Alerts)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

func TestTheOrderOfReadingsDoesNotMatter(t *testing.T) {
	t.Parallel()
	readings := small()
	want := run(t, readings)
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(readings), func(i, k int) { readings[i], readings[k] = readings[k], readings[i] })
	readings = append(readings, readings[:500]...)
	got := run(t, readings)
	got.Readings = want.Readings
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shuffled and partly doubled: %+v, want %+v", got, want)
	}
}

// TestOnlyThePastIsUsual has a day on which all posts of r/lively rise come after
// the small series, and before it.
func TestOnlyThePastIsUsual(t *testing.T) {
	t.Parallel()
	calm := run(t, small()).Alerts.Count
	if after := run(t, append(small(), busy(midnight.AddDate(0, 0, 2))...)).Alerts.Count; after < calm {
		t.Errorf("%d alerts with a busy day to come, want the %d without it", after, calm)
	}
	first := busy(midnight.AddDate(0, 0, -2))
	alone := run(t, first).Alerts.Count
	if before := run(t, append(first, small()...)).Alerts.Count; before >= calm+alone {
		t.Errorf("%d alerts behind a busy day with %d of its own, want fewer than %d more", before, alone, calm)
	}
}

// busy is a day of posts that all rise by 40 a minute.
func busy(start time.Time) []pulse.Observation {
	var all []pulse.Observation
	for n := range 100 {
		made := start.Add(time.Duration(n) * 10 * time.Minute)
		for age := time.Duration(0); age <= 3*time.Hour; age += 5 * time.Minute {
			all = append(all, pulse.Observation{
				PostID: fmt.Sprint("t3_busy", start.Unix(), n), Subreddit: "lively", CreatedAt: made, ObservedAt: made.Add(age),
				Score: int64(40 * age.Minutes()), State: pulse.Live,
			})
		}
	}
	return all
}

func TestSimulatedSeriesAreToldWell(t *testing.T) {
	t.Parallel()
	sim, err := redditsim.New(redditsim.Config{Seed: 9}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := backtest.NewSeries()
	err = sim.Series(t.Context(), redditsim.Series{
		Names: []string{"golang", "technology", "movies", "politics", "europe"}, From: midnight, Length: 36 * time.Hour, Every: 10 * time.Minute,
	}, s.Add)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Run(t.Context(), config())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *rep)
	if rep.Rankings[0].Rising < 0.5 || rep.Trending.Precision < 0.8 || rep.Trending.Points < 0.35 || rep.Alerts.Top < 0.9 {
		t.Errorf("%+v", *rep)
	}
	for _, r := range rep.Rankings {
		if r.Formula == "Reddit hot" && r.Rising > rep.Rankings[0].Rising {
			t.Errorf("%+v beats velocity", r)
		}
	}
}

func TestNothingToPlay(t *testing.T) {
	t.Parallel()
	if _, err := backtest.NewSeries().Run(t.Context(), config()); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("got %v, want it to be invalid", err)
	}
	s := backtest.NewSeries()
	if err := s.Add(&pulse.Observation{PostID: "t3_a", ObservedAt: midnight, CreatedAt: midnight, State: pulse.Live}); err != nil {
		t.Fatal(err)
	}
	rep, err := s.Run(t.Context(), config())
	if err != nil || rep.Comparisons != 0 || rep.Alerts != (backtest.Alerts{}) {
		t.Errorf("of a single reading: %+v, %v", rep, err)
	}
	if _, err := json.Marshal(rep); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, config()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
}
