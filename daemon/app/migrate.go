package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/telemetry"
)

func (sh *shell) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the database to this build's schema"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "up", Short: "Apply what is pending; many starters take turns", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return sh.withMigrator(cmd.Context(), sh.migrateUp)
			},
		},
		&cobra.Command{
			Use: "status", Short: "Show which migrations the database has", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return sh.withMigrator(cmd.Context(), sh.migrateStatus)
			},
		},
	)
	return cmd
}

func (sh *shell) withMigrator(ctx context.Context, f func(context.Context, *db.Migrator) error) error {
	loaded, err := sh.load(true, nil)
	if err != nil {
		return err
	}
	if loaded.Postgres.PrimaryDSN == "" {
		return errors.New("postgres.primary_dsn: not set")
	}
	log, err := telemetry.NewLogger(sh.err, "warn", loaded.Log.Format)
	if err != nil {
		return err
	}
	m, err := db.OpenMigrator(loaded.Postgres.PrimaryDSN, log)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, m), m.Close())
}

func (sh *shell) migrateUp(ctx context.Context, m *db.Migrator) error {
	applied, err := m.Up(ctx)
	if err != nil {
		return err
	}
	for _, step := range applied {
		fmt.Fprintf(sh.out, "applied %s\n", step.Name)
	}
	if len(applied) == 0 {
		fmt.Fprintln(sh.out, "nothing to do: the schema is up to date")
	}
	return nil
}

func (sh *shell) migrateStatus(ctx context.Context, m *db.Migrator) error {
	all, err := m.Status(ctx)
	if err != nil {
		return err
	}
	for _, step := range all {
		state := "pending"
		if !step.AppliedAt.IsZero() {
			state = "applied " + step.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(sh.out, "%-28s %s\n", step.Name, state)
	}
	return nil
}
