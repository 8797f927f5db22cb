package db_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/daemon/pgtest"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

var quiet = slog.New(slog.DiscardHandler)

func settings(t testing.TB) config.Postgres {
	t.Helper()
	c := config.Default().Postgres
	primary, replica := pgtest.Database(t)
	c.PrimaryDSN, c.ReplicaDSN = config.Secret(primary), config.Secret(replica)
	return c
}

func migrate(t testing.TB, c config.Postgres) []db.Migration {
	t.Helper()
	m, err := db.OpenMigrator(c.PrimaryDSN, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	applied, err := m.Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

// open gives a database with the schema.
func open(t testing.TB) *db.DB {
	t.Helper()
	c := settings(t)
	migrate(t, c)
	return openAt(t, c)
}

func openAt(t testing.TB, c config.Postgres) *db.DB {
	t.Helper()
	d, err := db.Open(c, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func post(id string, after time.Duration, score int64) pulse.Post {
	flair := "Discussion"
	ratio := 0.97
	return pulse.Post{Observation: pulse.Observation{
		PostID: id, ObservedAt: start.Add(after), Source: "new", Subreddit: "GoLang", Title: "title of " + id,
		Author: "gopher", URL: "https://example.org/" + id, Permalink: "/r/golang/" + id, Flair: &flair,
		IsSelf: true, CreatedAt: start.Add(-time.Hour), Score: score, NumComments: score / 2,
		UpvoteRatio: &ratio, State: pulse.Live,
	}}
}

func write(t testing.TB, d *db.DB, posts ...pulse.Post) []string {
	t.Helper()
	ids, repeated, err := d.WriteBatch(t.Context(), posts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range repeated {
		ids = append(ids, repeated[i].PostID)
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return ids
}

func TestManyStartersMigrateOnce(t *testing.T) {
	t.Parallel()
	c := settings(t)
	var starters sync.WaitGroup
	var mu sync.Mutex
	applied := map[int64]int{}
	for range 3 {
		starters.Go(func() {
			m, err := db.OpenMigrator(c.PrimaryDSN, quiet)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			steps, err := m.Up(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, s := range steps {
				applied[s.Version]++
			}
		})
	}
	starters.Wait()
	if len(applied) == 0 {
		t.Fatal("nothing was applied")
	}
	for version, times := range applied {
		if times != 1 {
			t.Errorf("migration %d was applied %d times", version, times)
		}
	}
}

func TestAnOlderSchemaIsRefusedWithTheCommandThatMendsIt(t *testing.T) {
	t.Parallel()
	c := settings(t)
	m, err := db.OpenMigrator(c.PrimaryDSN, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "pulse migrate up") {
		t.Errorf("got %v, want the command in it", err)
	}
	migrate(t, c)
	if err := m.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheNewestReadingWinsInAnyOrder(t *testing.T) {
	t.Parallel()
	d := open(t)
	readings := []pulse.Post{post("t3_a", 2*time.Minute, 20), post("t3_a", 0, 1), post("t3_a", time.Minute, 10), post("t3_a", 2*time.Minute, 20)}
	announced := make([][]string, len(readings))
	for i, p := range readings {
		announced[i] = write(t, d, p)
	}
	got, _, err := d.GetPost(t.Context(), "t3_a")
	if err != nil {
		t.Fatal(err)
	}
	want := readings[0]
	want.Source = "" // where a reading came from is not stored
	if !reflect.DeepEqual(got, want) {
		t.Errorf("stored %+v\nwant   %+v", got, want)
	}
	history, _, err := d.PostHistory(t.Context(), "t3_a", 100)
	if err != nil {
		t.Fatal(err)
	}
	var scores []int64
	for _, r := range history {
		scores = append(scores, r.Score)
	}
	if !slices.Equal(scores, []int64{1, 10, 20}) {
		t.Errorf("history %v, want 1 10 20", scores)
	}
	// A replay of the newest reading is announced again, a stale one never.
	wantAnnounced := [][]string{{"t3_a"}, nil, nil, {"t3_a"}}
	if !reflect.DeepEqual(announced, wantAnnounced) {
		t.Errorf("announced %v, want %v", announced, wantAnnounced)
	}
}

func TestConcurrentBatchesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	d := open(t)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for round := range 15 {
				var batch []pulse.Post
				for i := range 100 {
					batch = append(batch, post(fmt.Sprintf("t3_%03d", i), time.Duration(4*round+w)*time.Second, int64(round)))
				}
				if _, _, err := d.WriteBatch(context.Background(), batch); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
}

func TestReadingsOfAnyDayFindTheirPartition(t *testing.T) {
	t.Parallel()
	d := open(t)
	days := []int{0, -1, -400, 1, -3650}
	var batch []pulse.Post
	for i, day := range days {
		batch = append(batch, post(fmt.Sprintf("t3_%d", i), time.Duration(day)*24*time.Hour, 1))
	}
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			if _, _, err := d.WriteBatch(context.Background(), batch); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if err := d.EnsurePartitions(t.Context(), start, 10); err != nil {
		t.Error(err)
	}
	for i := range days {
		if h, _, err := d.PostHistory(t.Context(), fmt.Sprintf("t3_%d", i), 10); err != nil || len(h) != 1 {
			t.Errorf("post %d has %d readings, %v", i, len(h), err)
		}
	}
}

func TestADroppedPartitionIsMadeAgain(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	d := openAt(t, c)
	write(t, d, post("t3_a", 0, 1))
	execute(t, c, "drop table post_history_20260304")
	_, _, err := d.WriteBatch(t.Context(), []pulse.Post{post("t3_a", time.Minute, 2)})
	if pulse.CodeOf(err) != pulse.Unavailable {
		t.Fatalf("got %v, want unavailable: the next try succeeds", err)
	}
	if p, _, err := d.GetPost(t.Context(), "t3_a"); err != nil || p.Score != 1 {
		t.Errorf("score %d, %v, want the one before: posts and history are one transaction", p.Score, err)
	}
	write(t, d, post("t3_a", time.Minute, 2))
}

func TestDataErrorsAreInvalidAndOutagesUnavailable(t *testing.T) {
	t.Parallel()
	d := open(t)
	bad := post("t3_a", 0, 1)
	bad.Title = "nul \x00 inside"
	if _, _, err := d.WriteBatch(t.Context(), []pulse.Post{bad}); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("a NUL gives %v, want invalid", err)
	}
	c := config.Default().Postgres
	c.PrimaryDSN = "postgres://u:hunter2@127.0.0.1:1/d"
	away := openAt(t, c)
	err := away.Ping(t.Context())
	if pulse.CodeOf(err) != pulse.Unavailable {
		t.Errorf("a server that is away gives %v, want unavailable", err)
	}
	if strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("the password is in %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := d.WriteBatch(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled write gives %v", err)
	}
}

func TestABadDSNIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	c := config.Default().Postgres
	c.PrimaryDSN = "postgres://u:hunter2@host:port:1/d"
	_, err := db.Open(c, quiet, prometheus.NewRegistry())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "postgres.primary_dsn") {
		t.Errorf("got %v", err)
	}
}
