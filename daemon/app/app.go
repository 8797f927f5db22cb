// Package app is the command line of pulse: one file a subcommand, wiring only.
// It is the one place that knows both stages and adapters.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/telemetry"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// shell is what a command has of the world outside.
type shell struct {
	environ []string
	in      io.Reader
	out     io.Writer // results
	err     io.Writer // words
	file    string    // --config
	started bool      // the command line was understood
}

// Main runs a command line and gives the exit code.
func Main(args, environ []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal is not caught any more: it ends the process at once.
	context.AfterFunc(ctx, stop)

	sh := &shell{environ: environ, in: in, out: out, err: errOut}
	root := sh.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case !sh.started:
		fmt.Fprintf(errOut, "pulse: %v\nrun 'pulse --help' for usage\n", err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, "pulse: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(errOut, "pulse: %s\n", strings.ReplaceAll(err.Error(), "\n", "\npulse: "))
	return exitFailed
}

func (sh *shell) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "pulse",
		Short:         "What is taking off on Reddit, seconds after it starts",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       telemetry.Version(),
		PersistentPreRun: func(*cobra.Command, []string) {
			sh.started = true
		},
	}
	root.PersistentFlags().StringVar(&sh.file, "config", "",
		"configuration file (default .pulse/run.toml of a running 'pulse up', else pulse.toml here or in the user's config folder)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		sh.upCommand(), sh.ingestCommand(), sh.processCommand(), sh.storeCommand(), sh.apiCommand(),
		sh.migrateCommand(), sh.topicsCommand(), sh.dlqCommand(), sh.userCommand(), sh.importCommand(), sh.backtestCommand(), sh.simCommand(),
		sh.configCommand(), sh.versionCommand(),
	)
	return root
}

// load reads the configuration of a command; running tells whether that of a
// running `pulse up` may serve.
func (sh *shell) load(running bool, flags map[string]string) (*config.Loaded, error) {
	file := sh.file
	if file == "" {
		file = config.Find(running)
	}
	return config.Load(config.Source{File: file, Env: sh.environ, Flags: flags})
}

func (sh *shell) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintln(sh.out, "pulse", telemetry.Version())
		},
	}
}
