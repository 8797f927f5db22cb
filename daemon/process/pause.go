package process

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// minPoison is how many records of one batch must be poison before their share
// counts: a handful of bad records is what dead letters are for.
const minPoison = 50

// Reasons of a pause.
const (
	reasonOutage = "outage"
	reasonBug    = "bug"
	reasonPoison = "poison"
)

// outwait does act until it succeeds, ctx ends, or the data is at fault. An
// outage is waited for, with growing delays; so is a bug of ours, loudly, since
// going on would lose data and giving up would too.
func (p *Processor) outwait(ctx context.Context, claim Claim, s step, log *slog.Logger, act func() error) error {
	delay := p.c.RetryMin
	for {
		err := act()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || pulse.CodeOf(err) == pulse.Invalid {
			p.resume(claim, log)
			return err
		}
		reason := reasonOutage
		if pulse.CodeOf(err) != pulse.Unavailable {
			reason = reasonBug
		}
		p.pause(claim, reason, fmt.Errorf("%s: %w", s, err), log)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay/2 + rand.N(delay/2+1)):
		}
		delay = min(2*delay, p.c.RetryMax)
	}
}

// haltOnPoison halts a partition that delivers mostly poison: more likely a bad
// deploy than bad data, and the dead letters are no place for a whole topic. It
// returns nil to go on, or the end of ctx.
func (p *Processor) haltOnPoison(ctx context.Context, claim Claim, bad, all int, log *slog.Logger) error {
	if bad < minPoison || float64(bad) <= p.c.PoisonShare*float64(all) {
		return nil
	}
	p.pause(claim, reasonPoison, fmt.Errorf(
		"%d of %d records can't be stored: look at them, then restart with a higher process.poison_share to let them go to the dead letters",
		bad, all), log)
	<-ctx.Done()
	return ctx.Err()
}

func (p *Processor) pause(claim Claim, reason string, err error, log *slog.Logger) {
	if p.pauses.pause(claim, reason, err) {
		level := slog.LevelWarn
		if reason != reasonOutage {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "partition paused", "reason", reason, "err", err)
	}
}

func (p *Processor) resume(claim Claim, log *slog.Logger) {
	if p.pauses.resume(claim) {
		log.Info("partition resumed")
	}
}

// place names a partition.
type place struct {
	topic     string
	partition int
}

type pauseState struct {
	reason string
	err    error
}

// pauses knows which partitions stand still and why.
type pauses struct {
	metrics *metrics
	mu      sync.Mutex // covers paused
	paused  map[place]pauseState
}

func newPauses(m *metrics) *pauses {
	return &pauses{metrics: m, paused: map[place]pauseState{}}
}

// pause tells whether that is news.
func (s *pauses) pause(claim Claim, reason string, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{claim.Topic(), claim.Partition()}
	before := s.paused[at]
	s.paused[at] = pauseState{reason, err}
	s.publish()
	return before.reason != reason
}

// resume tells whether that is news.
func (s *pauses) resume(claim Claim) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{claim.Topic(), claim.Partition()}
	if _, was := s.paused[at]; !was {
		return false
	}
	delete(s.paused, at)
	s.publish()
	return true
}

func (s *pauses) publish() {
	count := map[string]int{reasonOutage: 0, reasonBug: 0, reasonPoison: 0}
	for _, p := range s.paused {
		count[p.reason]++
	}
	for reason, n := range count {
		s.metrics.paused.WithLabelValues(reason).Set(float64(n))
	}
}

func (s *pauses) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.paused {
		return fmt.Errorf("%d partitions paused, %s/%d for %s: %w", len(s.paused), at.topic, at.partition, p.reason, p.err)
	}
	return nil
}
