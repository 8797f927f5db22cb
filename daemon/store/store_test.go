package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// cared notes what it was asked to remove, by the age that it then has.
type cared struct {
	mu   sync.Mutex // covers all
	acts map[string]time.Duration
	fail error
}

func (c *cared) EnsurePartitions(_ context.Context, from time.Time, days int) error {
	return c.note(fmt.Sprintf("%d partitions", days), from)
}

func (c *cared) RemoveExpiredTokens(_ context.Context, at time.Time) error {
	return c.note("tokens", at)
}
func (c *cared) ExpireTrends(_ context.Context, at time.Time) error { return c.note("trends", at) }
func (c *cared) ForgetBaselines(_ context.Context, at time.Time) error {
	return c.note("baselines", at)
}
func (c *cared) ForgetDeadLetters(_ context.Context, at time.Time) error {
	return c.note("letters", at)
}

func (c *cared) note(what string, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts[what] = time.Since(at)
	return c.fail
}

// since gives what was done since it was asked last, and has the next acts fail.
func (c *cared) since(fail error) map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	acts := c.acts
	c.acts, c.fail = map[string]time.Duration{}, fail
	return acts
}

func TestTheDatabaseIsCaredForAndAFailureTriedSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &cared{}
		c.since(errors.New("away"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() { done <- New(c, Config{PartitionsAhead: 7, DeadRetention: 720 * time.Hour}, quiet).Run(ctx) }()
		synctest.Wait()
		if acts := c.since(nil); len(acts) != 1 {
			t.Errorf("went on after a failure: %v", acts)
		}
		want := map[string]time.Duration{"8 partitions": 0, "tokens": 0, "trends": trendLife, "baselines": baselineLife, "letters": 720 * time.Hour}
		for _, wait := range []time.Duration{retryEvery, careEvery} {
			<-time.After(wait)
			synctest.Wait()
			if acts := c.since(nil); !maps.Equal(acts, want) {
				t.Errorf("cared for %v, want %v", acts, want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
