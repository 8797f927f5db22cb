package db

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

const (
	probeEvery   = time.Second
	probeTimeout = 500 * time.Millisecond
	// closeBytes is how much log may be missing on a replica that counts as
	// close: an idle primary makes the time lag lie, the bytes do not.
	closeBytes = 1 << 20
)

var (
	standbyState = sql.Query("server/standby_state")
	primaryState = sql.Query("server/primary_state")
)

// querier is what both pools offer to a read.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// router sends reads to the replica while it is close enough to the primary. A
// replica that is away or behind costs a second try, never an error.
type router struct {
	primary, replica *pgxpool.Pool
	maxLag           time.Duration
	usable           atomic.Bool // the replica, as of the last probe
	lag              atomic.Int64
	log              *slog.Logger
	metrics          *metrics
}

func newRouter(primary, replica *pgxpool.Pool, maxLag time.Duration, log *slog.Logger, m *metrics) *router {
	return &router{primary: primary, replica: replica, maxLag: maxLag, log: log, metrics: m}
}

// Watch probes the replica every second until ctx ends. Until the first probe
// and without Watch all reads go to the primary.
func (d *DB) Watch(ctx context.Context) error {
	r := d.router
	if r.replica == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		r.probe(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ReplicaLag is how far the replica was behind at the last probe, and whether
// reads go to it.
func (d *DB) ReplicaLag() (lag time.Duration, usable bool) {
	return time.Duration(d.router.lag.Load()), d.router.usable.Load()
}

func (r *router) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	lag, err := r.measure(ctx)
	// Back only when clearly close again, so that a replica at the limit does
	// not flap.
	limit := r.maxLag
	if !r.usable.Load() {
		limit /= 2
	}
	usable := err == nil && lag <= limit
	r.lag.Store(int64(lag))
	r.metrics.lag.Set(lag.Seconds())
	if usable == r.usable.Swap(usable) {
		return
	}
	if usable {
		r.metrics.replicaOff.Set(0)
		r.log.Info("replica serves reads", "lag", lag)
		return
	}
	r.metrics.replicaOff.Set(1)
	r.log.Warn("primary serves all reads: replica away or behind", "lag", lag, "err", err)
}

// measure gives the replica's lag: 0 while it has replayed all but closeBytes
// of the primary's log, else the age of what it replayed last. While the primary
// is away nothing new can be missing, so the replica counts as close.
func (r *router) measure(ctx context.Context) (time.Duration, error) {
	var writes, standby bool
	var end, replayed int64
	var seconds float64
	if err := r.replica.QueryRow(ctx, standbyState).Scan(&standby, &replayed, &seconds); err != nil {
		return 0, err
	}
	if !standby {
		return 0, nil // the DSN points at a primary: always fresh
	}
	if err := r.primary.QueryRow(ctx, primaryState).Scan(&writes, &end); err != nil {
		return 0, nil //nolint:nilerr // see above
	}
	if end-replayed <= closeBytes {
		return 0, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// ask tries the replica within half the time, so that the primary has the rest.
func (r *router) ask(ctx context.Context, limit time.Duration, f func(context.Context, querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx, r.replica)
}

// read runs f where the router says, once more on the primary when the replica
// fails for a reason of its own.
func (d *DB) read(ctx context.Context, act string, f func(context.Context, querier) error) (pulse.ServedBy, error) {
	r := d.router
	if r.replica != nil && r.usable.Load() {
		err := r.ask(ctx, d.limit/2, f)
		if err == nil || codeOf(err) != pulse.Unavailable || ctx.Err() != nil {
			r.metrics.reads.WithLabelValues(string(pulse.Replica)).Inc()
			return pulse.Replica, coded(act, err)
		}
		r.log.Debug("read repeated on the primary", "act", act, "err", err)
	}
	r.metrics.reads.WithLabelValues(string(pulse.Primary)).Inc()
	return pulse.Primary, coded(act, f(ctx, r.primary))
}
