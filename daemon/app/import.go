package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dev.redditpulse/daemon/dump"
)

func (sh *shell) importCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE…",
		Short: "Produce observations from dumps: NDJSON in the Kafka value format, plain, gzip or zstd; - is standard input",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := sh.tool()
			if err != nil {
				return err
			}
			b, err := p.bus()
			if err != nil {
				return err
			}
			if err := checkTopics(cmd.Context(), b); err != nil {
				return errors.Join(err, p.close())
			}
			show := &importShow{out: sh.out, words: sh.err, live: isTerminal(sh.err)}
			importer := dump.New(b, b, show.progress, p.log)
			var failed error
			for _, path := range args {
				if failed = sh.importFile(cmd.Context(), importer, path, show); failed != nil {
					break
				}
			}
			return errors.Join(failed, p.close())
		},
	}
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
	fmt.Fprintf(s.words, "\r%s:%s %d lines, %.0f records/s, %d refused\x1b[K", s.path, percent, p.Lines, p.Rate, p.Refused)
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
	fmt.Fprintf(s.out, "%s: %s: %d lines, %d produced, %d refused, %.1f s, %.0f records/s\n",
		s.path, word, res.Lines, res.Produced, res.Refused, took.Seconds(), float64(res.Produced)/took.Seconds())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
