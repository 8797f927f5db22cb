package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/backtest"
	"dev.redditpulse/daemon/dump"
	"dev.redditpulse/shared/telemetry"
	"dev.redditpulse/shared/wire"
)

var backtestHelp = fmt.Sprintf(`Play readings from files through the rules of scoring, as set in the configuration,
and tell how well they say what rises next. Nothing is sent or stored.

The files are as 'pulse import' takes them; they may hold the readings in any
order. 'pulse sim series' makes such a file. What is usual is learnt from the past
of each reading only, as it would have been.

The report compares velocity, and other formulas, with what a post gained in the
next hour, and the posts that trend with those that rose most. At most %d million
readings of %d million posts are taken, which needs up to 1.5 GB of memory.`,
	backtest.MaxReadings/1_000_000, backtest.MaxPosts/1_000_000)

func (sh *shell) backtestCommand() *cobra.Command {
	var filter importFilter
	every, output := time.Hour, "text"
	cmd := &cobra.Command{
		Use:   "backtest FILE…",
		Short: "Tell how well the trend score would have done on recorded readings",
		Long:  backtestHelp,
		Example: `  pulse sim series --hours 48 --seed 7 --every 5m > series.ndjson
  pulse backtest series.ndjson
  PULSE_SCORE_TAU=30m pulse backtest --output json series.ndjson`,
		Args: func(cmd *cobra.Command, args []string) error {
			return cmp.Or(cobra.MinimumNArgs(1)(cmd, args), filter.check(), checkBacktest(every, output))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.backtest(cmd.Context(), args, filter.Filter, every, output)
		},
	}
	filter.flags(cmd)
	cmd.Flags().DurationVar(&every, "every", every, "how often a post is compared with its next hour, 1m to 24h")
	cmd.Flags().StringVar(&output, "output", output, "text or json")
	return cmd
}

func checkBacktest(every time.Duration, output string) error {
	if every < time.Minute || every > 24*time.Hour {
		return fmt.Errorf("--every: want 1m to 24h, got %s", every)
	}
	if output != "text" && output != "json" {
		return fmt.Errorf("--output: want text or json, got %q", output)
	}
	return nil
}

func (sh *shell) backtest(ctx context.Context, paths []string, filter dump.Filter, every time.Duration, output string) error {
	loaded, err := sh.load(false, nil)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(sh.err, loaded.Log.Level, loaded.Log.Format)
	if err != nil {
		return err
	}
	series := backtest.NewSeries()
	reader := dump.New(collector{series}, nil, filter, nil, log)
	for _, path := range paths {
		if err := sh.collect(ctx, reader, path); err != nil {
			return err
		}
	}
	report, err := series.Run(ctx, backtest.Config{Rules: rulesOf(loaded.Score), Every: every})
	if err != nil {
		return fmt.Errorf("backtest: %w", err)
	}
	if output == "json" {
		out := json.NewEncoder(sh.out)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return report.Write(sh.out)
}

// collect reads a file. Lines that are no readings are named and left out.
func (sh *shell) collect(ctx context.Context, reader *dump.Importer, path string) error {
	var res dump.Result
	var err error
	if path == "-" {
		res, err = reader.Import(ctx, sh.in)
	} else {
		res, err = reader.ImportFile(ctx, path)
	}
	for _, fault := range res.FirstFaults {
		fmt.Fprintf(sh.err, "%s: %v\n", path, fault)
	}
	if more := res.Refused - int64(len(res.FirstFaults)); more > 0 {
		fmt.Fprintf(sh.err, "%s: and %d more lines left out\n", path, more)
	}
	return err
}

// collector takes what an import produces into a series.
type collector struct{ series *backtest.Series }

// Produce adds the records' readings.
func (c collector) Produce(_ context.Context, records []wire.Record) error {
	now := time.Now()
	for i := range records {
		o, err := wire.DecodeObservation(records[i].Value, now)
		if err != nil {
			return err
		}
		if err := c.series.Add(&o); err != nil {
			return err
		}
	}
	return nil
}
