package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dev.redditpulse/daemon/dump"
)

const importHelp = `Produce observations from files, through the same pipeline as those of Reddit:
one JSON object a line, plain, gzip or zstd; - is standard input. A line is

  - a post as public archives of Reddit have it (RS_2023-04.zst and the like), or
    in the form {"kind":"t3","data":{…}}: one reading of the post, of the moment
    at which the archive took it;
  - or a Kafka value of this system.

Other lines, those of comments among them, are refused and named, and the rest
goes on. The readings of a post keep the file's order; so do the posts, but for a
few thousand lines that are under way at once. An interrupted import goes on where
it stood when the same command is given again. A file that is packed with a long
window (zstd --long=31) takes up to 2.5 GiB of memory.`

// Memory that the import may fill before it is cleaned up more often, in bytes:
// the longest window of a packed file, and half a GiB for all else. Without it
// such a file would take twice its window.
const importMemory = 5 << 29

func (sh *shell) importCommand() *cobra.Command {
	var filter importFilter
	cmd := &cobra.Command{
		Use:   "import FILE…",
		Short: "Produce observations from archives of Reddit and other dumps",
		Long:  importHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			return cmp.Or(cobra.MinimumNArgs(1)(cmd, args), filter.check())
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if debug.SetMemoryLimit(-1) > importMemory {
				debug.SetMemoryLimit(importMemory)
			}
			return sh.importFiles(cmd.Context(), args, filter.Filter)
		},
	}
	filter.flags(cmd)
	return cmd
}

func (sh *shell) importFiles(ctx context.Context, paths []string, filter dump.Filter) error {
	p, err := sh.tool()
	if err != nil {
		return err
	}
	b, err := p.bus()
	if err != nil {
		return err
	}
	if err := checkTopics(ctx, b); err != nil {
		return errors.Join(err, p.close())
	}
	show := &importShow{out: sh.out, words: sh.err, live: isTerminal(sh.err)}
	importer := dump.New(b, b, filter, show.progress, p.log)
	var failed error
	for _, path := range paths {
		if failed = sh.importFile(ctx, importer, path, show); failed != nil {
			break
		}
	}
	return errors.Join(failed, p.close())
}

func (sh *shell) importFile(ctx context.Context, importer *dump.Importer, path string, show *importShow) error {
	show.begin(path)
	res, err := importer.ImportFile(ctx, path)
	show.end(res, err)
	if err != nil {
		return err
	}
	if res.Refused > 0 {
		return fmt.Errorf("import %s: %d of %d lines refused", path, res.Refused, res.Lines)
	}
	return nil
}

// importShow shows an import: a line that moves on a terminal, and the result.
type importShow struct {
	out, words io.Writer
	live       bool
	path       string
	begun      time.Time
}

func (s *importShow) begin(path string) { s.path, s.begun = path, time.Now() }

func (s *importShow) progress(p dump.Status) {
	if !s.live {
		return
	}
	percent := ""
	if p.Total > 0 {
		percent = fmt.Sprintf(" %3.0f %%", 100*float64(p.Bytes)/float64(p.Total))
	}
	fmt.Fprintf(s.words, "\r%s:%s %d lines, %.0f records/s, %d refused%s\x1b[K",
		s.path, percent, p.Lines, p.Rate, p.Refused, skippedWords(p.Skipped))
}

func (s *importShow) end(res dump.Result, err error) {
	if s.live {
		fmt.Fprint(s.words, "\r\x1b[K")
	}
	for _, fault := range res.FirstFaults {
		fmt.Fprintf(s.words, "%s: %v\n", s.path, fault)
	}
	if more := res.Refused - int64(len(res.FirstFaults)); more > 0 {
		fmt.Fprintf(s.words, "%s: and %d more\n", s.path, more)
	}
	if res.ResumedFrom > 0 {
		fmt.Fprintf(s.words, "%s: went on behind line %d, where an earlier import was interrupted\n", s.path, res.ResumedFrom)
	}
	if err != nil && res.Lines == 0 {
		return // the error says it all
	}
	word := "imported"
	if err != nil {
		word = "interrupted; the same command goes on from here"
	}
	took := time.Since(s.begun)
	fmt.Fprintf(s.out, "%s: %s: %d lines, %d produced, %d refused%s, %.1f s, %.0f records/s\n",
		s.path, word, res.Lines, res.Produced, res.Refused, skippedWords(res.Skipped), took.Seconds(), float64(res.Produced)/took.Seconds())
}

func skippedWords(lines int64) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf(", %d skipped", lines)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// importFilter is the flags that say which posts are imported.
type importFilter struct{ dump.Filter }

func (f *importFilter) flags(cmd *cobra.Command) {
	cmd.Flags().Var((*namesFlag)(&f.Subreddits), "subreddit", "import posts of this subreddit only (repeatable)")
	cmd.Flags().Var((*instantFlag)(&f.Since), "since", "import posts made then or later: 2024-01-31 (UTC) or 2024-01-31T12:00:00Z")
	cmd.Flags().Var((*instantFlag)(&f.Until), "until", "import posts made before then")
}

func (f *importFilter) check() error {
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return errors.New("--since is not before --until: no post is in between")
	}
	return nil
}

// namesFlag collects subreddits.
type namesFlag []string

func (n *namesFlag) String() string { return strings.Join(*n, ",") }

// Set takes one more name. Archives have communities whose names are no longer
// given, so that it asks for little.
func (n *namesFlag) Set(s string) error {
	name := strings.TrimPrefix(strings.TrimPrefix(s, "/"), "r/")
	if name == "" || strings.ContainsAny(name, "/, \t\r\n") {
		return errors.New("want a subreddit's name, e.g. golang; give the flag once for each")
	}
	*n = append(*n, name)
	return nil
}

// Type names the kind of value in the usage text.
func (n *namesFlag) Type() string { return "NAME" }

// instantFlag is a moment: the beginning of a day in UTC, or RFC 3339.
type instantFlag time.Time

func (i *instantFlag) String() string {
	if time.Time(*i).IsZero() {
		return ""
	}
	return time.Time(*i).Format(time.RFC3339)
}

// Set takes a moment.
func (i *instantFlag) Set(s string) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			*i = instantFlag(t.UTC())
			return nil
		}
	}
	return errors.New("want a day, e.g. 2024-01-31, or a time, e.g. 2024-01-31T12:00:00Z")
}

// Type names the kind of value in the usage text.
func (i *instantFlag) Type() string { return "TIME" }
