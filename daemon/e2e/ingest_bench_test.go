package e2e

import (
	"regexp"
	"strconv"
	"testing"
	"time"
)

// What `pulse ingest` costs with 10,000 active subreddits and 200,000 posts that
// are read again: its whole process, requests and decoding included.
func BenchmarkTenThousandSubreddits(b *testing.B) {
	const window = time.Minute
	for b.Loop() {
		c := newCluster(b, []string{"--no-oddities"}, "PULSE_SCHEDULER_BACKFILL=0s")
		c.sql(b, `insert into subreddit_config (name, interval_seconds, priority)
			select 'many' || n, 60 + n % 7 * 90, (array['fast', 'medium', 'slow'])[1 + n % 3] from generate_series(1, 10000) n`)
		c.sql(b, `insert into posts (id, subreddit, title, author, url, permalink, is_self, over_18, created_at, observed_at, score, num_comments, state)
			select 't3_live' || n, 'many' || n % 10000, 'title', 'author', '', '/r/x/', true, false,
				now() - n * interval '0.4 s', now() - interval '1 min', 1, 0, 'live' from generate_series(1, 200000) n`)
		p := c.daemon(b, "ingest")
		took, err := time.ParseDuration(p.says(b, `polling begins.* took=(\S+)`))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(took.Seconds(), "s/start")
		live := regexp.MustCompile(`live_posts=(\d+)`).FindStringSubmatch(p.out.String())
		n, _ := strconv.ParseFloat(live[1], 64)
		b.ReportMetric(n, "live-posts")
		<-time.After(20 * time.Second)
		pid := []string{strconv.Itoa(p.cmd.Process.Pid)}
		before, asked := cpuSeconds(pid), c.usage(b).Requests
		<-time.After(window)
		b.ReportMetric(100*(cpuSeconds(pid)-before)/window.Seconds(), "%cpu")
		b.ReportMetric(rssMegabytes(pid), "MB")
		b.ReportMetric(float64(c.usage(b).Requests-asked)/window.Minutes(), "requests/min")
	}
}
