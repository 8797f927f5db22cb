package e2e

import (
	"context"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

var (
	backlogSize = flag.Int("backlog", 300_000, "readings that wait in the topics where throughput is measured")
	fullSpeed   = flag.Duration("full-speed", 20*time.Second, "how long memory is measured at full speed")
)

// backlogPosts is how many posts the backlog has: each is first inserted, then
// updated.
const backlogPosts = 60_000

// From a backlog in the topics to the rows committed and announced, beside bare
// upserts of the same rows by the same statements on the same server, before and
// after: a machine that others use is not the same all the time.
func BenchmarkProcessing(b *testing.B) {
	b.Run("one-replica", func(b *testing.B) {
		for b.Loop() {
			c := newServers(b)
			l := newLoad(b, c, shape{width: backlogPosts})
			l.writeAll(b, *backlogSize)
			rows := l.observations()
			before := bareUpserts(b, c.dsn, rows)
			rate := measure(b, c, 1)
			bare := (before + bareUpserts(b, c.dsn, rows)) / 2
			b.ReportMetric(bare, "bare-rows/s")
			b.ReportMetric(100*rate/bare, "%of-bare")
		}
	})
	b.Run("three-replicas", func(b *testing.B) {
		for b.Loop() {
			c := newServers(b)
			newLoad(b, c, shape{width: backlogPosts}).writeAll(b, *backlogSize)
			measure(b, c, 3)
		}
	})
}

// measure has replicas work off the backlog.
func measure(b *testing.B, c *cluster, replicas int) float64 {
	b.Helper()
	var running []*process
	for range replicas {
		running = append(running, c.daemon(b, "process"))
	}
	rate, cpu := drain(b, c, running)
	peak := 0.0
	for _, p := range running {
		peak = max(peak, peakMegabytes(p))
		p.stop(b, interrupt)
	}
	b.ReportMetric(rate, "rows/s")
	b.ReportMetric(cpu, "cpu-s/1000-rows")
	b.ReportMetric(peak, "peak-MB")
	return rate
}

// drain gives how many records a second the daemons commit from when all of them
// work until the backlog is gone, and the CPU time that they use for 1,000.
func drain(b *testing.B, c *cluster, running []*process) (rate, cpu float64) {
	b.Helper()
	w := newObserver(b, c)
	for _, p := range running {
		eventually(b, "every daemon has partitions", func() bool { return p.metric(b, "pulse_bus_assigned_partitions") > 0 })
	}
	eventually(b, "the first commit", func() bool { return w.sum(b) > 0 })
	first, begun, used := w.sum(b), time.Now(), cpuOf(running)
	if share := float64(first) / float64(*backlogSize); share > 0.5 {
		b.Logf("only the last %.0f %% of the backlog were measured", 100*(1-share))
	}
	eventually(b, "the backlog is gone", func() bool { return w.backlog(b.Context()) == 0 })
	done := float64(w.sum(b) - first)
	return done / time.Since(begun).Seconds(), 1000 * (cpuOf(running) - used) / done
}

// sum is how many records the group has done with.
func (o *observer) sum(b *testing.B) (n int64) {
	b.Helper()
	offsets, err := o.committed(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, offset := range offsets {
		n += offset
	}
	return n
}

// observations is all that was written, in the order of writing.
func (l *load) observations() []pulse.Observation {
	var all []pulse.Observation
	for round := 0; ; round++ {
		before := len(all)
		for _, s := range l.all {
			if round < len(s.readings) {
				all = append(all, s.observation(round))
			}
		}
		if len(all) == before {
			return all
		}
	}
}

// From the moment a reading is handed to the producer to the moment its post is
// in the feed, which is after its rows are committed, at a steady rate.
func BenchmarkProcessingDelay(b *testing.B) {
	const rate, window = 1000, 30 * time.Second
	for b.Loop() {
		c := newServers(b)
		l := newLoad(b, c, shape{rate: rate, width: 500, readings: 10})
		p := c.daemon(b, "process")
		eventually(b, "partitions", func() bool { return p.metric(b, "pulse_bus_assigned_partitions") > 0 })
		l.start()
		time.Sleep(5 * time.Second) // connections, plans, the first sights of all posts
		used := cpuOf([]*process{p})
		delays := feedDelays(b, c, window)
		b.ReportMetric((cpuOf([]*process{p})-used)/window.Seconds()/rate*1000, "cpu-s/1000-rows")
		l.stop(b)
		b.ReportMetric(delays[len(delays)/2].Seconds()*1000, "ms/p50")
		b.ReportMetric(delays[len(delays)*99/100].Seconds()*1000, "ms/p99")
		b.ReportMetric(peakMegabytes(p), "peak-MB")
	}
}

// feedDelays follows the feed for so long and gives how long each post had taken
// to it, shortest first.
func feedDelays(b *testing.B, c *cluster, window time.Duration) []time.Duration {
	b.Helper()
	client := redis.NewClient(&redis.Options{Addr: c.redis.Addr, DB: config.Default().Redis.FeedDB, DisableIdentity: true})
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.Context(), window)
	defer cancel()
	var delays []time.Duration
	for at := "$"; ctx.Err() == nil; {
		streams, err := client.XRead(ctx, &redis.XReadArgs{Streams: []string{"{feed}:stream", at}, Count: 1000, Block: window}).Result()
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		for _, m := range streams[0].Messages {
			at = m.ID
			_, rest, _ := strings.Cut(m.Values["p"].(string), sentMark)
			text, _, _ := strings.Cut(rest, `"`)
			sent, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			delays = append(delays, now.Sub(time.UnixMicro(sent)))
		}
	}
	if len(delays) == 0 {
		b.Fatal("nothing came through the feed")
	}
	slices.Sort(delays)
	return delays
}

// The most memory that one daemon has ever had after a time at full speed.
func BenchmarkProcessingMemory(b *testing.B) {
	for b.Loop() {
		c := newServers(b)
		l := newLoad(b, c, shape{width: backlogPosts})
		p := c.daemon(b, "process")
		w := newObserver(b, c)
		begun := time.Now()
		for time.Since(begun) < *fullSpeed {
			l.writeAll(b, backlogPosts)
			eventually(b, "the backlog is short", func() bool { n := w.backlog(b.Context()); return n >= 0 && n < backlogPosts })
		}
		b.ReportMetric(float64(w.sum(b))/time.Since(begun).Seconds(), "rows/s")
		b.ReportMetric(peakMegabytes(p), "peak-MB")
	}
}

func cpuOf(running []*process) float64 {
	var pids []string
	for _, p := range running {
		pids = append(pids, strconv.Itoa(p.cmd.Process.Pid))
	}
	return cpuSeconds(pids)
}

// peakMegabytes is the most resident memory that a running process ever had.
func peakMegabytes(p *process) float64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}
