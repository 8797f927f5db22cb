package app

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/bus"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/process"
	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/telemetry"
	"dev.redditpulse/shared/wire"
)

func (sh *shell) processCommand() *cobra.Command {
	return &cobra.Command{
		Use: "process", Short: "Take observations from Kafka to the database and the feed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.runDaemon(cmd.Context(), "process", processServices)
		},
	}
}

func processServices(p *parts) ([]lifecycle.Service, error) {
	store, err := p.database()
	if err != nil {
		return nil, err
	}
	kafka, err := p.bus()
	if err != nil {
		return nil, err
	}
	c := p.c.Process
	stage := process.New(process.Config{
		BatchSize: c.BatchSize, RetryMin: c.RetryMin, RetryMax: c.RetryMax, PoisonShare: c.PoisonShare,
		DropDeletedText: c.DropDeletedText, StreamLength: p.c.Feed.StreamLength,
		Group: p.c.Kafka.Group, Version: telemetry.Version(),
		Rules: score.Rules{MinStep: p.c.Score.MinStep, Noise: p.c.Score.Noise},
	}, p.cache(), store, kafka, p.log.With("part", "process"), p.reg, time.Now)
	p.checks["process"] = func(context.Context) error { return stage.Paused() }

	topics := []string{wire.TopicRaw, wire.TopicRefresh}
	return []lifecycle.Service{{Name: "process", Run: func(ctx context.Context) error {
		return kafka.Consume(ctx, topics, func(ctx context.Context, c *bus.Claim) { stage.Partition(ctx, c) })
	}}}, nil
}
