// Package dump reads observations from files of one JSON object a line and has
// them produced like any others: keyed by post, in the file's order for each
// post, resumable. A line is a Kafka value or a post as public archives of
// Reddit keep it. It knows neither Kafka nor where the files come from.
package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"dev.redditpulse/shared/wire"
)

// Producer takes records to where they are kept.
type Producer interface {
	// Produce returns nil when every record is safe. After an error the outcome
	// is unknown. The records' bytes stay untouched by both sides afterwards.
	Produce(ctx context.Context, records []wire.Record) error
}

// Progress keeps the place up to which a file is imported.
type Progress interface {
	// Progress gives what was saved under id: 0 and "" where nothing was.
	Progress(ctx context.Context, id string) (offset int64, meta string, err error)
	SaveProgress(ctx context.Context, id string, offset int64, meta string) error
	ForgetProgress(ctx context.Context, id string) error
}

const (
	// Bytes; a longer line is refused. A text of 40,000 characters, all escaped,
	// stands in an archive up to four times: of a post and of the one that it
	// repeats, as Markdown and as HTML.
	maxLine   = 4 << 20
	maxFaults = 20 // described in a Result; all are counted

	saveInterval   = time.Second
	reportInterval = 500 * time.Millisecond
	saveTimeout    = 10 * time.Second
)

// Importer imports files, one after the other.
type Importer struct {
	producer Producer
	progress Progress
	filter   Filter
	log      *slog.Logger
	report   func(Status)
	stdin    io.Reader
}

// New makes an Importer of what filter takes. progress may be nil: then nothing
// is resumable. report may be nil; it is called about twice a second and at the
// end, from one goroutine at a time.
func New(producer Producer, progress Progress, filter Filter, report func(Status), log *slog.Logger) *Importer {
	if report == nil {
		report = func(Status) {}
	}
	return &Importer{
		producer: producer, progress: progress, filter: filter, report: report, log: log, stdin: os.Stdin,
	}
}

// Status is how far an import is.
type Status struct {
	Lines    int64   // read, counting those of an earlier run
	Produced int64   // records acknowledged by this run
	Refused  int64   // lines that hold no valid observation
	Skipped  int64   // lines that the filter leaves out
	Bytes    int64   // read from the file as it lies on the disk
	Total    int64   // size of the file, 0 if unknown
	Rate     float64 // records acknowledged a second, since the last report
	Resuming bool    // still reading what an earlier run has imported
}

// Result is what an import did.
type Result struct {
	Lines       int64   // in the file, blank ones too
	Produced    int64   // records acknowledged by this run
	Refused     int64   // lines that hold no valid observation, in the whole file
	Skipped     int64   // lines that the filter leaves out, in the whole file
	ResumedFrom int64   // lines that an earlier run had imported
	FirstFaults []Fault // of the refused lines, at most 20
}

// Fault says why a line was refused.
type Fault struct {
	Line   int64 // from 1
	Field  string
	Reason string
}

func (f Fault) String() string { return fmt.Sprintf("line %d: %s: %s", f.Line, f.Field, f.Reason) }

// ImportFile imports the file at path; "-" is standard input, which cannot be
// resumed. An import that was interrupted goes on behind the last line that
// was acknowledged with everything before it; one that has finished, or has
// another filter, starts from the first line again.
//
// The readings of one post are produced in the file's order. Across posts the
// order is the file's, too, but for what is under way at once: a few thousand
// lines. An archive, which lies in the order of creation, comes in like that.
//
// Memory is bounded whatever the file holds. A file packed by zstd with a long
// window needs the length of that window on top, 2 GiB at most, as far as the
// file is that long when unpacked.
//
// Lines that are no valid observation are refused and the rest goes on. The
// error says which line was reached: unreadable or cut-off data, a producer
// that gave up, or the end of ctx. What could be read before is produced and
// the place is saved.
func (im *Importer) ImportFile(ctx context.Context, path string) (Result, error) {
	if path == "-" {
		return im.Import(ctx, im.stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return Result{}, fmt.Errorf("import: %w", err)
	}
	id, size, err := identify(f, path, im.filter)
	if err != nil {
		f.Close()
		return Result{}, fmt.Errorf("import %s: %w", path, err)
	}
	result, err := im.run(ctx, &input{file: f, size: size}, mark{id: id, name: filepath.Base(path)})
	if err != nil {
		return result, fmt.Errorf("import %s: %w", path, err)
	}
	return result, nil
}

// Import imports everything that r gives, without a place to resume from. When
// ctx ends while r blocks, r is read once more at most.
func (im *Importer) Import(ctx context.Context, r io.Reader) (Result, error) {
	result, err := im.run(ctx, &input{file: io.NopCloser(r)}, mark{})
	if err != nil {
		return result, fmt.Errorf("import: %w", err)
	}
	return result, nil
}

// mark is where the place of one file is kept; without an id, nowhere.
type mark struct{ id, name string }

func (im *Importer) run(ctx context.Context, in *input, m mark) (Result, error) {
	if im.progress == nil {
		m.id = ""
	}
	var from int64
	if m.id != "" {
		var err error
		if from, _, err = im.progress.Progress(ctx, m.id); err != nil {
			in.file.Close()
			return Result{}, err
		}
	}
	p := newPipeline(ctx, im.producer, newSieve(im.filter), from)
	finished := make(chan struct{})
	watched := make(chan int64, 1)
	go func() { watched <- im.watch(ctx, p, in, m, from, finished) }()
	err := p.run(in)
	close(finished)
	saved := <-watched
	im.report(p.status(in, 0))
	return p.result(), errors.Join(err, im.settle(ctx, m, p, saved, err))
}

// watch reports and saves until finished; it gives the place saved last.
func (im *Importer) watch(ctx context.Context, p *pipeline, in *input, m mark, saved int64, finished <-chan struct{}) int64 {
	report := time.NewTicker(reportInterval)
	defer report.Stop()
	save := time.NewTicker(saveInterval)
	defer save.Stop()
	last, at := int64(0), time.Now()
	for {
		select {
		case <-finished:
			return saved
		case now := <-report.C:
			done := p.produced.Load()
			im.report(p.status(in, float64(done-last)/now.Sub(at).Seconds()))
			last, at = done, now
		case <-save.C:
			if place := p.place(); m.id != "" && place > saved && im.save(ctx, m, place) == nil {
				saved = place
			}
		}
	}
}

func (im *Importer) save(ctx context.Context, m mark, place int64) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	err := im.progress.SaveProgress(ctx, m.id, place, m.name)
	if err != nil {
		im.log.Warn("the place of the import is not saved", "file", m.name, "line", place, "err", err)
	}
	return err
}

// settle forgets the place of a file that is done, or saves that of one that
// is not, also when ctx has ended.
func (im *Importer) settle(ctx context.Context, m mark, p *pipeline, saved int64, failure error) error {
	if m.id == "" {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if failure == nil {
		ctx, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		if err := im.progress.ForgetProgress(ctx, m.id); err != nil {
			// All is imported; importing it again would change nothing.
			im.log.Warn("the place of a finished import is still kept", "file", m.name, "err", err)
		}
		return nil
	}
	if place := p.place(); place > saved {
		return im.save(ctx, m, place)
	}
	return nil
}
