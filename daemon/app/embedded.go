package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"dev.redditpulse/daemon/embedded"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/shared/config"
)

// embeddedParts is the servers that `pulse up` runs itself.
type embeddedParts struct {
	dirLock  *embedded.Lock
	kafka    *embedded.Kafka
	redis    *embedded.Redis
	postgres *embedded.Postgres
}

func (e *embeddedParts) lock(dir string) (err error) {
	e.dirLock, err = embedded.LockDir(dir)
	return err
}

// start brings up all three at once below dir and tells u of each, in their
// order.
func (e *embeddedParts) start(ctx context.Context, dir string, u *upRun) error {
	log, replica := u.parts.log, !u.flags.noReplica
	var starts sync.WaitGroup
	var errs [3]error
	starts.Go(func() {
		e.kafka, errs[0] = embedded.StartKafka(ctx, embedded.KafkaConfig{
			Dir: filepath.Join(dir, "kafka"), Log: log.With("part", "kafka")})
	})
	starts.Go(func() {
		e.redis, errs[1] = embedded.StartRedis(ctx, embedded.RedisConfig{
			Dir: filepath.Join(dir, "redis"), Log: log.With("part", "redis"), Password: u.c.Redis.Password.Reveal()})
	})
	starts.Go(func() {
		e.postgres, errs[2] = embedded.StartPostgres(ctx, embedded.PostgresConfig{
			Dir: filepath.Join(dir, "postgres"), Replica: replica, Log: log.With("part", "postgres"), Progress: u.progress})
	})
	starts.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	u.ready("kafka", "embedded, on %v", e.kafka.Brokers())
	u.ready("redis", "%s on %s", e.redis.Kind, e.redis.Addr)
	if replica {
		u.ready("postgres", "%s, primary and streaming replica", e.postgres.Version)
	} else {
		u.ready("postgres", "%s, no replica", e.postgres.Version)
	}
	return nil
}

// configure points c at the embedded servers: one broker holds the only copy.
func (e *embeddedParts) configure(c *config.Config) {
	c.Kafka.Brokers = e.kafka.Brokers()
	c.Kafka.ReplicationFactor, c.Kafka.MinInsyncReplicas = 1, 1
	c.Redis.Addr = e.redis.Addr
	c.Postgres.PrimaryDSN = config.Secret(e.postgres.PrimaryDSN)
	c.Postgres.ReplicaDSN = config.Secret(e.postgres.ReplicaDSN)
}

// watch stops the whole system when a server dies: nothing works without it,
// and a start mends it.
func (e *embeddedParts) watch() lifecycle.Service {
	return lifecycle.Service{Name: "embedded servers", Run: func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-e.redis.Done():
			return errors.New("redis has died")
		case <-e.postgres.Done():
			return errors.New("postgres has died")
		}
	}}
}

func (e *embeddedParts) close(ctx context.Context) error {
	var err error
	if e.kafka != nil {
		e.kafka.Close()
	}
	if e.redis != nil {
		e.redis.Close()
	}
	if e.postgres != nil {
		if err = e.postgres.Close(ctx); err != nil {
			err = fmt.Errorf("stop postgres: %w", err)
		}
	}
	if e.dirLock != nil {
		e.dirLock.Unlock()
	}
	return err
}
