// Package cache is the adapter to Redis: the last readings of each post, which
// velocity is measured against, and the feed stream. Whatever Redis loses can
// be rebuilt; nothing here is the truth.
package cache

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
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

func freshEpoch() string { return strings.ToLower(rand.Text()[:12]) }

// strings of a Lua reply.
func stringsOf(reply any, want int) ([]string, error) {
	list, ok := reply.([]any)
	if !ok || len(list) != want {
		return nil, fmt.Errorf("script answered %T of length %d, want %d strings", reply, len(list), want)
	}
	out := make([]string, want)
	for i, v := range list {
		if out[i], ok = v.(string); !ok {
			return nil, fmt.Errorf("script answered a %T, want a string", v)
		}
	}
	return out, nil
}
