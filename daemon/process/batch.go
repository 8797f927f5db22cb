package process

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// step is one step of a batch, in order.
type step string

const (
	stepDecode   step = "decode"
	stepRecall   step = "recall"
	stepScore    step = "score"
	stepStore    step = "store"
	stepRemember step = "remember"
	stepDead     step = "dead_letters"
	stepAnnounce step = "announce"
	stepCommit   step = "commit"
)

var steps = []step{stepDecode, stepRecall, stepScore, stepStore, stepRemember, stepDead, stepAnnounce, stepCommit}

// batch takes records all the way but for the commit. It returns an error only
// when ctx ended: everything else it outwaits.
func (p *Processor) batch(ctx context.Context, claim Claim, records []wire.Record, w *work, log *slog.Logger) error {
	begun := time.Now()
	letters := p.decode(records, w)
	if err := p.haltOnPoison(ctx, claim, len(letters), len(records), log); err != nil {
		return err
	}
	readable := len(w.readings)
	w.distinct()
	p.done(stepDecode, begun)

	if err := p.recall(ctx, claim, w, log); err != nil {
		return err
	}
	p.score(w)
	outcome, err := p.store(ctx, claim, w, log)
	if err != nil {
		return err
	}
	if err := p.remember(ctx, claim, w, outcome.refused, log); err != nil {
		return err
	}
	letters = append(letters, p.storeLetters(outcome.refused)...)
	if err := p.bury(ctx, claim, letters, log); err != nil {
		return err
	}
	if err := p.announce(ctx, claim, outcome, log); err != nil {
		return err
	}
	p.count(len(w.readings)-len(outcome.refused), readable-len(w.readings), len(letters), begun)
	return nil
}

// work is the memory of one partition's batches, used again for each.
type work struct {
	readings []source       // sorted by post and time, distinct after distinct
	ids      []string       // of the posts, sorted
	states   []score.State  // of the posts, before their readings, then after
	moved    []bool         // whether a reading moved the state
	posts    []pulse.Post   // the readings and what they mean, in the same order
	samples  []score.Sample // for the baselines
	memories []pulse.Memory
	bodies   []byte // of the memories
	owing    bool   // the last commit failed
}

// source is an observation and the record it came in.
type source struct {
	pulse.Observation
	record *wire.Record
}

// decode sorts records into readings and dead letters. A key that is not the
// post's id is no fault: such a record has no place in its post's order, but the
// newest reading wins all the same.
func (p *Processor) decode(records []wire.Record, w *work) (letters []wire.Record) {
	now := p.now()
	clear(w.readings)
	w.readings = w.readings[:0]
	for i := range records {
		r := &records[i]
		o, err := wire.DecodeObservation(r.Value, now)
		if err != nil {
			letters = append(letters, p.letter(r, stepDecode, err))
			continue
		}
		if p.c.DropDeletedText && o.State == pulse.Deleted {
			dropText(&o)
		}
		w.readings = append(w.readings, source{o, r})
	}
	return letters
}

// distinct sorts the readings by post and time, the order of locks in the
// database, and keeps one of each (post, time).
func (w *work) distinct() {
	slices.SortStableFunc(w.readings, func(a, b source) int {
		return cmp.Or(strings.Compare(a.PostID, b.PostID), a.ObservedAt.Compare(b.ObservedAt))
	})
	w.readings = slices.CompactFunc(w.readings, func(a, b source) bool {
		return a.PostID == b.PostID && a.ObservedAt.Equal(b.ObservedAt)
	})
	w.ids = w.ids[:0]
	for i := range w.readings {
		if id := w.readings[i].PostID; len(w.ids) == 0 || w.ids[len(w.ids)-1] != id {
			w.ids = append(w.ids, id)
		}
	}
}

// announce tells the feed of the posts whose newest reading is now stored, as it
// is stored.
func (p *Processor) announce(ctx context.Context, claim Claim, stored outcome, log *slog.Logger) error {
	defer p.done(stepAnnounce, time.Now())
	bodies := make([][]byte, 0, len(stored.written)+len(stored.repeated))
	add := func(post *pulse.Post) {
		body, err := wire.EncodePost(post)
		if err != nil {
			// Stored and readable by REST, but not for the feed: a bug.
			log.Error("post not announced", "post", post.PostID, "err", err)
			return
		}
		bodies = append(bodies, body)
	}
	for _, post := range stored.written {
		add(post)
	}
	for i := range stored.repeated {
		add(&stored.repeated[i])
	}
	if len(bodies) == 0 {
		return nil
	}
	return p.outwait(ctx, claim, stepAnnounce, log, func() error {
		return p.cache.Announce(ctx, bodies, p.c.StreamLength)
	})
}

func (p *Processor) done(s step, begun time.Time) {
	p.metrics.steps.WithLabelValues(string(s)).Observe(time.Since(begun).Seconds())
	p.crossed(s)
}

func (p *Processor) count(stored, repeated, dead int, begun time.Time) {
	p.metrics.records.WithLabelValues("stored").Add(float64(stored))
	p.metrics.records.WithLabelValues("repeated").Add(float64(repeated))
	p.metrics.records.WithLabelValues("dead").Add(float64(dead))
	p.metrics.batch.Observe(time.Since(begun).Seconds())
}
