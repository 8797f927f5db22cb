// Package pgtest gives tests a real Postgres primary and its streaming replica,
// one pair for a test process and a database of its own for each test. Only
// tests import it.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/daemon/embedded"
)

const (
	startLimit   = 2 * time.Minute
	stopLimit    = 20 * time.Second
	commandLimit = 30 * time.Second
)

// Main runs the tests of a package and stops the servers after them. Every
// TestMain of a package that uses Server or Database calls it, or Wrap.
func Main(m *testing.M) { os.Exit(Wrap(m).Run()) }

// Runner is what runs tests: *testing.M, and what goleak.VerifyTestMain takes.
type Runner interface{ Run() int }

// Wrap gives a Runner that stops the servers after m's tests:
// goleak.VerifyTestMain(pgtest.Wrap(m)).
func Wrap(m Runner) Runner { return runner{m} }

type runner struct{ tests Runner }

func (r runner) Run() int {
	code := r.tests.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// Server starts the pair at the first call and gives the DSNs of its superuser.
// A test that changes more than a database of its own is not alone there.
func Server(tb testing.TB) (primaryDSN, replicaDSN string) {
	tb.Helper()
	p, err := shared.start()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return p.PrimaryDSN, p.ReplicaDSN
}

// Database makes an empty database for this test and gives its DSNs on both
// servers. It is dropped after the test, whoever is still connected.
func Database(tb testing.TB) (primaryDSN, replicaDSN string) {
	tb.Helper()
	primary, replica := Server(tb)
	name := "test_" + strings.ToLower(rand.Text()[:16])
	admin, err := connect(primary)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer closeConn(admin)
	if err := command(admin, "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := drop(primary, name); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	if err := caughtUp(admin, replica); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return named(primary, name), named(replica, name)
}

func drop(primary, name string) error {
	admin, err := connect(primary)
	if err != nil {
		return err
	}
	defer closeConn(admin)
	return command(admin, "DROP DATABASE "+name+" WITH (FORCE)")
}

// caughtUp waits until the replica has replayed all that the primary has
// written by now.
func caughtUp(primary *pgx.Conn, replicaDSN string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	var written string
	if err := primary.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&written); err != nil {
		return fmt.Errorf("ask for the primary's position: %w", err)
	}
	replica, err := connect(replicaDSN)
	if err != nil {
		return err
	}
	defer closeConn(replica)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var there bool
		if err := replica.QueryRow(ctx, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", written).Scan(&there); err != nil {
			return fmt.Errorf("wait for the replica to replay %s: %w", written, err)
		}
		if there {
			return nil
		}
		<-tick.C
	}
}

func connect(dsn string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

func command(conn *pgx.Conn, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	conn.Close(ctx)
}

// named is the DSN of another database on the same server.
func named(dsn, database string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(fmt.Sprintf("pgtest: a DSN of ours is no URL: %v", err))
	}
	u.Path = "/" + database
	return u.String()
}

// pair is the two servers of this process, started when they are first needed.
type pair struct {
	once sync.Once
	dir  string
	lock *embedded.Lock
	pg   *embedded.Postgres
	err  error
}

var shared pair

func (p *pair) start() (*embedded.Postgres, error) {
	p.once.Do(func() {
		if p.err = p.open(); p.err != nil {
			p.err = errors.Join(p.err, p.remove())
		}
	})
	return p.pg, p.err
}

const dirPattern = "pulse-pgtest-"

func (p *pair) open() error {
	sweep()
	dir, err := os.MkdirTemp("", dirPattern)
	if err != nil {
		return err
	}
	p.dir = dir
	// The servers of a test run by root belong to another user.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	if p.lock, err = embedded.LockDir(dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	p.pg, err = embedded.StartPostgres(ctx, embedded.PostgresConfig{
		Dir: filepath.Join(dir, "postgres"), Replica: true, NoSync: true,
	})
	return err
}

// sweep removes what test processes that were killed have left: their locks are
// free.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPattern+"*"))
	for _, dir := range left {
		if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
			continue // just begun
		}
		if lock, err := embedded.LockDir(dir); err == nil {
			os.RemoveAll(dir)
			lock.Unlock()
		}
	}
}

// stop is for the end of the process: there is no second start.
func (p *pair) stop() error {
	var err error
	if p.pg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		err = p.pg.Close(ctx)
	}
	return errors.Join(err, p.remove())
}

func (p *pair) remove() error {
	if p.dir == "" {
		return nil
	}
	err := os.RemoveAll(p.dir)
	if p.lock != nil {
		p.lock.Unlock()
	}
	return err
}
