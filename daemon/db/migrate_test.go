package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

func steps(t testing.TB, c config.Postgres) *goose.Provider {
	t.Helper()
	cc, err := pgx.ParseConfig(c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	pool := stdlib.OpenDB(*cc)
	t.Cleanup(func() { pool.Close() })
	p, err := goose.NewProvider(goose.DialectPostgres, pool, sql.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestADatabaseOfVersion3UpgradesWithoutLossAndGoesBack(t *testing.T) {
	t.Parallel()
	c := settings(t)
	schema := steps(t, c)
	if _, err := schema.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	execute(t, c, `insert into subreddit_config (name, interval_seconds) values ('Politics', 90), ('rust', 60)`)
	execute(t, c, `insert into subreddit_status (name, state, last_poll_at, posts_per_minute, last_error, gaps)
		values ('politics', 'backoff', '2026-03-04 05:06:07Z', 2.5, '503', 7), ('removed_long_ago', 'polling', null, null, '', 1)`)
	if _, err := schema.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := openAt(t, c)
	all, err := d.ListSubreddits(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("listed %+v, %v", all, err)
	}
	s := all[0].Status
	if all[0].Name != "Politics" || all[0].IntervalSeconds != 90 || s.State != pulse.Backoff || !sameTime(s.LastPollAt, start) ||
		*s.PostsPerMinute != 2.5 || s.LastError != "503" || s.Gaps != 7 || s.LastGap != nil || s.CoveredUntil != nil {
		t.Errorf("got %+v", all[0])
	}
	save(t, d, map[string]pulse.SubredditStatus{"RUST": {State: pulse.Polling, RatePosts: 3}})
	if err := d.AddGaps(t.Context(), []pulse.Gap{gap("politics", 0)}); err != nil {
		t.Fatal(err)
	}
	if p, r := statusOf(t, d, "politics"), statusOf(t, d, "rust"); p.Gaps != 8 || p.LastGap == nil || r.State != pulse.Polling || r.RatePosts != 3 {
		t.Errorf("after the upgrade: %+v, %+v", p, r)
	}
	if _, err := schema.DownTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	execute(t, c, `update subreddit_status set gaps = gaps + 1 where name = 'politics' and gaps = 8`)
	execute(t, c, `insert into subreddit_config (name) values ('golang')`)
	if _, err := schema.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, d, "politics"); s.Gaps != 9 || s.LastGap != nil || !sameTime(s.LastPollAt, start) {
		t.Errorf("down and up again: %+v", s)
	}
}

func TestAllStatusesMayChangeAtOnceOnTheirPages(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	d := openAt(t, c)
	execute(t, c, `insert into subreddit_config (name) select 'sub_' || i from generate_series(1, 2000) i`)
	all, err := d.ListSubreddits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change := func(at time.Time) {
		statuses := map[string]pulse.SubredditStatus{}
		for _, s := range all {
			statuses[s.Name] = pulse.SubredditStatus{State: pulse.Polling, LastPollAt: &at, NextPollAt: &at, CoveredUntil: &at}
		}
		save(t, d, statuses)
	}
	change(start)
	execute(t, c, "vacuum full subreddit_status") // all rows as wide as they get
	before := tableSize(t, c, "subreddit_status")
	change(start.Add(time.Minute))
	if after := tableSize(t, c, "subreddit_status"); after != before {
		t.Errorf("the table grew from %d to %d bytes", before, after)
	}
}

func tableSize(t testing.TB, c config.Postgres, table string) (bytes int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "select pg_relation_size($1::text::regclass)", table).Scan(&bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}
