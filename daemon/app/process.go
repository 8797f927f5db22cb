package app

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/bus"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/process"
	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/telemetry"
	"dev.redditpulse/shared/wire"
)

// learnEvery is how often a replica stores what it has learnt of the usual.
const learnEvery = 10 * time.Second

func (sh *shell) processCommand() *cobra.Command {
	return &cobra.Command{
		Use: "process", Short: "Take observations from Kafka to the database and the feed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.runDaemon(cmd.Context(), "process", func(p *parts) ([]lifecycle.Service, error) {
				limitMemory(p.c.Process.MemoryLimit)
				if err := p.checkSchema(cmd.Context()); err != nil && pulse.CodeOf(err) != pulse.Unavailable {
					return nil, err // a server that is away is waited for
				}
				return processServices(p)
			})
		},
	}
}

// limitMemory sets the runtime's soft limit, in MiB, unless the environment has.
// Up to it memory is cheaper than collecting garbage often.
func limitMemory(mib int) {
	if mib > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(mib) << 20)
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(300)
		}
	}
}

// rulesOf is the model that the settings describe.
func rulesOf(c config.Score) score.Rules {
	return score.Rules{
		MinStep: c.MinStep, Tau: c.Tau, Noise: c.Noise, NoiseShare: c.NoiseShare, Enter: c.Enter, Leave: c.Leave,
		MinPoints: c.MinPoints, MinComments: c.MinComments, Prior: c.Prior, MinBaseline: c.MinBaseline,
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
		Rules: rulesOf(p.c.Score), LearnEvery: learnEvery,
	}, p.cache(), store, kafka, p.log.With("part", "process"), p.reg, time.Now)
	p.checks["process"] = func(context.Context) error { return stage.Paused() }

	topics := []string{wire.TopicRaw, wire.TopicRefresh}
	return []lifecycle.Service{
		{Name: "baselines", Run: stage.Run},
		{Name: "process", Run: func(ctx context.Context) error {
			return kafka.Consume(ctx, topics, func(ctx context.Context, c *bus.Claim) { stage.Partition(ctx, c) })
		}},
	}, nil
}
