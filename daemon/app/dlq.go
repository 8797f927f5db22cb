package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// stepOfActs is how many letters one request settles: few enough for its
	// deadline.
	stepOfActs = 100
	maxIDs     = 1000
)

const dlqHelp = `Records that could not be stored wait here with their bytes and the reason. Find
the reason (list, show), mend the cause, send them again (replay), and see the posts
in the feed. What is not worth mending is given up with a reason (discard).`

func (sh *shell) dlqCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dlq", Short: "Look at dead letters, send them again, or give them up", Long: dlqHelp}
	var a access
	a.flags(cmd)
	cmd.AddCommand(sh.dlqListCommand(&a), sh.dlqShowCommand(&a),
		sh.dlqActCommand(&a, "replay", "Send dead letters again", "sent again", (*client.Client).ReplayDeadLetters),
		sh.dlqActCommand(&a, "discard", "Give dead letters up", "discarded", (*client.Client).DiscardDeadLetters))
	return cmd
}

// deadFilterFlags gives a command the flags of a filter.
type deadFilterFlags struct {
	filter       wire.DeadLetterFilter
	since, until string
}

func (f *deadFilterFlags) register(cmd *cobra.Command, state bool) {
	flags := cmd.Flags()
	if state {
		flags.StringVar(&f.filter.State, "state", "open", "open, replayed, discarded, or any")
	}
	flags.StringVar(&f.filter.Topic, "topic", "", "of this topic")
	flags.StringVar(&f.filter.Stage, "stage", "", "that failed in this step: decode or store")
	flags.StringVar(&f.filter.Class, "class", "", `of this class, such as "invalid:score"`)
	flags.StringVar(&f.since, "since", "", "that failed at or after this time (RFC 3339)")
	flags.StringVar(&f.until, "until", "", "that failed before this time")
}

// read gives the filter of the flags; its errors name the flag.
func (f *deadFilterFlags) read() (wire.DeadLetterFilter, error) {
	out := f.filter
	switch out.State {
	case "any":
		out.State = ""
	case "", string(pulse.DeadOpen), string(pulse.DeadReplayed), string(pulse.DeadDiscarded):
	default:
		return out, fmt.Errorf("--state %q: want open, replayed, discarded or any", out.State)
	}
	for _, bound := range []struct {
		flag, text string
		at         **time.Time
	}{{"since", f.since, &out.Since}, {"until", f.until, &out.Until}} {
		if bound.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, bound.text)
		if err != nil {
			return out, fmt.Errorf("--%s %q: want a time such as 2026-01-31T12:00:00Z", bound.flag, bound.text)
		}
		*bound.at = &t
	}
	if out.Since != nil && out.Until != nil && !out.Since.Before(*out.Until) {
		return out, errors.New("--since is not before --until")
	}
	return out, nil
}

// checkIDs refuses what is no dead letter's id.
func checkIDs(ids []string) error {
	for _, id := range ids {
		if _, err := wire.DeadLetterKey(fmt.Sprintf("%.100q", id), id); err != nil {
			return err
		}
	}
	return nil
}

func (sh *shell) dlqListCommand(a *access) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List dead letters, last failures first"}
	var f deadFilterFlags
	f.register(cmd, true)
	limit := cmd.Flags().Int("limit", 50, "at most so many")
	output := outputFlag(cmd)
	var filter wire.DeadLetterFilter
	cmd.Args = func(cmd *cobra.Command, args []string) (err error) {
		filter, err = f.read()
		if *limit < 1 {
			err = cmp.Or(err, fmt.Errorf("--limit %d: want 1 or more", *limit))
		}
		return cmp.Or(cobra.NoArgs(cmd, args), err)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, end, err := sh.client(cmd.Context(), a)
		if err != nil {
			return err
		}
		defer end()
		list, err := allLetters(cmd.Context(), c, filter, *limit)
		if err != nil {
			return err
		}
		if *output == outputJSON {
			return sh.printJSON(list)
		}
		sh.printLetters(list)
		return nil
	}
	return cmd
}

// allLetters reads pages until there are enough.
func allLetters(ctx context.Context, c *client.Client, f wire.DeadLetterFilter, limit int) (wire.DeadLetterList, error) {
	all := wire.DeadLetterList{Results: []wire.DeadLetter{}}
	q := client.DeadLettersQuery{DeadLetterFilter: f}
	for {
		q.Limit = min(200, limit-len(all.Results))
		page, err := c.DeadLetters(ctx, q)
		if err != nil {
			return all, err
		}
		all.Results, all.Next = append(all.Results, page.Results...), page.Next
		if q.Cursor == "" {
			all.Reasons = page.Reasons
		}
		if page.Next == nil || len(all.Results) >= limit {
			return all, nil
		}
		q.Cursor = *page.Next
	}
}

func (sh *shell) dlqShowCommand(a *access) *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show a dead letter: why, where, and its bytes"}
	output := outputFlag(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		return cmp.Or(cobra.ExactArgs(1)(cmd, args), checkIDs(args))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, end, err := sh.client(cmd.Context(), a)
		if err != nil {
			return err
		}
		defer end()
		l, err := c.DeadLetter(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if *output == outputJSON {
			return sh.printJSON(l)
		}
		sh.printLetter(&l)
		return nil
	}
	return cmd
}

type deadAct = func(*client.Client, context.Context, wire.DeadLetterAct) (wire.DeadLetterReport, error)

func (sh *shell) dlqActCommand(a *access, use, short, done string, act deadAct) *cobra.Command {
	cmd := &cobra.Command{Use: use + " [ID…]", Short: short}
	var f deadFilterFlags
	f.register(cmd, false)
	flags := cmd.Flags()
	dryRun := flags.Bool("dry-run", false, "only say what would be done")
	all := flags.Bool("all", false, "all open dead letters")
	var reason string
	if use == "discard" {
		flags.StringVar(&reason, "reason", "", "why they are given up")
	}
	output := outputFlag(cmd)
	var in wire.DeadLetterAct
	cmd.Args = func(_ *cobra.Command, args []string) error {
		filter, err := f.read()
		if err != nil {
			return err
		}
		if in, err = lettersChosen(args, filter, *all); err != nil {
			return err
		}
		if use == "discard" && strings.TrimSpace(reason) == "" && !*dryRun {
			return errors.New("--reason: missing: say why these are given up")
		}
		in.DryRun, in.Reason = *dryRun, reason
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, end, err := sh.client(cmd.Context(), a)
		if err != nil {
			return err
		}
		defer end()
		report, err := sh.inSteps(cmd.Context(), c, in, done, act)
		if *output == outputJSON {
			return errors.Join(err, sh.printJSON(report))
		}
		sh.printReport(&report, done)
		return err
	}
	return cmd
}

// lettersChosen is what the arguments and flags name, open letters only.
func lettersChosen(ids []string, f wire.DeadLetterFilter, all bool) (wire.DeadLetterAct, error) {
	empty := f == wire.DeadLetterFilter{}
	switch {
	case len(ids) > maxIDs:
		return wire.DeadLetterAct{}, fmt.Errorf("%d ids, at most %d at once: use a filter", len(ids), maxIDs)
	case len(ids) > 0 && (all || !empty):
		return wire.DeadLetterAct{}, errors.New("give ids or a filter, not both")
	case len(ids) > 0:
		return wire.DeadLetterAct{IDs: slices.Compact(slices.Sorted(slices.Values(ids)))}, checkIDs(ids)
	case empty && !all:
		return wire.DeadLetterAct{}, errors.New("which? give ids, a filter such as --class invalid:score, or --all")
	}
	f.State = string(pulse.DeadOpen)
	return wire.DeadLetterAct{Filter: &f, All: all}, nil
}

// inSteps acts until nothing is left to do, with progress on a terminal. What
// fails again meanwhile is not taken twice.
func (sh *shell) inSteps(ctx context.Context, c *client.Client, in wire.DeadLetterAct, done string, act deadAct) (wire.DeadLetterReport, error) {
	in.Limit = stepOfActs
	if in.IDs != nil {
		return idsInSteps(ctx, c, in, act)
	}
	total, wanted := 0, -1
	for {
		report, err := act(c, ctx, in)
		if wanted < 0 {
			wanted = report.Done + int(report.Remaining)
		}
		total += report.Done
		over := report.Remaining == 0 || report.Done == 0 || total >= wanted
		report.Done = total
		if err != nil || in.DryRun || over {
			return report, err
		}
		in.Limit = min(stepOfActs, wanted-total)
		if isTerminal(sh.err) {
			fmt.Fprintf(sh.err, "%d %s, %d to go\n", total, done, wanted-total)
		}
	}
}

// idsInSteps acts on so many ids a request, and gives what was done in all.
func idsInSteps(ctx context.Context, c *client.Client, in wire.DeadLetterAct, act deadAct) (all wire.DeadLetterReport, err error) {
	all = wire.DeadLetterReport{DryRun: in.DryRun, Reasons: []wire.DeadLetterCount{}, Refused: []wire.DeadLetterRefusal{}}
	for ids := range slices.Chunk(in.IDs, stepOfActs) {
		in.IDs = ids
		report, err := act(c, ctx, in)
		if err != nil {
			return all, err
		}
		all.Done, all.Remaining = all.Done+report.Done, all.Remaining+report.Remaining
		for _, r := range report.Reasons {
			i := slices.IndexFunc(all.Reasons, func(c wire.DeadLetterCount) bool { return c.Class == r.Class })
			if i < 0 {
				i, all.Reasons = len(all.Reasons), append(all.Reasons, wire.DeadLetterCount{Class: r.Class})
			}
			all.Reasons[i].Count += r.Count
		}
		for _, r := range report.Refused {
			i := slices.IndexFunc(all.Refused, func(c wire.DeadLetterRefusal) bool { return c.Why == r.Why })
			if i < 0 {
				i, all.Refused = len(all.Refused), append(all.Refused, wire.DeadLetterRefusal{Why: r.Why})
			}
			all.Refused[i].Count += r.Count
		}
	}
	return all, nil
}
