package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
)

// Validate reports every setting that is out of its range. What a daemon needs
// but may lack here (a DSN, a key) is refused by that daemon.
func (c *Config) Validate() error {
	var v validator
	v.url("reddit.base_url", c.Reddit.BaseURL)
	v.url("reddit.token_url", c.Reddit.TokenURL)
	within(&v, "reddit.requests_per_minute", c.Reddit.RequestsPerMinute, 1, 10_000)
	within(&v, "reddit.timeout", c.Reddit.Timeout, time.Second, 5*time.Minute)

	within(&v, "scheduler.config_poll", c.Scheduler.ConfigPoll, time.Second, time.Hour)
	within(&v, "scheduler.max_pages", c.Scheduler.MaxPages, 1, 10)
	within(&v, "scheduler.workers", c.Scheduler.Workers, 1, 64)
	within(&v, "scheduler.backfill", c.Scheduler.Backfill, 0, 20*365*24*time.Hour)
	if c.Scheduler.Sweep != 0 {
		within(&v, "scheduler.sweep", c.Scheduler.Sweep, 10*time.Minute, 24*time.Hour)
	}
	within(&v, "scheduler.sweep_depth", c.Scheduler.SweepDepth, 10*time.Minute, 24*time.Hour)
	within(&v, "scheduler.refresh_until", c.Scheduler.RefreshUntil, time.Hour, 7*24*time.Hour)
	within(&v, "scheduler.max_live", c.Scheduler.MaxLive, 1_000, 5_000_000)
	within(&v, "scheduler.discovery_share", c.Scheduler.DiscoveryShare, 0.1, 1)

	if len(c.Kafka.Brokers) == 0 {
		v.fail("kafka.brokers", "empty, want host:port of at least one broker")
	}
	for _, b := range c.Kafka.Brokers {
		v.address("kafka.brokers", b)
	}
	within(&v, "kafka.partitions", c.Kafka.Partitions, 1, 64)
	within(&v, "kafka.replication_factor", c.Kafka.ReplicationFactor, 1, 9)
	within(&v, "kafka.min_insync_replicas", c.Kafka.MinInsyncReplicas, 1, max(c.Kafka.ReplicationFactor, 1))
	within(&v, "kafka.retention", c.Kafka.Retention, time.Hour, 365*24*time.Hour)
	within(&v, "kafka.dead_retention", c.Kafka.DeadRetention, time.Hour, 365*24*time.Hour)
	v.present("kafka.group", c.Kafka.Group)
	within(&v, "kafka.session_timeout", c.Kafka.SessionTimeout, 1500*time.Millisecond, 5*time.Minute)
	within(&v, "kafka.rebalance_timeout", c.Kafka.RebalanceTimeout, time.Second, 5*time.Minute)
	within(&v, "kafka.heartbeat", c.Kafka.Heartbeat, 100*time.Millisecond, c.Kafka.SessionTimeout/3)
	within(&v, "kafka.write_timeout", c.Kafka.WriteTimeout, time.Second, time.Minute)
	within(&v, "kafka.fetch_wait", c.Kafka.FetchWait, 10*time.Millisecond, 10*time.Second)
	within(&v, "kafka.fetch_bytes", c.Kafka.FetchBytes, 64<<10, 64<<20)

	v.address("redis.addr", c.Redis.Addr)
	within(&v, "redis.velocity_db", c.Redis.VelocityDB, 0, 15)
	within(&v, "redis.limits_db", c.Redis.LimitsDB, 0, 15)
	within(&v, "redis.feed_db", c.Redis.FeedDB, 0, 15)
	within(&v, "redis.timeout", c.Redis.Timeout, 50*time.Millisecond, time.Minute)
	within(&v, "redis.velocity_ttl", c.Redis.VelocityTTL, time.Hour, 30*24*time.Hour)

	within(&v, "postgres.max_conns", c.Postgres.MaxConns, 2, 200)
	within(&v, "postgres.statement_timeout", c.Postgres.StatementTimeout, time.Second, 10*time.Minute)
	within(&v, "postgres.max_replica_lag", c.Postgres.MaxReplicaLag, 100*time.Millisecond, time.Hour)

	within(&v, "process.batch_size", c.Process.BatchSize, 1, 5_000)
	within(&v, "process.retry_min", c.Process.RetryMin, 10*time.Millisecond, time.Minute)
	within(&v, "process.retry_max", c.Process.RetryMax, c.Process.RetryMin, 5*time.Minute)
	within(&v, "process.poison_share", c.Process.PoisonShare, 0, 1)
	if c.Process.MemoryLimit != 0 {
		within(&v, "process.memory_limit", c.Process.MemoryLimit, 32, 65536)
	}
	within(&v, "score.min_step", c.Score.MinStep, time.Second, time.Hour)
	within(&v, "score.tau", c.Score.Tau, c.Score.MinStep, 24*time.Hour)
	within(&v, "score.noise", c.Score.Noise, 0, 1_000)
	within(&v, "score.noise_share", c.Score.NoiseShare, 0, 1)
	within(&v, "score.enter", c.Score.Enter, 1, 99)
	within(&v, "score.leave", c.Score.Leave, 0, c.Score.Enter)
	within(&v, "score.min_points", c.Score.MinPoints, 0, 1_000_000)
	within(&v, "score.min_comments", c.Score.MinComments, 0, 1_000_000)
	within(&v, "score.prior", c.Score.Prior, time.Minute, 10_000*time.Hour)
	within(&v, "score.min_baseline", c.Score.MinBaseline, 0, 100_000*time.Hour)
	within(&v, "store.partitions_ahead", c.Store.PartitionsAhead, 1, 60)
	within(&v, "store.replay_rate", c.Store.ReplayRate, 50, 100_000)

	within(&v, "feed.stream_length", c.Feed.StreamLength, 100, 1_000_000)
	within(&v, "feed.log_length", c.Feed.LogLength, 100, c.Feed.StreamLength)
	within(&v, "feed.snapshot", c.Feed.Snapshot, 1, c.Feed.LogLength)
	within(&v, "feed.coalesce", c.Feed.Coalesce, time.Millisecond, 10*time.Second)
	within(&v, "feed.heartbeat", c.Feed.Heartbeat, time.Second, 5*time.Minute)
	within(&v, "feed.write_timeout", c.Feed.WriteTimeout, 100*time.Millisecond, 5*time.Minute)
	within(&v, "feed.max_sockets", c.Feed.MaxSockets, 1, 1_000_000)
	within(&v, "feed.max_per_user", c.Feed.MaxPerUser, 1, c.Feed.MaxSockets)

	v.address("api.listen", c.API.Listen)
	within(&v, "api.max_body", c.API.MaxBody, 1<<10, 16<<20)
	within(&v, "api.read_timeout", c.API.ReadTimeout, time.Second, 10*time.Minute)
	within(&v, "api.write_timeout", c.API.WriteTimeout, time.Second, 10*time.Minute)
	within(&v, "auth.access_ttl", c.Auth.AccessTTL, time.Minute, 24*time.Hour)
	within(&v, "auth.refresh_ttl", c.Auth.RefreshTTL, c.Auth.AccessTTL, 90*24*time.Hour)
	v.address("ops.listen", c.Ops.Listen)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	return errors.Join(v.faults...)
}

type validator struct{ faults []error }

func (v *validator) fail(key, format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf(key+": "+format, args...))
}

func within[T cmp.Ordered](v *validator, key string, value, low, high T) {
	if !(value >= low && value <= high) {
		v.fail(key, "%v, want %v to %v", value, low, high)
	}
}

func (v *validator) present(key, value string) {
	if value == "" {
		v.fail(key, "empty")
	}
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.fail(key, "%q, want one of %v", value, allowed)
	}
}

func (v *validator) address(key, value string) {
	_, port, err := net.SplitHostPort(value)
	if err != nil || port == "" {
		v.fail(key, "%q, want host:port", value)
		return
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		v.fail(key, "%q: no such port", value)
	}
}

func (v *validator) url(key, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		v.fail(key, "%q, want an http or https URL", value)
	}
}
