package process

import (
	"context"
	"time"

	"dev.redditpulse/daemon/score"
)

const (
	// maxSentiments is how many titles' sentiments are kept: a post's title is read
	// again with each of its readings.
	maxSentiments = 50_000
	// maxLearnt bounds the cells learnt of and not stored yet.
	maxLearnt = 100_000
	// baselineDays is how many days count as usual, today included.
	baselineDays = 7
	// Reading the baselines may take this share of the time.
	readShare  = 0.02
	readEvery  = 30 * time.Second
	flushGrace = 2 * time.Second
)

// Run keeps what is usual up to date until ctx ends: what this process learns is
// added to the stored baselines, and what all have learnt is read back.
func (p *Processor) Run(ctx context.Context) error {
	if p.c.LearnEvery <= 0 {
		<-ctx.Done()
		return nil
	}
	read := time.NewTimer(0)
	defer read.Stop()
	flush := time.NewTicker(p.c.LearnEvery)
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushGrace)
			defer cancel()
			p.flush(last)
			return nil
		case <-flush.C:
			p.flush(ctx)
		case <-read.C:
			begun := time.Now()
			p.readBaselines(ctx)
			read.Reset(max(min(readEvery, 3*p.c.LearnEvery), time.Duration(float64(time.Since(begun))/readShare)))
		}
	}
}

// flush stores what was learnt since the last time. After a failure it may have
// been stored all the same, so it is dropped: a little is missing then, and
// nothing counts twice.
func (p *Processor) flush(ctx context.Context) {
	learnt := p.learner.Take()
	if len(learnt) == 0 {
		return
	}
	if err := p.db.AddBaselines(ctx, learnt); err != nil {
		p.metrics.unlearnt.Add(float64(len(learnt)))
		p.log.Warn("what was learnt of the usual is dropped", "cells", len(learnt), "err", err)
	}
}

func (p *Processor) readBaselines(ctx context.Context) {
	b := score.NewBaselineBuilder()
	since := p.now().UTC().AddDate(0, 0, 1-baselineDays)
	if err := p.db.EachBaseline(ctx, since, b.Add); err != nil {
		if ctx.Err() == nil {
			p.log.Warn("baselines not read: the last ones count on", "err", err)
		}
		return
	}
	p.usual.Store(b.Done())
}
