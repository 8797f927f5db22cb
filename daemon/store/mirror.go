package store

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// mirrorBatch bounds the letters of one statement: each may be a megabyte.
	mirrorBatch    = 20
	mirrorRetryMin = 200 * time.Millisecond
	mirrorRetryMax = 10 * time.Second
	statesEvery    = 15 * time.Second
)

// Claim is one partition of the dead letters' topic while it is ours.
type Claim interface {
	Partition() int
	// Fetch gives the next records, none when none came for a moment.
	Fetch(ctx context.Context, limit int) ([]wire.Record, error)
	// Commit takes the offset to read next.
	Commit(ctx context.Context, next int64) error
}

// LetterStore keeps the mirror.
type LetterStore interface {
	// MirrorDeadLetters stores letters; again is harmless.
	MirrorDeadLetters(ctx context.Context, letters []pulse.DeadLetter) error
	// DeadStates counts them by state.
	DeadStates(ctx context.Context) (map[pulse.DeadState]int64, error)
}

// Mirror keeps the dead letters' topic in the database, where they have a state.
type Mirror struct {
	db       LetterStore
	log      *slog.Logger
	now      func() time.Time
	mirrored prometheus.Counter
	states   *prometheus.GaugeVec

	mu     sync.Mutex // covers paused
	paused map[int]error
}

// NewMirror makes a mirror. now is the wall clock.
func NewMirror(db LetterStore, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *Mirror {
	m := &Mirror{
		db: db, log: log, now: now, paused: map[int]error{},
		mirrored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pulse_store_dead_letters_mirrored_total", Help: "Dead letters read from their topic, repeated ones included.",
		}),
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pulse_store_dead_letters", Help: "Dead letters in the database, by state.",
		}, []string{"state"}),
	}
	reg.MustRegister(m.mirrored, m.states)
	for _, s := range []pulse.DeadState{pulse.DeadOpen, pulse.DeadReplayed, pulse.DeadDiscarded} {
		m.states.WithLabelValues(string(s))
	}
	return m
}

// Paused tells why the mirror stands still, nil while it does not.
func (m *Mirror) Paused() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, err := range m.paused {
		return err
	}
	return nil
}

func (m *Mirror) note(partition int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.paused[partition]
	if err == nil {
		delete(m.paused, partition)
	} else {
		m.paused[partition] = err
	}
	switch {
	case err != nil && before == nil:
		m.log.Warn("dead letters wait to be mirrored", "partition", partition, "err", err)
	case err == nil && before != nil:
		m.log.Info("dead letters are mirrored again", "partition", partition)
	}
}

// Partition mirrors a claim until ctx ends.
func (m *Mirror) Partition(ctx context.Context, claim Claim) {
	defer m.note(claim.Partition(), nil)
	owed := int64(nothingOwed)
	for ctx.Err() == nil {
		records, err := claim.Fetch(ctx, mirrorBatch)
		if err != nil {
			return
		}
		if len(records) > 0 {
			if m.batch(ctx, claim, records) != nil {
				return
			}
			owed = records[len(records)-1].Offset + 1
		}
		if owed == nothingOwed {
			continue
		}
		if err := claim.Commit(ctx, owed); err != nil {
			m.log.Warn("offset of the dead letters not committed", "partition", claim.Partition(), "offset", owed, "err", err)
			continue
		}
		owed = nothingOwed
	}
}

// nothingOwed is the offset while everything mirrored is committed.
const nothingOwed = -1

// batch mirrors records; again is harmless. Its errors are ctx's.
func (m *Mirror) batch(ctx context.Context, claim Claim, records []wire.Record) error {
	letters := make([]pulse.DeadLetter, len(records))
	for i := range records {
		letters[i] = letterOf(&records[i], m.now())
	}
	if err := m.store(ctx, claim, letters); err != nil {
		return err
	}
	m.mirrored.Add(float64(len(letters)))
	return nil
}

// store outwaits everything but the end of ctx. Letters that are refused together
// are stored one by one, and one that is refused alone without its headers and
// words: the letter is there all the same.
func (m *Mirror) store(ctx context.Context, claim Claim, letters []pulse.DeadLetter) error {
	err := m.outwait(ctx, claim, letters)
	if pulse.CodeOf(err) != pulse.Invalid {
		return err
	}
	if len(letters) > 1 {
		for i := range letters {
			if err := m.store(ctx, claim, letters[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	m.log.Error("a dead letter cannot be mirrored as it is", "dlq_id", letters[0].ID, "err", err)
	bare := letters[0]
	bare.Headers, bare.Class, bare.Message = nil, pulse.DeadForeign, "the database refuses what was said of this failure"
	if err = m.outwait(ctx, claim, []pulse.DeadLetter{bare}); pulse.CodeOf(err) == pulse.Invalid {
		m.log.Error("a dead letter is not mirrored: it is in the topic alone", "dlq_id", bare.ID, "err", err)
		return nil
	}
	return err
}

// outwait stores letters once the database takes them. Its errors are ctx's, or
// Invalid.
func (m *Mirror) outwait(ctx context.Context, claim Claim, letters []pulse.DeadLetter) error {
	delay := mirrorRetryMin
	for {
		err := m.db.MirrorDeadLetters(ctx, letters)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || pulse.CodeOf(err) == pulse.Invalid {
			m.note(claim.Partition(), nil)
			return err
		}
		m.note(claim.Partition(), err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay/2 + rand.N(delay/2+1)):
		}
		delay = min(2*delay, mirrorRetryMax)
	}
}

// Run keeps the gauges of the letters' states until ctx ends.
func (m *Mirror) Run(ctx context.Context) error {
	tick := time.NewTicker(statesEvery)
	defer tick.Stop()
	for {
		if counts, err := m.db.DeadStates(ctx); err == nil {
			for state, n := range counts {
				m.states.WithLabelValues(string(state)).Set(float64(n))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
