package pgtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"dev.redditpulse/daemon/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

func ask(t *testing.T, dsn, sql string) (n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestEachTestHasAnEmptyDatabaseOnBothServers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, replica := pgtest.Database(t)
			if got := ask(t, primary, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != 0 {
				t.Errorf("tables in a new database = %d, want 0", got)
			}
			if got := ask(t, replica, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != 0 {
				t.Errorf("tables on the replica = %d, want 0", got)
			}
		})
	}
}

func TestADatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	var open *pgx.Conn
	var name string
	t.Run("inner", func(t *testing.T) {
		primary, _ := pgtest.Database(t)
		conn, err := pgx.Connect(t.Context(), primary)
		if err != nil {
			t.Fatal(err)
		}
		open, name = conn, conn.Config().Database // left connected on purpose
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	open.Close(ctx)
	primary, _ := pgtest.Server(t)
	if got := ask(t, primary, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"); got != 0 {
		t.Errorf("the database %s is still there", name)
	}
}
