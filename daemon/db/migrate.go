package db

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	migrations "dev.redditpulse/sql"
)

// Migration is one step of the schema and whether the database has it.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero while pending
}

// Migrator brings a database to the schema of this build. It needs the primary.
type Migrator struct {
	provider *goose.Provider
	pool     *sql.DB
}

// OpenMigrator prepares the migrations of the primary that dsn names. No server
// is asked yet.
func OpenMigrator(dsn config.Secret, log *slog.Logger) (*Migrator, error) {
	cc, err := pgx.ParseConfig(dsn.Reveal())
	if err != nil {
		return nil, fmt.Errorf("postgres.primary_dsn: not a connection string, want postgres://user:password@host:port/database")
	}
	cc.ConnectTimeout = connectTimeout
	pool := stdlib.OpenDB(*cc)
	// The lock makes many starters take turns: the first migrates, the others
	// find nothing to do.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("prepare the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, migrations.Migrations(),
		goose.WithSessionLocker(locker), goose.WithSlog(log), goose.WithVerbose(false))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return &Migrator{provider: provider, pool: pool}, nil
}

// Close ends the migrator's connections.
func (m *Migrator) Close() error { return m.pool.Close() }

// Up applies what is pending and gives what it applied, in order.
func (m *Migrator) Up(ctx context.Context) ([]Migration, error) {
	results, err := m.provider.Up(ctx)
	if err != nil {
		return nil, coded("migrate", err)
	}
	var applied []Migration
	for _, r := range results {
		applied = append(applied, Migration{
			Version: r.Source.Version, Name: r.Source.Path, AppliedAt: time.Now(),
		})
	}
	return applied, nil
}

// Status gives every migration of this build.
func (m *Migrator) Status(ctx context.Context) ([]Migration, error) {
	states, err := m.provider.Status(ctx)
	if err != nil {
		return nil, coded("read the schema version", err)
	}
	var all []Migration
	for _, s := range states {
		all = append(all, Migration{Version: s.Source.Version, Name: s.Source.Path, AppliedAt: s.AppliedAt})
	}
	return all, nil
}

// Check refuses a database whose schema is older than this build wants, and
// names the command that mends it.
func (m *Migrator) Check(ctx context.Context) error {
	current, target, err := m.provider.GetVersions(ctx)
	if err != nil {
		return coded("read the schema version", err)
	}
	if current < target {
		return pulse.Errorf(pulse.Conflict,
			"the database schema is at version %d, this build wants %d: run `pulse migrate up`", current, target)
	}
	return nil
}
