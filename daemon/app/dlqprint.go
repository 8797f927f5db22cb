package app

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/shared/wire"
)

// shownValue bounds how much of a value is printed, in bytes.
const shownValue = 16 << 10

func (sh *shell) printLetters(list wire.DeadLetterList) {
	if len(list.Results) == 0 {
		fmt.Fprintln(sh.err, "no dead letters")
		return
	}
	w := tabwriter.NewWriter(sh.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tFAILED\tREPLAYS\tCLASS\tMESSAGE")
	for i := range list.Results {
		l := &list.Results[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", text.Drawable(l.ID), text.Drawable(l.State), l.FailedAt.Format(time.DateTime),
			l.Replays, text.Drawable(l.Class), text.Cut(text.Drawable(l.Message), 80))
	}
	w.Flush()
	if list.Next != nil {
		fmt.Fprintln(sh.err, "there are more: --limit")
	}
	if len(list.Reasons) > 0 {
		fmt.Fprintln(sh.err, "open: "+reasonsText(list.Reasons))
	}
}

func reasonsText(counts []wire.DeadLetterCount) string {
	var parts []string
	for _, c := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", c.Count, text.Drawable(c.Class)))
	}
	return strings.Join(parts, ", ")
}

func (sh *shell) printLetter(l *wire.DeadLetterDetail) {
	w := tabwriter.NewWriter(sh.out, 0, 4, 2, ' ', 0)
	line := func(what, value string) { fmt.Fprintf(w, "%s\t%s\n", text.Drawable(what), text.Drawable(value)) }
	line("id", l.ID)
	line("state", l.State)
	line("failed", fmt.Sprintf("%s in %s: %s", l.FailedAt.Format(time.RFC3339), l.Stage, l.Message))
	line("class", l.Class)
	line("first failed", l.FirstFailedAt.Format(time.RFC3339))
	line("where", fmt.Sprintf("%s partition %d offset %d, group %s, version %s", l.Topic, l.Partition, l.Offset, l.Group, l.AppVersion))
	line("sent again", fmt.Sprintf("%d times", l.Replays))
	if l.ChangedAt != nil {
		line("changed", fmt.Sprintf("%s by %s %s", l.ChangedAt.Format(time.RFC3339), l.ChangedBy, l.Reason))
	}
	for _, h := range l.Headers {
		line("header "+h.Key, shown(h.Value))
	}
	line("key", shown(l.Key))
	w.Flush()
	fmt.Fprintf(sh.out, "value, %d bytes:\n%s\n", len(l.Value), shown(l.Value))
}

// shown is bytes as a terminal may have them.
func shown(b []byte) string {
	cut := b[:min(len(b), shownValue)]
	if s := string(cut); text.Drawable(s) == s {
		if len(b) > len(cut) {
			s += "…"
		}
		return s
	}
	s := fmt.Sprintf("%q", cut)
	if len(b) > len(cut) {
		s += "…"
	}
	return s
}

func (sh *shell) printReport(r *wire.DeadLetterReport, done string) {
	if r.DryRun {
		fmt.Fprintf(sh.out, "%d would be %s\n", r.Remaining, done)
	} else {
		fmt.Fprintf(sh.out, "%d %s\n", r.Done, done)
	}
	for _, c := range r.Reasons {
		fmt.Fprintf(sh.out, "  %d %s\n", c.Count, text.Drawable(c.Class))
	}
	for _, refusal := range r.Refused {
		fmt.Fprintf(sh.out, "left alone: %d, %s\n", refusal.Count, text.Drawable(refusal.Why))
	}
}
