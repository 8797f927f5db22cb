package app

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// seriesFlags is the flags of `pulse sim series`.
type seriesFlags struct {
	seed  uint64
	hours float64
	every time.Duration
	start instantFlag
	rates rateFlag
}

func (sh *shell) seriesCommand() *cobra.Command {
	f := seriesFlags{rates: rateFlag{}, start: instantFlag(time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC))}
	cmd := &cobra.Command{
		Use: "series", Short: "Print readings of simulated posts, in no time", Args: cobra.NoArgs,
		Long: `Print readings of simulated posts: each from its first sight until it is a day
old or taken away. One Kafka value a line, in the order of time, as 'pulse
backtest' and 'pulse import' take them. Nothing runs meanwhile: a day takes
seconds. The same flags print the same readings.`,
		Example: `  pulse sim series --hours 48 --seed 7 --every 5m > series.ndjson
  pulse sim series --rate golang=0.5 --rate pics=20 --every 1h | pulse backtest -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.series(cmd.Context(), &f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Float64Var(&f.hours, "hours", 48, "length, up to 8784")
	flags.Uint64Var(&f.seed, "seed", 1, "of the synthetic communities: the same seed, the same posts")
	flags.DurationVar(&f.every, "every", 5*time.Minute, "from one reading of a post to the next, 1s to 24h")
	flags.Var(&f.start, "start", "when it begins: 2024-01-31 (UTC) or 2024-01-31T12:00:00Z")
	flags.Var(f.rates, "rate", "posts a minute of a community, 0 to 6000; repeatable; without it 8 well-known ones")
	return cmd
}

func (sh *shell) series(ctx context.Context, f *seriesFlags) error {
	sim, err := redditsim.New(redditsim.Config{Seed: f.seed, Rates: f.rates}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(sh.out, 256<<10)
	err = sim.Series(ctx, redditsim.Series{
		From: time.Time(f.start), Length: time.Duration(f.hours * float64(time.Hour)), Every: f.every,
	}, func(o *pulse.Observation) error {
		if _, err := out.Write(append(wire.EncodeObservation(o), '\n')); err != nil {
			return fmt.Errorf("write readings: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write readings: %w", err)
	}
	return nil
}
