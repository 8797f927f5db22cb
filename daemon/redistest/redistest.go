// Package redistest gives each test a Redis of its own. Only tests import it.
package redistest

import (
	"context"
	"os"
	"testing"
	"time"

	"dev.redditpulse/daemon/embedded"
)

const startLimit = 30 * time.Second

// Addr starts an empty redis-server or valkey-server for this test and stops it
// after it. On a machine without one the test gets miniredis, which knows most
// commands but not their speed; with CI=true it fails instead.
func Addr(tb testing.TB) string {
	tb.Helper()
	// Not tb.TempDir: its removal would come before the server's end, and the
	// name of a long test is a long path.
	dir, err := os.MkdirTemp("", "pulse-redistest-")
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	r, err := embedded.StartRedis(ctx, embedded.RedisConfig{Dir: dir})
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(r.Close)
	if r.Kind == "miniredis" {
		if os.Getenv("CI") == "true" {
			tb.Fatal("redistest: no redis-server or valkey-server on the PATH; .ci/parts installs one")
		}
		tb.Log("redistest: no redis-server or valkey-server on the PATH, miniredis takes its place")
	}
	return r.Addr
}
