package process

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/daemon/pgtest"
	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// schema gives a real database.
func schema(t *testing.T) *db.DB {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	c := config.Default().Postgres
	primary, _ := pgtest.Database(t) // without its replica: reads are of the newest
	c.PrimaryDSN = config.Secret(primary)
	m, err := db.OpenMigrator(c.PrimaryDSN, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(c, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// secretive is a reading whose words are easily found.
func secretive(state pulse.State, after time.Duration) pulse.Observation {
	flair := "regret"
	return pulse.Observation{
		PostID: "t3_abc", ObservedAt: start.Add(after), Source: "info", Subreddit: "GoLang", Title: "my regret",
		Author: "regretful", URL: "https://example.org/regret", Permalink: "/r/GoLang/comments/abc/my_regret/",
		Flair: &flair, IsSelf: true, CreatedAt: start.Add(-time.Hour), Score: 7, NumComments: 3, State: state,
	}
}

func readings(observations ...pulse.Observation) []wire.Record {
	records := make([]wire.Record, len(observations))
	for i := range observations {
		records[i] = wire.Record{Key: []byte(observations[i].PostID), Value: wire.EncodeObservation(&observations[i])}
	}
	return records
}

// handle processes readings, one batch, and gives what was told to the feed.
func handle(t *testing.T, d *db.DB, drop bool, observations ...pulse.Observation) []string {
	t.Helper()
	w := newWorld(readings(observations...)...)
	p := New(Config{
		BatchSize: 100, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond, PoisonShare: 1,
		DropDeletedText: drop, StreamLength: 100, Group: "g", Rules: score.Rules{MinStep: time.Second},
	}, w, d, w, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), func() time.Time { return start.Add(24 * time.Hour) })
	w.run(t, p)
	if len(w.dead) > 0 {
		t.Fatalf("%d dead letters, want none", len(w.dead))
	}
	return w.bodies
}

func stored(t *testing.T, d *db.DB) pulse.Post {
	t.Helper()
	p, _, err := d.GetPost(context.Background(), "t3_abc")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheWordsOfADeletedPostAreDroppedForGood(t *testing.T) {
	t.Parallel()
	d := schema(t)
	live, later := secretive(pulse.Live, 0), secretive(pulse.Live, time.Minute)
	deleted := secretive(pulse.Deleted, 2*time.Minute)

	handle(t, d, true, live)
	if got := stored(t, d); got.Title != "my regret" || got.Author != "regretful" {
		t.Fatalf("a live post is stored as %+v", got)
	}
	for i, batch := range [][]pulse.Observation{
		{deleted}, {live}, {later}, {live, later, deleted}, {deleted},
	} {
		what := fmt.Sprintf("batch %d", i)
		for _, body := range handle(t, d, true, batch...) {
			if strings.Contains(body, "regret") {
				t.Errorf("%s: the feed is told %s", what, body)
			}
		}
		got := stored(t, d)
		if all := fmt.Sprintf("%+v", got); strings.Contains(all, "regret") || got.Flair != nil {
			t.Errorf("%s: stored is %s", what, all)
		}
		if got.Title != deletedTitle || got.Author != "[deleted]" || got.URL != "" || got.Permalink != "/r/GoLang/comments/abc/" {
			t.Errorf("%s: stored is %+v", what, got)
		}
		if got.Score != 7 || got.NumComments != 3 || !got.IsSelf || got.State != pulse.Deleted || got.Subreddit != "GoLang" {
			t.Errorf("%s: the figures are %+v", what, got)
		}
	}
	history, _, err := d.PostHistory(context.Background(), "t3_abc", 10)
	if err != nil || len(history) != 3 {
		t.Errorf("history %+v, %v, want all three readings", history, err)
	}
}

func TestADeletedPostKeepsItsWordsWhereTheSettingSaysSo(t *testing.T) {
	t.Parallel()
	d := schema(t)
	handle(t, d, false, secretive(pulse.Deleted, 0))
	if got := stored(t, d); got.Title != "my regret" || got.Author != "regretful" || got.State != pulse.Deleted {
		t.Errorf("stored is %+v", got)
	}
}

func TestOnlyAuthorsTakeTheirWordsBack(t *testing.T) {
	t.Parallel()
	for _, state := range []pulse.State{pulse.Live, pulse.Removed, pulse.Gone} {
		w := newWorld(readings(secretive(state, 0))...)
		p := w.processor()
		p.c.DropDeletedText = true
		w.run(t, p)
		if got := w.posts["t3_abc"]; got.Title != "my regret" || len(w.bodies) != 1 || !strings.Contains(w.bodies[0], "my regret") {
			t.Errorf("%s: stored is %+v, told is %s", state, got, w.bodies)
		}
	}
}
