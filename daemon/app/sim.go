package app

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/telemetry"
)

func (sh *shell) simCommand() *cobra.Command {
	var c redditsim.Config
	var address string
	cmd := &cobra.Command{
		Use: "sim", Short: "Run the simulated Reddit alone: synthetic, or replaying recorded responses", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.runSim(cmd.Context(), c, address)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "listen", "127.0.0.1:8090", "address to serve on")
	flags.StringVar(&c.Replay, "replay", "", "folder of recorded responses with their index.json")
	flags.Uint64Var(&c.Seed, "seed", 1, "of the synthetic communities: the same seed, the same posts")
	flags.Float64Var(&c.Speed, "speed", 1, "how many times faster than life posts appear and grow")
	flags.IntVar(&c.RequestsPerWindow, "requests-per-window", 1000, "requests allowed in each 10 minutes")
	return cmd
}

func (sh *shell) runSim(ctx context.Context, c redditsim.Config, address string) error {
	log, err := telemetry.NewLogger(sh.err, "info", "text")
	if err != nil {
		return err
	}
	sim, err := redditsim.New(c, log)
	if err != nil {
		return err
	}
	l, err := listen("--listen", address)
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String()
	fmt.Fprintf(sh.out, "the simulated Reddit answers at %s with %d communities\n", url, len(sim.Subreddits()))
	fmt.Fprintf(sh.out, "point Pulse at it:\n  PULSE_REDDIT_BASE_URL=%s PULSE_REDDIT_TOKEN_URL=%s/api/v1/access_token \\\n"+
		"  PULSE_REDDIT_CLIENT_ID=sim PULSE_REDDIT_CLIENT_SECRET=sim PULSE_REDDIT_USER_AGENT='%s' bin/pulse up\n",
		url, url, simUserAgent)
	return lifecycle.Run(ctx, log, grace, serve("sim", l, sim, 10*time.Second, time.Minute))
}

// simUserAgent is what the simulator is asked with where nobody set one.
const simUserAgent = "linux:dev.redditpulse:simulator (by /u/pulse_simulator)"
