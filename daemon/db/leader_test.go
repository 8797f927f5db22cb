package db_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

const (
	retry = 10 * time.Millisecond
	// advisory locks of the database at hand, and who holds them
	locksHere = ` from pg_locks where locktype = 'advisory' and granted
		and database = (select oid from pg_database where datname = current_database())`
)

// term is one stretch of leading: its context, and what makes run return.
type term struct {
	ctx context.Context
	end chan error
}

// candidate is one call of Lead: what it leads comes over terms and lasts until
// the term is ended by the test; waits has one entry for each wait.
type candidate struct {
	terms chan term
	waits chan struct{}
	stop  context.CancelFunc
	done  chan error
}

func candidateOf(t *testing.T, d *db.DB, name string) *candidate {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &candidate{terms: make(chan term), waits: make(chan struct{}, 100), stop: stop, done: make(chan error, 1)}
	go func() {
		c.done <- d.Lead(ctx, name, retry, func() { c.waits <- struct{}{} }, func(ctx context.Context) error {
			now := term{ctx: ctx, end: make(chan error, 2)}
			select {
			case c.terms <- now:
				return <-now.end
			case <-ctx.Done():
				return nil
			}
		})
		close(c.done)
	}()
	t.Cleanup(func() {
		stop()
		receive(t, "the end of Lead", c.done)
	})
	return c
}

// receive waits for what another goroutine sends.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not within 30 s", what)
		panic("unreachable")
	}
}

func (c *candidate) leads(t testing.TB) term {
	t.Helper()
	now := receive(t, "leading", c.terms)
	t.Cleanup(func() { now.end <- nil }) // ended by the test or not: there is room for both
	return now
}

// locks counts the advisory locks of c's database with this key.
func locks(t testing.TB, c config.Postgres, key int64) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(t.Context(), "select count(*)"+locksHere+" and (classid::bigint << 32 | objid::bigint) = $1", key).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lockOfIngest is the key of "ingest": the same in every build, or an old and a
// new process would both lead.
const lockOfIngest = -8631523562769072347

func TestOneLeadsUntilItsSessionEnds(t *testing.T) {
	t.Parallel()
	c := settings(t)
	first := candidateOf(t, openAt(t, c), "ingest")
	lost := first.leads(t)
	second := candidateOf(t, openAt(t, c), "ingest")
	receive(t, "waiting", second.waits)
	execute(t, c, "select pg_terminate_backend(pid)"+locksHere)
	receive(t, "the end of the term", lost.ctx.Done())
	if cause := context.Cause(lost.ctx); pulse.CodeOf(cause) != pulse.Unavailable || errors.Is(cause, context.Canceled) {
		t.Errorf("the term ended because of %v, want the lost session", cause)
	}
	won := second.leads(t)
	if len(first.waits) != 0 {
		t.Error("the first tries again although what it led has not returned")
	}
	lost.end <- errors.New("of no interest: the lead was lost")
	receive(t, "waiting", first.waits)
	won.end <- nil
	if err := receive(t, "the end of Lead", second.done); err != nil {
		t.Error(err)
	}
	first.leads(t)
	if n := len(first.waits) + len(second.waits); n != 0 {
		t.Errorf("wait was called %d times too often", n)
	}
}

func TestTheLockIsHeldUntilTheLeaderHasReturned(t *testing.T) {
	t.Parallel()
	c := settings(t)
	first := candidateOf(t, openAt(t, c), "ingest")
	term := first.leads(t)
	first.stop()
	receive(t, "the end of the term", term.ctx.Done())
	if n := locks(t, c, lockOfIngest); n != 1 {
		t.Errorf("%d locks while the leader stops, want 1", n)
	}
	second := candidateOf(t, openAt(t, c), "ingest")
	receive(t, "waiting", second.waits)
	term.end <- errors.New("of no interest: it was told to stop")
	if err := receive(t, "the end of Lead", first.done); err != nil {
		t.Errorf("got %v, want nil after the end of the context", err)
	}
	second.leads(t)
}

func TestWhatALeaderSaysOfItselfComesThrough(t *testing.T) {
	t.Parallel()
	c := settings(t)
	d := openAt(t, c)
	first, other := candidateOf(t, d, "ingest"), candidateOf(t, d, "something else")
	term := first.leads(t)
	other.leads(t) // another name is another lock
	want := errors.New("a bug")
	term.end <- want
	if err := receive(t, "the end of Lead", first.done); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	eventually(t, "the lock is free", func() bool { return locks(t, c, lockOfIngest) == 0 })
}

// addressed is c with the primary reached by way of hosts.
func addressed(t testing.TB, c config.Postgres, hosts string) config.Postgres {
	t.Helper()
	dsn, err := url.Parse(c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	dsn.Host = hosts
	c.PrimaryDSN = config.Secret(dsn.String())
	return c
}

func hostOf(t testing.TB, c config.Postgres) string {
	t.Helper()
	dsn, err := url.Parse(c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return dsn.Host
}

func TestLeadingGoesOnAtTheNextServer(t *testing.T) {
	t.Parallel()
	c := settings(t)
	a, b := relayTo(t, hostOf(t, c)), relayTo(t, hostOf(t, c))
	leader := candidateOf(t, openAt(t, addressed(t, c, a.Addr().String()+","+b.Addr().String())), "ingest")
	term := leader.leads(t)
	a.cut()
	receive(t, "the end of the term", term.ctx.Done())
	term.end <- nil
	leader.leads(t)
}

func TestASilentLeaderIsReplaced(t *testing.T) {
	t.Parallel()
	c := settings(t)
	line := relayTo(t, hostOf(t, c))
	silent := candidateOf(t, openAt(t, addressed(t, c, line.Addr().String())), "ingest")
	lost := silent.leads(t)
	other := candidateOf(t, openAt(t, c), "ingest")
	receive(t, "waiting", other.waits)
	line.freeze()
	receive(t, "the end of the term", lost.ctx.Done())
	if n := locks(t, c, lockOfIngest); n != 1 {
		t.Error("the lock was free before the leader noticed")
	}
	other.leads(t)
}

func TestAStandbyMakesNoLeader(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.PrimaryDSN = c.ReplicaDSN
	leader := candidateOf(t, openAt(t, c), "ingest")
	receive(t, "waiting", leader.waits)
	select {
	case <-leader.terms:
		t.Error("leads by a lock that no other process sees")
	default:
	}
	leader.stop()
	if err := receive(t, "the end of Lead", leader.done); err != nil {
		t.Error(err)
	}
}

func TestWithoutAServerLeadWaitsUntilItIsTold(t *testing.T) {
	t.Parallel()
	c := config.Default().Postgres
	c.PrimaryDSN = "postgres://u:hunter2@127.0.0.1:1/d"
	leader := candidateOf(t, openAt(t, c), "ingest")
	receive(t, "waiting", leader.waits)
	leader.stop()
	if err := receive(t, "the end of Lead", leader.done); err != nil {
		t.Error(err)
	}
}
