package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"dev.redditpulse/shared/wire"
)

// Two ingest daemons share one work: one polls, the other takes over when the
// first is killed, without a post lost, seen first twice, or a burst.
func TestAnIngestDaemonTakesOver(t *testing.T) {
	t.Parallel()
	names := []string{"takeover_a", "takeover_b", "takeover_c"}
	c := newCluster(t, []string{
		"--rate", "takeover_a=240", "--rate", "takeover_b=60", "--rate", "takeover_c=5", "--lag", "0s", "--held", "0", "--removed", "0", "--gone", "0",
	}, "PULSE_SCHEDULER_BACKFILL=0s")
	for _, name := range names {
		c.sql(t, `insert into subreddit_config (name, interval_seconds, priority) values ($1, 10, 'fast')`, name)
	}
	c.daemon(t, "process")
	begun := time.Now()
	leader := c.daemon(t, "ingest")
	leader.says(t, `polling begins`)
	for round := range 3 {
		standby := c.daemon(t, "ingest")
		standby.says(t, `waiting to lead`)
		// Until a post of this round has been seen.
		before := ask[int64](t, c, `select count(*) from posts`)
		eventually(t, "posts of this round", func() bool { return ask[int64](t, c, `select count(*) from posts`) > before+15 })
		killed := time.Now()
		_ = leader.stop(t, syscall.SIGKILL)
		standby.says(t, `polling begins`)
		if took := time.Since(killed); took > 10*time.Second {
			t.Errorf("round %d: taken over after %s", round, took)
		} else {
			t.Logf("round %d: taken over after %s", round, took.Round(100*time.Millisecond))
		}
		leader = standby
	}
	until := time.Now()
	polls := func() int64 {
		return ask[int64](t, c, `select count(*) from subreddit_status where covered_until > $1`, until.Add(2*time.Second))
	}
	eventually(t, "a poll after the last post that is asked for", func() bool { return polls() == int64(len(names)) })
	_ = leader.stop(t, syscall.SIGTERM)

	c.nothingIsMissing(t, begun.Add(time.Second), until, names...)
}

// nothingIsMissing holds the raw topic against the simulator's truth: every post
// that was in a listing for a while is there, none twice, no gap had to be
// recorded, and the budget was kept.
func (c *cluster) nothingIsMissing(t *testing.T, from, until time.Time, names ...string) {
	t.Helper()
	seen := c.firstSights(t)
	posts, missing, twice := c.truth(t, from, until, names...), 0, 0
	for _, p := range posts {
		switch n := seen[p.ID]; {
		case n == 0 && p.VisibleFrom != nil && (p.GoneAt == nil || p.GoneAt.Sub(*p.VisibleFrom) > time.Minute):
			missing++
		case n > 1:
			twice++
		}
	}
	if len(posts) < 20 || missing > 0 || twice > 0 {
		t.Errorf("of %d posts %d are missing, %d were seen first twice", len(posts), missing, twice)
	}
	t.Logf("%d posts, %d missing, %d seen first twice", len(posts), missing, twice)
	if gaps := ask[int64](t, c, `select count(*) from subreddit_gaps`); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
	if u := c.usage(t); u.TooMany > 0 || u.MaxIn600s > 900 {
		t.Errorf("used %+v", u)
	}
}

// Kafka, then the database, go away while posts come: polling pauses, goes on by
// itself, and what was posted meanwhile is found.
func TestPollingOutlivesItsServers(t *testing.T) {
	t.Parallel()
	names := []string{"outage_a", "outage_b"}
	c := newCluster(t, []string{
		"--rate", "outage_a=120", "--rate", "outage_b=20", "--lag", "0s", "--held", "0", "--removed", "0", "--gone", "0",
	}, "PULSE_SCHEDULER_BACKFILL=0s")
	for _, name := range names {
		c.sql(t, `insert into subreddit_config (name, interval_seconds, priority) values ($1, 10, 'fast')`, name)
	}
	stage := c.daemon(t, "process")
	begun := time.Now()
	ingest := c.daemon(t, "ingest")
	stored := func() int64 { return ask[int64](t, c, `select count(*) from posts`) }
	flows := func() {
		t.Helper()
		before := stored()
		eventually(t, "posts flow", func() bool { return stored() > before+5 })
	}
	flows()
	c.kafka.Close()
	ingest.says(t, `polling pauses.*outage=pipeline`)
	c.startKafka(t)
	ingest.says(t, `polling goes on.*outage=pipeline`)
	flows()
	c.stopPostgres(t)
	ingest.says(t, `polling begins(?s:.*)waiting to lead`)
	c.startPostgres(t)
	ingest.says(t, `polling begins(?s:.*)polling begins`)
	flows()
	until := time.Now()
	eventually(t, "a poll after the last post that is asked for", func() bool {
		return ask[int64](t, c, `select count(*) from subreddit_status where covered_until > $1`, until.Add(2*time.Second)) == 2
	})
	for _, p := range []*process{ingest, stage} {
		select {
		case <-p.done:
			t.Errorf("a daemon ended: %v", p.err)
		default:
		}
	}
	c.nothingIsMissing(t, begun.Add(time.Second), until, names...)
}

// A change of the configuration is obeyed within a second, by whatever door it
// came, and by the poll where the notification was lost.
func TestChangesAreObeyedAtOnce(t *testing.T) {
	t.Parallel()
	s := up(t, folder(t), []string{"PULSE_SCHEDULER_CONFIG_POLL=5s", "PULSE_SCHEDULER_BACKFILL=0s"})
	c := &cluster{dsn: s.setting(t, "postgres", "primary_dsn").(string)}
	firstPoll := func(name string) time.Duration {
		t.Helper()
		var took float64
		eventually(t, "a poll of "+name, func() bool {
			took = ask[float64](t, c, `select coalesce(max(extract(epoch from s.last_poll_at - c.updated_at)), 1e9)::float8
				from subreddit_config c join subreddit_status s on s.name = lower(c.name)
				where c.name = $1 and s.last_poll_at >= c.updated_at - interval '5 ms'`, name)
			return took < 1e9
		})
		return time.Duration(took * float64(time.Second))
	}
	// Just after a start the request budget is empty by design.
	eventually(t, "a second round of polls", func() bool {
		return ask[bool](t, c, `select coalesce(bool_and(last_poll_at > $1), false) from subreddit_status`, time.Now().Add(-5*time.Second)) &&
			s.metric(t, `pulse_ingest_poll_seconds_count`) > 1
	})
	ninety, off, on := 90, false, true
	if _, err := s.api.AddSubreddit(t.Context(), wire.NewSubreddit{Name: "politics", IntervalSeconds: &ninety}); err != nil {
		t.Fatal(err)
	}
	all := map[string]time.Duration{"added by the API": firstPoll("politics")}
	c.sql(t, `insert into subreddit_config (name, interval_seconds) values ('rust', 600)`)
	all["added by SQL"] = firstPoll("rust")
	c.sql(t, `update subreddit_config set interval_seconds = 10, priority = 'fast' where name = 'rust'`)
	all["edited by SQL"] = firstPoll("rust")
	for _, active := range []*bool{&off, &on} {
		row, err := s.api.Subreddit(t.Context(), "politics")
		if err == nil {
			_, err = s.api.EditSubreddit(t.Context(), "politics", row.Version, wire.SubredditChange{IsActive: active})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all["resumed by the API"] = firstPoll("politics")
	for what, took := range all {
		// Generous beside what is measured, for a machine that does much else.
		if took > 5*time.Second {
			t.Errorf("%s: polled after %s", what, took)
		}
		t.Logf("%s: polled after %s", what, took.Round(time.Millisecond))
	}
	c.sql(t, `alter table subreddit_config disable trigger user`)
	c.sql(t, `insert into subreddit_config (name) values ('webdev')`)
	c.sql(t, `insert into subreddit_status (name, state) values ('webdev', 'pending') on conflict do nothing`)
	took := firstPoll("webdev")
	t.Logf("with the notification lost: polled after %s, scheduler.config_poll is 5 s", took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("with the notification lost: polled after %s", took)
	}
}

// What an operator sees of a community that can't be read, of one whose row is
// wrong, and of gaps.
func TestTroubleOfASubredditIsShown(t *testing.T) {
	t.Parallel()
	s := up(t, folder(t), []string{"PULSE_SCHEDULER_BACKFILL=0s"})
	c := &cluster{dsn: s.setting(t, "postgres", "primary_dsn").(string)}
	states := map[string]string{
		"private_club": "private", "quarantined_x": "quarantined", "gated_x": "gated", "banned_x": "banned",
		"missing_x": "missing", "golang": "polling",
	}
	for name := range states {
		if _, err := s.api.AddSubreddit(t.Context(), wire.NewSubreddit{Name: name}); err != nil && name != "golang" {
			t.Fatal(err)
		}
	}
	shown := map[string]string{}
	eventually(t, "all states are shown", func() bool {
		list, err := s.api.Subreddits(t.Context())
		if err != nil {
			return false
		}
		for _, row := range list.Results {
			shown[row.Name] = row.Status.State
		}
		for name, state := range states {
			if shown[name] != state {
				return false
			}
		}
		return list.Budget != nil && list.Budget.Allowed > 0
	})
	row, err := s.api.Subreddit(t.Context(), "private_club")
	if err != nil || !strings.Contains(row.Status.LastError, "private") || row.Status.NextPollAt == nil {
		t.Errorf("%+v, %v", row, err)
	}
	c.sql(t, `alter table subreddit_config drop constraint subreddit_config_interval_seconds_check`)
	c.sql(t, `insert into subreddit_config (name, interval_seconds) values ('hasty', 1)`)
	eventually(t, "a bad row is refused", func() bool {
		row, err := s.api.Subreddit(t.Context(), "hasty")
		return err == nil && strings.Contains(row.Status.LastError, "interval_seconds")
	})
}
