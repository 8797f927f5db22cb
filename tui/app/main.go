// Package app is the terminal program: flags, wiring, and the root model that
// owns focus, size and keys and puts the screens together into frames.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/telemetry"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
)

// Exit codes of the program.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// Process is what the program sees of its surroundings.
type Process struct {
	Args   []string
	Getenv func(string) string
	Stdin  *os.File
	Stdout *os.File
	Stderr io.Writer
}

// usageError is a wrong command line.
type usageError struct{ error }

// Main runs the program and gives its exit code.
func Main(p Process) int {
	var o options
	root := &cobra.Command{
		Use:   "pulse-tui",
		Short: "Reddit Pulse in a terminal: the live feed and what is watched",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown argument %q", args[0])}
			}
			return nil
		},
		SilenceErrors: true, SilenceUsage: true,
		Version:           telemetry.Version(),
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(*cobra.Command, []string) error { return run(p, o) },
	}
	root.SetVersionTemplate("pulse-tui {{.Version}}\n")
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.AddCommand(&cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "pulse-tui", telemetry.Version())
		},
	})
	o.register(root.Flags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.Execute()
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, tea.ErrInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(p.Stderr, "pulse-tui: %v\nTry pulse-tui --help.\n", err)
		return exitUsage
	}
	fmt.Fprintf(p.Stderr, "pulse-tui: %v\n", err)
	return exitFailed
}

// run wires the parts and runs the program until its end.
func run(p Process, o options) error {
	server, err := o.address()
	if err != nil {
		return err
	}
	token, from, err := o.token(p.Getenv)
	if err != nil {
		return err
	}
	api, err := client.New(client.Config{BaseURL: server, UserAgent: "pulse-tui/" + telemetry.Version()})
	if err != nil {
		return usageError{err}
	}
	defer api.Close()
	if !term.IsTerminal(int(p.Stdin.Fd())) || !term.IsTerminal(int(p.Stdout.Fd())) {
		return errors.New("needs a terminal: standard input and output must both be one")
	}
	if token != "" {
		api.SetToken(token)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return show(ctx, p, func(panicked func(error)) *Model {
		s := session.New(session.Config{Client: api, ReadOnly: o.readOnly, Panicked: panicked})
		look := theme.New(theme.Colourful(p.Getenv))
		return newModel(ctx, look, s, start{user: o.user, token: token != "", from: from, ascii: o.ascii})
	})
}

// show runs a model on the terminal until it quits. The model is told where to
// report a panic in its own goroutines, which ends the program in good order.
func show(ctx context.Context, p Process, build func(panicked func(error)) *Model) error {
	ctx, cancel := context.WithCancel(ctx)
	var program *tea.Program
	m := build(func(err error) { program.Send(fatal{err}) })
	defer m.session.Stop()
	defer cancel()
	program = tea.NewProgram(m, tea.WithAltScreen(), tea.WithFPS(30), tea.WithInput(p.Stdin), tea.WithOutput(p.Stdout))
	hangUp(ctx, program)
	if _, err := program.Run(); err != nil {
		return fmt.Errorf("run the terminal: %w", err)
	}
	return m.err
}

// hangUp ends the program in good order when its terminal goes away; the other
// signals are handled by the program itself.
func hangUp(ctx context.Context, program *tea.Program) {
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, syscall.SIGHUP)
	go func() {
		defer signal.Stop(gone)
		select {
		case <-gone:
			program.Quit()
		case <-ctx.Done():
		}
	}()
}
