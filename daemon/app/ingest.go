package app

import (
	"context"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/ingest"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/reddit"
)

func (sh *shell) ingestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ingest", Short: "Poll Reddit and hand what is found to Kafka", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.runDaemon(cmd.Context(), "ingest", ingestServices)
		},
	}
}

func ingestServices(p *parts) ([]lifecycle.Service, error) {
	r := p.c.Reddit
	client, err := reddit.New(reddit.Config{
		BaseURL: r.BaseURL, TokenURL: r.TokenURL, ClientID: r.ClientID,
		ClientSecret: r.ClientSecret.Reveal(), UserAgent: r.UserAgent,
		RequestsPerMinute: r.RequestsPerMinute, Timeout: r.Timeout,
	}, p.log.With("part", "reddit"), p.reg)
	if err != nil {
		return nil, err
	}
	store, err := p.database()
	if err != nil {
		return nil, err
	}
	bus, err := p.bus()
	if err != nil {
		return nil, err
	}
	s := p.c.Scheduler
	stage := ingest.New(ingest.Config{
		ConfigPoll: s.ConfigPoll, MaxPages: s.MaxPages, Workers: s.Workers, Backfill: s.Backfill,
		Sweep: s.Sweep, SweepDepth: s.SweepDepth, RefreshUntil: s.RefreshUntil, MaxLive: s.MaxLive,
		DiscoveryShare: s.DiscoveryShare,
	}, client, bus, store, p.log.With("part", "ingest"), p.reg)
	return []lifecycle.Service{{Name: "ingest", Run: func(ctx context.Context) error {
		defer client.Close()
		return stage.Run(ctx)
	}}}, nil
}
