package app

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/bus"
	"dev.redditpulse/daemon/db"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/store"
	"dev.redditpulse/shared/wire"
)

func (sh *shell) storeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "store", Short: "Care for the database", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.runDaemon(cmd.Context(), "store", func(p *parts) ([]lifecycle.Service, error) {
				if err := p.checkSchema(cmd.Context()); err != nil {
					return nil, err
				}
				return storeServices(p)
			})
		},
	}
}

func storeServices(p *parts) ([]lifecycle.Service, error) {
	d, err := p.database()
	if err != nil {
		return nil, err
	}
	kafka, err := p.deadBus()
	if err != nil {
		return nil, err
	}
	log := p.log.With("part", "store")
	care := store.New(d, store.Config{PartitionsAhead: p.c.Store.PartitionsAhead, DeadRetention: p.c.Kafka.DeadRetention}, log)
	mirror := store.NewMirror(d, log, p.reg, time.Now)
	p.checks["dead letters"] = func(context.Context) error { return mirror.Paused() }
	return []lifecycle.Service{
		{Name: "store", Run: care.Run},
		{Name: "dead letter counts", Run: mirror.Run},
		{Name: "dead letters", Run: func(ctx context.Context) error {
			return kafka.Consume(ctx, []string{wire.TopicDead}, func(ctx context.Context, c *bus.Claim) { mirror.Partition(ctx, c) })
		}},
		routerService(d),
	}, nil
}

// routerService keeps reads away from a replica that is behind.
func routerService(d *db.DB) lifecycle.Service {
	return lifecycle.Service{Name: "replica watch", Run: d.Watch}
}

// checkSchema refuses a database whose schema is older than this build.
func (p *parts) checkSchema(ctx context.Context) error {
	if _, err := p.database(); err != nil {
		return err
	}
	m, err := db.OpenMigrator(p.c.Postgres.PrimaryDSN, p.log)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Check(ctx)
}
