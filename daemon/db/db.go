// Package db is the adapter to Postgres: two pools, one for the primary and one
// for its streaming replica, and every statement of sql/ behind a method. It
// decides nothing about posts; errors leave it with a pulse.Code.
package db

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/config"
)

// connectTimeout bounds one attempt to reach a server.
const connectTimeout = 3 * time.Second

// DB is both pools. Writes and everything that must be fresh go to the primary;
// other reads go where the router says.
type DB struct {
	primary *pgxpool.Pool
	replica *pgxpool.Pool // nil without a replica
	router  *router
	parts   partitionSet
	limit   time.Duration // of one method, waiting for a connection included
	metrics *metrics
	log     *slog.Logger
}

// Open makes the pools; no server is asked yet. reg may be shared with other
// parts.
func Open(c config.Postgres, log *slog.Logger, reg prometheus.Registerer) (*DB, error) {
	m := newMetrics(reg)
	primary, err := openPool("postgres.primary_dsn", c.PrimaryDSN, c)
	if err != nil {
		return nil, err
	}
	d := &DB{primary: primary, limit: c.StatementTimeout + connectTimeout, metrics: m, log: log}
	if c.ReplicaDSN != "" {
		if d.replica, err = openPool("postgres.replica_dsn", c.ReplicaDSN, c); err != nil {
			primary.Close()
			return nil, err
		}
	}
	d.router = newRouter(d.primary, d.replica, c.MaxReplicaLag, log, m)
	return d, nil
}

// openPool never lets the DSN, which holds a password, into an error.
func openPool(key string, dsn config.Secret, c config.Postgres) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(dsn.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%s: not a connection string, want postgres://user:password@host:port/database", key)
	}
	pc.MaxConns = int32(c.MaxConns)
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.ConnConfig.ConnectTimeout = connectTimeout
	params := pc.ConnConfig.RuntimeParams
	params["application_name"] = "pulse"
	params["timezone"] = "UTC"
	// The lists' filters are optional: only a plan made for the values at hand can
	// leave those out that are not there, and start an index scan at a cursor.
	params["plan_cache_mode"] = "force_custom_plan"
	params["statement_timeout"] = strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10)
	params["lock_timeout"] = strconv.FormatInt((c.StatementTimeout / 2).Milliseconds(), 10)
	params["idle_in_transaction_session_timeout"] = "60000"
	pool, err := pgxpool.NewWithConfig(context.Background(), pc)
	if err != nil {
		return nil, fmt.Errorf("%s: open pool: %w", key, err)
	}
	return pool, nil
}

// Close ends all connections.
func (d *DB) Close() {
	d.primary.Close()
	if d.replica != nil {
		d.replica.Close()
	}
}

// bounded gives a method its deadline: the servers' own timeouts don't help
// against one that has frozen.
func (d *DB) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.limit)
}

// Ping asks the primary for an answer.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	return coded("ping the primary", d.primary.Ping(ctx))
}

// PingReplica asks the replica for an answer; nil without one.
func (d *DB) PingReplica(ctx context.Context) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	if d.replica == nil {
		return nil
	}
	return coded("ping the replica", d.replica.Ping(ctx))
}

// inTx runs f in one transaction on the primary.
func (d *DB) inTx(ctx context.Context, act string, f func(pgx.Tx) error) error {
	return coded(act, pgx.BeginFunc(ctx, d.primary, f))
}
