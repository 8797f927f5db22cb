package dump

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"dev.redditpulse/shared/wire"
)

// A file runs through four kinds of goroutine:
//
//	reader ─► decoders ─► sequencer ─► lanes
//
// The reader cuts blocks of lines; the decoders check blocks side by side; the
// sequencer takes them in the file's order and deals the records to the lanes
// by post; each lane has one batch under way at a time, so that the readings of
// a post keep their order. Posts of different lanes overtake each other by less
// than blocksInFlight blocks. All go to one topic: in two, later readings could
// overtake earlier ones, and velocity would be lost. At most blocksInFlight
// blocks exist at once; a full pipeline holds the reader up.
const (
	blockLines     = 2000
	blockBytes     = 2 << 20
	blocksInFlight = 8
	lanes          = 4
	// How long a reader that blocks may outlive the import.
	readerGrace = time.Second
)

// block is a run of lines and what became of them.
type block struct {
	items   []item
	size    int           // bytes of its lines
	last    int64         // number of its last line
	decoded chan struct{} // closed when the decoders are done with items
	waiting atomic.Int32  // lanes that have not acknowledged their part yet
	done    bool          // guarded by pipeline.mu
}

// part is what one lane has to produce of a block.
type part struct {
	block   *block
	records []wire.Record
}

type pipeline struct {
	producer Producer
	filter   *sieve
	from     int64 // lines that need not be produced again
	ctx      context.Context
	fail     context.CancelCauseFunc
	seed     maphash.Seed

	tokens  chan struct{} // one for each block in flight
	work    chan *block   // to the decoders
	ordered chan *block   // to the sequencer
	lanes   [lanes]chan part
	readErr error // set before ordered closes

	lines    atomic.Int64 // sequenced
	produced atomic.Int64
	refused  atomic.Int64
	skipped  atomic.Int64

	mu     sync.Mutex // covers the rest
	flying []*block   // sequenced, in order; the first is not done
	acked  int64      // lines that are done with, all before them too
	faults []Fault
}

func newPipeline(ctx context.Context, producer Producer, filter *sieve, from int64) *pipeline {
	p := &pipeline{
		producer: producer, filter: filter, from: from, seed: maphash.MakeSeed(),
		tokens: make(chan struct{}, blocksInFlight), work: make(chan *block, blocksInFlight),
		ordered: make(chan *block, blocksInFlight), acked: from,
	}
	p.ctx, p.fail = context.WithCancelCause(ctx)
	for i := range p.lanes {
		p.lanes[i] = make(chan part, blocksInFlight)
	}
	return p
}

// run imports in and closes it. Everything that was read is produced before an
// error of reading is returned.
func (p *pipeline) run(in *input) error {
	defer p.fail(nil)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(p.decode)
	}
	for i := range p.lanes {
		workers.Go(func() { p.produce(p.lanes[i]) })
	}
	readerDone := make(chan struct{})
	go func() {
		defer close(readerDone)
		defer in.file.Close()
		p.readErr = p.read(in)
		close(p.work)
		close(p.ordered)
	}()
	p.sequence()
	if p.ctx.Err() != nil {
		grace := time.NewTimer(readerGrace)
		defer grace.Stop()
		select {
		case <-readerDone:
		case <-grace.C: // it blocks in a pipe; the decoders stay with it
			return p.stopped()
		}
	}
	workers.Wait()
	if p.ctx.Err() != nil {
		return p.stopped()
	}
	return p.readErr
}

func (p *pipeline) stopped() error {
	return fmt.Errorf("stopped behind line %d: %w", p.place(), context.Cause(p.ctx))
}

// read cuts blocks until the input ends.
func (p *pipeline) read(in *input) error {
	s, done, err := in.lines()
	if err != nil {
		return err
	}
	defer done()
	expect := blockBytes / 4
	for {
		select {
		case p.tokens <- struct{}{}:
		case <-p.ctx.Done():
			return nil
		}
		b, err := readBlock(s, expect)
		expect = b.size + b.size/8 // the next one is about as large
		if b.last > 0 {
			p.work <- b
			p.ordered <- b // both hold as many as there are tokens
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readBlock gives what was read before an error as well; last is 0 if nothing.
func readBlock(s *splitter, expect int) (*block, error) {
	b := &block{decoded: make(chan struct{})}
	buf := make([]byte, 0, expect)
	for n := 0; n < blockLines && len(buf) < blockBytes; n++ {
		start := len(buf)
		grown, tooLong, err := s.next(buf)
		if err != nil {
			return b, err
		}
		buf, b.size, b.last = grown, len(grown), s.line
		switch {
		case tooLong:
			b.items = append(b.items, item{line: s.line, fault: Fault{
				Line: s.line, Field: "value", Reason: fmt.Sprintf("longer than %d bytes", maxLine),
			}})
		case len(buf) > start:
			b.items = append(b.items, item{line: s.line, value: buf[start:len(buf):len(buf)]})
		}
	}
	return b, nil
}

func (p *pipeline) decode() {
	for b := range p.work {
		now := time.Now()
		for i := range b.items {
			if it := &b.items[i]; it.value != nil {
				it.check(now, p.filter)
			}
		}
		close(b.decoded)
	}
}

// sequence deals the blocks to the lanes in order, and closes the lanes.
func (p *pipeline) sequence() {
	defer func() {
		for _, lane := range p.lanes {
			close(lane)
		}
	}()
	for {
		select {
		case b, more := <-p.ordered:
			if !more {
				return
			}
			<-b.decoded
			p.deal(b)
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *pipeline) deal(b *block) {
	var parts [lanes][]wire.Record
	for i := range b.items {
		it := &b.items[i]
		switch {
		case it.skipped:
			p.skipped.Add(1)
		case it.key == "":
			p.refuse(it.fault)
		case it.line > p.from:
			lane := maphash.String(p.seed, it.key) % lanes
			parts[lane] = append(parts[lane], wire.Record{Topic: wire.TopicRaw, Key: []byte(it.key), Value: it.value})
		}
	}
	p.lines.Store(b.last)
	p.mu.Lock()
	p.flying = append(p.flying, b)
	p.mu.Unlock()
	b.waiting.Store(1) // held until all parts are dealt
	for lane, records := range parts {
		if len(records) > 0 {
			b.waiting.Add(1)
			p.lanes[lane] <- part{block: b, records: records} // holds as many as there are tokens
		}
	}
	p.acknowledge(b)
}

func (p *pipeline) refuse(f Fault) {
	p.refused.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) < maxFaults {
		p.faults = append(p.faults, f)
	}
}

func (p *pipeline) produce(lane <-chan part) {
	for w := range lane {
		if p.ctx.Err() != nil {
			continue // the block stays unacknowledged
		}
		if err := p.producer.Produce(p.ctx, w.records); err != nil {
			p.fail(err)
			continue
		}
		p.produced.Add(int64(len(w.records)))
		p.acknowledge(w.block)
	}
}

// acknowledge moves the place over all blocks that are done with in a row.
func (p *pipeline) acknowledge(b *block) {
	if b.waiting.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b.done = true
	for len(p.flying) > 0 && p.flying[0].done {
		p.acked = max(p.acked, p.flying[0].last)
		p.flying[0] = nil
		p.flying = p.flying[1:]
		<-p.tokens
	}
}

// place is the number of lines that are done with.
func (p *pipeline) place() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked
}

func (p *pipeline) status(in *input, rate float64) Status {
	lines := p.lines.Load()
	return Status{
		Lines: lines, Produced: p.produced.Load(), Refused: p.refused.Load(), Skipped: p.skipped.Load(),
		Bytes: in.read.Load(), Total: in.size, Rate: rate, Resuming: lines < p.from,
	}
}

func (p *pipeline) result() Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Result{
		Lines: p.lines.Load(), Produced: p.produced.Load(),
		Refused: p.refused.Load(), Skipped: p.skipped.Load(), ResumedFrom: p.from, FirstFaults: p.faults,
	}
}
