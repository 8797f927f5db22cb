// Package cache is the adapter to Redis: what is remembered of each post, which
// velocity is measured against, and the feed stream. Whatever Redis loses can
// be rebuilt; nothing here is the truth.
package cache

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

// Cache is the connections to Redis, one pool a database.
type Cache struct {
	velocity *redis.Client
	feed     *redis.Client
	tail     *redis.Client // its blocking reads must not hold up the feed's writers
	ttl      time.Duration
}

// Open makes the pools; Redis is not asked yet.
func Open(c config.Redis) *Cache {
	return &Cache{
		velocity: newClient(c, c.VelocityDB, 8, c.Timeout),
		feed:     newClient(c, c.FeedDB, 4, c.Timeout),
		tail:     newClient(c, c.FeedDB, 2, c.Timeout+tailBlock),
		ttl:      c.VelocityTTL,
	}
}

// newClient bounds every call: the deadline of its context counts, retries are
// the caller's.
func newClient(c config.Redis, db, pool int, timeout time.Duration) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: c.Addr, Password: c.Password.Reveal(), DB: db, PoolSize: pool,
		DialTimeout: c.Timeout, ReadTimeout: timeout, WriteTimeout: c.Timeout,
		PoolTimeout: c.Timeout, MaxRetries: -1, ContextTimeoutEnabled: true,
		DisableIdentity: true,
	})
}

// quiet drops what go-redis logs by itself: every error comes back as a value.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }

// Ping asks Redis for an answer.
func (c *Cache) Ping(ctx context.Context) error {
	return coded("ping redis", c.feed.Ping(ctx).Err())
}

// Close ends all connections.
func (c *Cache) Close() error {
	return errors.Join(c.velocity.Close(), c.feed.Close(), c.tail.Close())
}

// coded wraps err with the act and a code: Unavailable for everything that may
// pass by waiting, Internal for the rest. nil stays nil.
func coded(act string, err error) error {
	if err == nil {
		return nil
	}
	code := pulse.Internal
	if transient(err) {
		code = pulse.Unavailable
	}
	return &pulse.Error{Code: code, Message: act, Err: err}
}

func transient(err error) bool {
	var netErr net.Error
	if errors.As(err, &netErr) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, redis.ErrPoolTimeout) {
		return true
	}
	// Error answers by which Redis says: not now, or not here.
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN",
		"BUSY", "OOM", "MISCONF", "NOAUTH", "WRONGPASS", "ERR max number of clients"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

// scripted sends calls of a script in one round trip. A pipelined EVALSHA does
// not load the script by itself: after a restart of Redis it is loaded, and all
// are sent again.
func scripted(ctx context.Context, client *redis.Client, script *redis.Script, calls func(redis.Pipeliner)) error {
	send := func() error {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			calls(p)
			return nil
		})
		return err
	}
	err := send()
	if err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return err
	}
	if err := script.Load(ctx, client).Err(); err != nil {
		return err
	}
	return send()
}

func freshEpoch() string { return strings.ToLower(rand.Text()[:12]) }
