package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/sql"
)

// A page of a filled table is walked to, first or far: no sort, no scan of it.
func TestPagesInTheOrdersOfTimeWalkAnIndex(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	execute(t, c, `select ensure_history_partition(date '2026-03-02' + i) from generate_series(0, 3) i`)
	execute(t, c, `insert into posts (id, subreddit, title, author, url, permalink, is_self, over_18,
		created_at, observed_at, score, num_comments, state)
		select 't3_' || i, 'golang', 't', 'a', 'u', 'p', false, false, at, at, i, 0, 'live'
		from (select i, timestamptz '2026-03-02Z' + i * interval '3 s' as at from generate_series(1, 60000) i) x`)
	execute(t, c, `insert into post_history (post_id, observed_at, score, num_comments)
		select id, observed_at, 1, 0 from posts`)
	execute(t, c, `analyze`)
	far := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	for _, name := range []string{"list_observed", "list_observed_back", "list_created", "list_created_back"} {
		for _, key := range []any{nil, far} {
			walksAnIndex(t, c, "post/"+name, nil, nil, nil, nil, nil, nil, key, "t3_1", 51)
		}
	}
	for _, since := range []time.Time{far, far.AddDate(-1, 0, 0)} {
		walksAnIndex(t, c, "post/list_live", since, 20_000)
	}
	execute(t, c, `update posts set trend = '{}' where score % 200 = 0`)
	execute(t, c, `insert into trending_posts select id from posts where trend is not null`)
	execute(t, c, `vacuum analyze`)
	walksAnIndex(t, c, "post/list_trending", nil, nil, nil, nil, nil, nil, 5000)
}

// Of many dead letters most are settled: neither a page nor what is to be done
// next looks at all of them.
func TestDeadLettersAreFoundByAnIndex(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	execute(t, c, `insert into dead_letters (id, state, topic, "partition", "offset", stage, class, message,
		consumer_group, app_version, first_failed_at, failed_at, failure, replays, key, value, headers)
		select 'reddit.posts.raw/0/' || i, case when i % 20 = 0 then 'open' else 'replayed' end, 'reddit.posts.raw', 0, i,
			'store', 'invalid:' || i % 7, 'm', 'g', 'v', at, at, 0, 0, 'k', 'v', '[]'
		from (select i, timestamptz '2026-03-02Z' + i * interval '1 s' as at from generate_series(1, 60000) i) x`)
	execute(t, c, `vacuum analyze`)
	far := time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	const last = "reddit.posts.raw/0/5"
	for _, state := range []any{nil, "open"} {
		for _, class := range []any{nil, "invalid:3"} {
			for _, key := range []any{nil, far} {
				walksAnIndex(t, c, "deadletter/list", state, nil, nil, class, nil, nil, key, last, 51)
			}
			walksAnIndex(t, c, "deadletter/lease", nil, state, nil, nil, class, nil, nil, 3, "2 minutes", 20, []string{last})
			walksAnIndex(t, c, "deadletter/discard", nil, state, nil, nil, class, nil, nil, "olga", "r", 100)
		}
	}
}

// walksAnIndex explains a query with the values in the text, as a custom plan
// sees them.
func walksAnIndex(t *testing.T, c config.Postgres, query string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "explain (costs off) "+sql.Query(query),
		append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	if strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan on posts ") ||
		strings.Contains(plan, "Seq Scan on dead_letters") || !strings.Contains(plan, "Index") {
		t.Errorf("%s of %v:\n%s", query, args, plan)
	}
}
