package ingest

import (
	"context"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
)

const (
	storeTimeout = 10 * time.Second
	// Longer than a failover of Kafka's brokers takes.
	produceTimeout = 20 * time.Second
	// Statuses are written together, so often.
	saveEvery = time.Second
	// For one write. It is not cut short when polling ends, for a gap may be in it;
	// a leader that lost its place must be done within 2 s.
	saveTimeout = 1500 * time.Millisecond
	budgetEvery = 5 * time.Second
	maxGaps     = 10_000 // waiting to be written while the database is away
)

// unsaved is what waits to be written: it belongs to the schedule, a saver gets
// copies. However long the database is away, it holds one status a row.
type unsaved struct {
	rows   map[string]bool // by key, of the schedule's
	gaps   []pulse.Gap
	budget *pulse.Budget
	busy   bool // a saver is at it
	next   time.Time
}

// waits tells whether there is anything to write and somebody to do it.
func (u *unsaved) waits() bool {
	return !u.busy && (len(u.rows) > 0 || len(u.gaps) > 0 || u.budget != nil)
}

// parcel is what a saver writes at once.
type parcel struct {
	statuses map[string]pulse.SubredditStatus
	gaps     []pulse.Gap
	budget   *pulse.Budget
	err      error
}

// save hands what is unsaved to the saver, when it is time.
func (s *schedule) save(now time.Time) {
	if !s.unsaved.waits() || now.Before(s.unsaved.next) {
		return
	}
	s.unsaved.busy, s.unsaved.next = true, now.Add(saveEvery)
	s.parcels <- s.parcel() // holds one
}

func (s *schedule) parcel() parcel {
	p := parcel{
		statuses: make(map[string]pulse.SubredditStatus, len(s.unsaved.rows)),
		gaps:     s.unsaved.gaps, budget: s.unsaved.budget,
	}
	for key := range s.unsaved.rows {
		if r := s.rows[key]; r != nil {
			p.statuses[r.Name] = r.status
		}
	}
	clear(s.unsaved.rows)
	s.unsaved.gaps, s.unsaved.budget = nil, nil
	return p
}

// saved takes back what could not be written, unless it is outdated.
func (s *schedule) saved(p parcel) {
	s.unsaved.busy = false
	if p.err == nil {
		return
	}
	s.g.metrics.unsaved.Inc()
	s.g.log.Warn("state of polling not saved", "statuses", len(p.statuses), "gaps", len(p.gaps), "err", p.err)
	for name := range p.statuses {
		s.unsaved.rows[keyOf(name)] = true
	}
	s.unsaved.gaps = append(p.gaps, s.unsaved.gaps...)
	if n := len(s.unsaved.gaps) - maxGaps; n > 0 {
		s.g.log.Error("gaps dropped: too many wait for the database", "gaps", n)
		s.unsaved.gaps = s.unsaved.gaps[n:]
	}
}

// saving writes parcels until ctx ends.
func (s *schedule) saving(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-s.parcels:
			p.err = s.g.write(ctx, p)
			select {
			case s.written <- p:
			case <-ctx.Done():
				return
			}
		}
	}
}

// write writes a parcel; gaps first, which nothing else tells of.
func (g *Ingest) write(ctx context.Context, p parcel) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if len(p.gaps) > 0 {
		if err := g.store.AddGaps(ctx, p.gaps); err != nil {
			return err // the statuses would say that nothing is missing
		}
	}
	var errs []error
	if len(p.statuses) > 0 {
		errs = append(errs, g.store.SaveStatuses(ctx, p.statuses))
	}
	if p.budget != nil {
		errs = append(errs, g.store.SaveBudget(ctx, *p.budget))
	}
	return errors.Join(errs...)
}
