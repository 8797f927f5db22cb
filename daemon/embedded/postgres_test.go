package embedded

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func startPair(t *testing.T, dir string) *Postgres {
	t.Helper()
	begun := time.Now()
	p, err := StartPostgres(within(t, time.Minute), PostgresConfig{
		Dir: dir, Replica: true, NoSync: true, Log: testLog(t),
		Progress: func(line string) { t.Log("progress:", line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("primary and replica %s after %s", p.Version, time.Since(begun).Round(time.Millisecond))
	t.Cleanup(func() { p.Close(within(t, 10*time.Second)) })
	return p
}

func (p *Postgres) mustClose(t *testing.T) {
	t.Helper()
	begun := time.Now()
	if err := p.Close(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed after %s", time.Since(begun).Round(time.Millisecond))
}

func dial(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t, 10*time.Second), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, dsn, sql string) {
	t.Helper()
	conn := dial(t, dsn)
	if _, err := conn.Exec(within(t, 10*time.Second), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	conn.Close(context.Background())
}

func ask[T any](t *testing.T, dsn, sql string) (got T) {
	t.Helper()
	conn := dial(t, dsn)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(within(t, 10*time.Second), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

// streams fails unless a table made on the primary appears on the replica.
func streams(t *testing.T, p *Postgres, table string) {
	t.Helper()
	exec1(t, p.PrimaryDSN, "CREATE TABLE "+table+" AS SELECT generate_series(1, 1000) AS n")
	conn := dial(t, p.ReplicaDSN)
	defer conn.Close(context.Background())
	eventually(t, table+" on the replica", func() bool {
		var n int
		err := conn.QueryRow(within(t, 5*time.Second), "SELECT count(*) FROM "+table).Scan(&n)
		return err == nil && n == 1000
	})
}

func TestAWriteOnThePrimaryIsReadOnTheReplicaAndAfterARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "a 'quoted' folder", strings.Repeat("long-name-", 12))
	p := startPair(t, dir)
	streams(t, p, "first")
	if got := ask[bool](t, p.ReplicaDSN, "SELECT pg_is_in_recovery()"); !got {
		t.Error("the replica is no replica")
	}
	if got := ask[string](t, p.PrimaryDSN, "SELECT current_user || ' ' || current_database() || ' ' || current_setting('TimeZone') || ' ' || current_setting('server_encoding')"); got != "pulse pulse UTC UTF8" {
		t.Errorf("user, database, time zone, encoding = %q", got)
	}
	port := p.primary.port
	p.mustClose(t)
	if isClosed(p.Done()) {
		t.Error("Close looks like an accident")
	}

	p = startPair(t, dir)
	if p.primary.port != port {
		t.Errorf("port after the restart = %d, want %d again", p.primary.port, port)
	}
	if got := ask[int](t, p.ReplicaDSN, "SELECT count(*)::int FROM first"); got != 1000 {
		t.Errorf("rows after the restart = %d, want 1000", got)
	}
	streams(t, p, "second")
	p.mustClose(t)

	if err := os.RemoveAll(filepath.Join(dir, replicaName)); err != nil {
		t.Fatal(err)
	}
	p = startPair(t, dir)
	if got := ask[int](t, p.ReplicaDSN, "SELECT count(*)::int FROM second"); got != 1000 {
		t.Errorf("rows on the new replica = %d, want 1000", got)
	}
	streams(t, p, "third")
}

func TestNobodyComesInWithoutThePasswordAndALostOneIsReplaced(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	p := startPair(t, dir)
	for _, dsn := range []string{p.PrimaryDSN, p.ReplicaDSN} {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		c.Password = "guess"
		if conn, err := pgx.ConnectConfig(within(t, 5*time.Second), c); err == nil {
			conn.Close(context.Background())
			t.Error("a wrong password was accepted")
		}
	}
	for _, name := range []string{"password", "replicator-password"} {
		info, err := os.Stat(filepath.Join(p.primary.cluster.home, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %o, want 600", name, got)
		}
	}

	old := p.PrimaryDSN
	p.mustClose(t)
	if err := os.Remove(filepath.Join(dir, "password")); err != nil {
		t.Fatal(err)
	}
	p = startPair(t, dir)
	if p.PrimaryDSN == old {
		t.Error("the password is the old one")
	}
	streams(t, p, "after")
}

func TestAReplicaSaysWhenItCannotFollow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, line      string
		following, lost bool
	}{
		{"following", "LOG:  started streaming WAL from primary at 0/3000000 on timeline 1", true, false},
		{"no slot", `FATAL:  could not start WAL streaming: ERROR:  replication slot "pulse_replica" does not exist`, false, true},
		{"slot still busy", `FATAL:  could not start WAL streaming: ERROR:  replication slot "pulse_replica" is active for PID 7`, false, false},
		{"log gone", "FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000001 has already been removed", false, true},
		{"another primary", "FATAL:  database system identifier differs between the primary and standby", false, true},
		{"primary away", `FATAL:  could not connect to the primary server: connection to server at "127.0.0.1" failed`, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := (&cluster{}).server(replicaName)
			s.watch(tt.line)
			s.watch(tt.line)
			if got := isClosed(s.following); got != tt.following {
				t.Errorf("following = %v, want %v", got, tt.following)
			}
			if got := isClosed(s.lost); got != tt.lost {
				t.Errorf("lost = %v, want %v", got, tt.lost)
			}
		})
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAKilledParentLosesNothingAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	c := run(t, "postgres", dir, nil)
	if c.Err != "" {
		t.Fatal(c.Err)
	}
	exec1(t, c.Addr, "CREATE TABLE kept AS SELECT generate_series(1, 10) AS n")
	c.kill()

	// At once: the old servers may still be stopping.
	p := startPair(t, dir)
	if got := ask[int](t, p.PrimaryDSN, "SELECT count(*)::int FROM kept"); got != 10 {
		t.Errorf("rows = %d, want 10", got)
	}
	streams(t, p, "after")
	p.mustClose(t)
	for _, name := range []string{primaryName, replicaName} {
		l := leftover{dir: p.primary.cluster.path(name), names: []string{"postgres"}}
		if pids := l.find(); len(pids) > 0 {
			t.Errorf("still running on the %s: %v", name, pids)
		}
	}
}

func TestAServerThatDiesIsReportedAndStartsAgain(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	p := startPair(t, dir)
	exec1(t, p.PrimaryDSN, "CREATE TABLE kept AS SELECT 1 AS n")
	syscall.Kill(p.primary.proc.cmd.Process.Pid, syscall.SIGKILL)
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("Done is not closed though the primary was killed")
	}
	p.mustClose(t)

	// The number in the pid file now belongs to another program.
	pidFile := filepath.Join(dir, primaryName, "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	other := run(t, "lock", t.TempDir(), nil)
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(other.cmd.Process.Pid)+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	p = startPair(t, dir)
	streams(t, p, "after")
	if err := other.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the other program was ended: %v", err)
	}
}

func TestAReplicaWithoutItsSlotIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	startPair(t, dir).mustClose(t)

	p, err := StartPostgres(within(t, time.Minute), PostgresConfig{Dir: dir, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if p.ReplicaDSN != "" {
		t.Errorf("replica without being asked for: %q", p.ReplicaDSN)
	}
	exec1(t, p.PrimaryDSN, "SELECT pg_drop_replication_slot('"+slotName+"')")
	p.mustClose(t)

	p = startPair(t, dir)
	streams(t, p, "after")
}

func TestAnInterruptedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	for _, limit := range []time.Duration{0, 300 * time.Millisecond, time.Second} {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		p, err := StartPostgres(ctx, PostgresConfig{Dir: dir, Replica: true, NoSync: true})
		cancel()
		if err == nil {
			p.mustClose(t)
			continue
		}
		for _, name := range []string{primaryName, replicaName, primaryName + unfinished, replicaName + unfinished} {
			if pids := (leftover{dir: filepath.Join(dir, name), names: []string{"postgres", "initdb"}}).find(); len(pids) > 0 {
				t.Errorf("after %s processes are left on %s: %v", limit, name, pids)
			}
		}
	}
	streams(t, startPair(t, dir), "after")
}

func TestANormalUserRunsPostgresAsItself(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := openDir(t)
	if err := os.Chown(dir, nobodyID, nobodyID); err != nil {
		t.Fatal(err)
	}
	c := run(t, "postgres", dir, nobody)
	if c.Err != "" {
		t.Fatal(c.Err)
	}
	if got := ask[int](t, c.Replica, "SELECT 1"); got != 1 {
		t.Errorf("replica answers %d", got)
	}
	c.finish(t)
	// Root takes over what a normal user began.
	streams(t, startPair(t, dir), "after")
}

func TestAsRootAnUnreachableFolderIsReplaced(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := filepath.Join(t.TempDir(), "postgres") // below a folder for root alone
	p := startPair(t, dir)
	home := p.primary.cluster.home
	t.Cleanup(func() { os.RemoveAll(home) })
	if strings.HasPrefix(home, dir) {
		t.Fatalf("the cluster is in %s", home)
	}
	streams(t, p, "kept")
	p.mustClose(t)
	p = startPair(t, dir)
	if got := ask[int](t, p.ReplicaDSN, "SELECT count(*)::int FROM kept"); got != 1000 {
		t.Errorf("%d rows are kept, want 1000", got)
	}
}
