package db_test

import (
	"fmt"
	"testing"
	"time"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
)

// tenThousand gives a database with 10,000 subreddits that have gaps gaps each.
func tenThousand(b *testing.B, gaps int) (*db.DB, map[string]pulse.SubredditStatus) {
	b.Helper()
	c := settings(b)
	migrate(b, c)
	d := openAt(b, c)
	execute(b, c, `insert into subreddit_config (name) select 'sub_' || i from generate_series(1, 10000) i`)
	at, rate := start, 0.5
	statuses := map[string]pulse.SubredditStatus{}
	var all []pulse.Gap
	for i := range 10_000 {
		name := fmt.Sprintf("sub_%d", i+1)
		statuses[name] = pulse.SubredditStatus{State: pulse.Polling, LastPollAt: &at, NextPollAt: &at,
			PostsPerMinute: &rate, CoveredUntil: &at, RatePosts: 5, RateMinutes: 10}
		for hour := range gaps {
			all = append(all, gap(name, hour))
		}
	}
	if err := d.AddGaps(b.Context(), all); err != nil {
		b.Fatal(err)
	}
	save(b, d, statuses)
	execute(b, c, "analyze")
	return d, statuses
}

func BenchmarkSaveStatusesOf10000(b *testing.B) {
	d, statuses := tenThousand(b, 0)
	for b.Loop() {
		save(b, d, statuses)
	}
}

func BenchmarkListSubredditsOf10000(b *testing.B) {
	for _, gaps := range []int{0, 20} {
		b.Run(fmt.Sprintf("%d gaps each", gaps), func(b *testing.B) {
			d, _ := tenThousand(b, gaps)
			for b.Loop() {
				if all, err := d.ListSubreddits(b.Context()); err != nil || len(all) != 10_000 {
					b.Fatal(len(all), err)
				}
			}
		})
	}
}

func BenchmarkLivePostsOf200000(b *testing.B) {
	c := settings(b)
	migrate(b, c)
	d := openAt(b, c)
	execute(b, c, `insert into posts (id, subreddit, title, author, url, permalink, is_self, over_18,
		created_at, observed_at, score, num_comments, state, velocity)
		select 't3_' || i, 'golang', repeat('t', 60), 'a', 'u', 'p', false, false, at, at, i, 0, 'live', 1.5
		from (select i, timestamptz '2026-03-02Z' + i * interval '1 s' as at from generate_series(1, 250000) i) x`)
	execute(b, c, "analyze")
	for b.Loop() {
		posts, err := d.LivePosts(b.Context(), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), 200_000)
		if err != nil || len(posts) != 200_000 {
			b.Fatal(len(posts), err)
		}
	}
}
