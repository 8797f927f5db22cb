package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/telemetry"
)

// simFlags is the flags of `pulse sim`.
type simFlags struct {
	address    string
	config     redditsim.Config
	noOddities bool
	faults     faultFlag
	rates      rateFlag
}

func (sh *shell) simCommand() *cobra.Command {
	f := simFlags{rates: rateFlag{}}
	cmd := &cobra.Command{
		Use: "sim", Short: "Run the simulated Reddit alone: synthetic, or replaying recorded responses", Args: cobra.NoArgs,
		Long: `Run the simulated Reddit alone: synthetic, or replaying recorded responses.

It answers as Reddit does: token call, /r/NAMES/{new,hot,rising,top}, /api/info,
/by_id/…, with the headers, limits, refusals and oddities of the real one. Names
that begin with private_, quarantined_, gated_, banned_ or missing_ stand so.

While it runs, GET /__sim/truth tells of every post what became of it, GET
/__sim/requests how the limit was kept, and POST /__sim/faults injects faults,
as --fault does from the start. GET /__sim/ explains them.

Kinds of faults:
` + redditsim.FaultKinds(),
		Example: `  pulse sim --seed 7 --speed 20
  pulse sim --rate golang=5 --rate rust=0.2 --clock-speed 60
  pulse sim --fault kind=503,share=0.1,for=10m --fault kind=private,subreddit=golang
  curl -d '[{"kind": "429", "count": 3}]' http://127.0.0.1:8090/__sim/faults`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.settle(cmd)
			return sh.runSim(cmd.Context(), &f)
		},
	}
	f.define(cmd)
	cmd.AddCommand(sh.seriesCommand())
	return cmd
}

func (f *simFlags) define(cmd *cobra.Command) {
	flags, c, odd := cmd.Flags(), &f.config, &f.config.Oddities
	flags.SortFlags = false
	flags.StringVar(&f.address, "listen", "127.0.0.1:8090", "address to serve on")
	flags.StringVar(&c.Replay, "replay", "", "folder of recorded responses with their index.json")
	flags.Uint64Var(&c.Seed, "seed", 1, "of the synthetic communities: the same seed, the same posts")
	flags.Float64Var(&c.Speed, "speed", 1, "how many times faster than life posts appear and grow, 0.01 to 1000")
	flags.Float64Var(&c.ClockSpeed, "clock-speed", 1,
		"how many times faster the clock runs from the start on, with windows, tokens and Date, 0.01 to 10000")
	flags.IntVar(&c.RequestsPerWindow, "requests-per-window", 1000, "requests allowed in each 10 minutes")
	flags.Var(f.rates, "rate", "posts a minute of a community, 0 to 6000; repeatable")
	flags.Var(&f.faults, "fault", "something that goes wrong, with the fields kind, path, subreddit, share, count, for, takes, used; repeatable")
	flags.Float64Var(&odd.Held, "held", 0.02, "share of posts that wait for a moderator; 0 is off, as below")
	flags.DurationVar(&odd.Lag, "lag", time.Minute, "longest time until listings have a new post")
	flags.DurationVar(&odd.Disorder, "disorder", 80*time.Second, "how much too far up a post may stand")
	flags.Float64Var(&odd.Stale, "stale", 0.03, "share of pages that are up to 30 s old")
	flags.Float64Var(&odd.Removed, "removed", 0.03, "share of posts that are removed or deleted")
	flags.Float64Var(&odd.Gone, "gone", 0.002, "share of posts that vanish from the site")
	flags.Float64Var(&odd.Fuzz, "fuzz", 1, "scale of the error of scores, at most 20")
	flags.IntVar(&odd.Stickies, "stickies", 2, "posts that a community pins above the limit of /hot at most")
	flags.BoolVar(&f.noOddities, "no-oddities", false, "turn off all from --held to --stickies that are not given")
}

// settle turns flags into the configuration, where 0 is the default and less
// than 0 is off.
func (f *simFlags) settle(cmd *cobra.Command) {
	off, odd := redditsim.NoOddities(), &f.config.Oddities
	quiet := func(name string) bool { return f.noOddities && !cmd.Flags().Changed(name) }
	settleOne(&odd.Held, off.Held, quiet("held"))
	settleOne(&odd.Lag, off.Lag, quiet("lag"))
	settleOne(&odd.Disorder, off.Disorder, quiet("disorder"))
	settleOne(&odd.Stale, off.Stale, quiet("stale"))
	settleOne(&odd.Removed, off.Removed, quiet("removed"))
	settleOne(&odd.Gone, off.Gone, quiet("gone"))
	settleOne(&odd.Fuzz, off.Fuzz, quiet("fuzz"))
	settleOne(&odd.Stickies, off.Stickies, quiet("stickies"))
	f.config.Rates = f.rates
}

func settleOne[T int | float64 | time.Duration](v *T, off T, quiet bool) {
	if quiet || *v == 0 {
		*v = off
	}
}

func (sh *shell) runSim(ctx context.Context, f *simFlags) error {
	log, err := telemetry.NewLogger(sh.err, "info", "text")
	if err != nil {
		return err
	}
	sim, err := redditsim.New(f.config, log)
	if err != nil {
		return err
	}
	for _, fault := range f.faults {
		if err := sim.Inject(fault); err != nil {
			return fmt.Errorf("--fault: %w", err)
		}
	}
	l, err := listen("--listen", f.address)
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String()
	fmt.Fprintf(sh.out, "the simulated Reddit answers at %s with %d communities\n", url, len(sim.Subreddits()))
	fmt.Fprintf(sh.out, "its truth, its faults and the use of its limit: %s/__sim/\n", url)
	fmt.Fprintf(sh.out, "point Pulse at it:\n  PULSE_REDDIT_BASE_URL=%s PULSE_REDDIT_TOKEN_URL=%s/api/v1/access_token \\\n"+
		"  PULSE_REDDIT_CLIENT_ID=sim PULSE_REDDIT_CLIENT_SECRET=sim PULSE_REDDIT_USER_AGENT='%s' bin/pulse up\n",
		url, url, simUserAgent)
	return lifecycle.Run(ctx, log, grace, serve("sim", l, sim, 10*time.Second, time.Minute))
}

// simUserAgent is what the simulator is asked with where nobody set one.
const simUserAgent = "linux:dev.redditpulse:simulator (by /u/pulse_simulator)"

// faultFlag collects --fault.
type faultFlag []redditsim.Fault

// Set reads one fault.
func (f *faultFlag) Set(text string) error {
	fault, err := redditsim.ParseFault(text)
	if err == nil {
		*f = append(*f, fault)
	}
	return err
}

func (f *faultFlag) String() string { return "" }

// Type is what help calls the value.
func (f *faultFlag) Type() string { return "kind=KIND" }

// rateFlag collects --rate.
type rateFlag map[string]float64

// Set reads NAME=POSTS-A-MINUTE.
func (r rateFlag) Set(text string) error {
	name, number, ok := strings.Cut(text, "=")
	rate, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil {
		return errors.New("want NAME=POSTS-A-MINUTE, e.g. golang=0.5")
	}
	r[name] = rate
	return nil
}

func (r rateFlag) String() string { return "" }

// Type is what help calls the value.
func (r rateFlag) Type() string { return "NAME=N" }
