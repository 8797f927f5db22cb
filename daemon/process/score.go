package process

import (
	"context"
	"log/slog"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// recall fills w.states with what is remembered of the posts. What Redis may
// have lost is continued from the stored post; where that is not there either,
// nothing is known.
func (p *Processor) recall(ctx context.Context, claim Claim, w *work, log *slog.Logger) error {
	defer p.done(stepRecall, time.Now())
	w.states = w.states[:0]
	if len(w.ids) == 0 {
		return nil
	}
	var bodies [][]byte
	var since time.Time
	err := p.outwait(ctx, claim, stepRecall, log, func() (err error) {
		bodies, since, err = p.cache.Recall(ctx, w.ids)
		return err
	})
	if err != nil {
		return err
	}
	var lost []string
	reading := 0
	for i, id := range w.ids {
		for w.readings[reading].PostID != id {
			reading++
		}
		state, err := stateOf(bodies[i])
		if err != nil {
			log.Warn("what is remembered of a post is unreadable: continuing from the database", "post", id, "err", err)
		}
		w.states = append(w.states, state)
		// A first sight has nothing to be lost, unless the post is older than the
		// memory itself.
		if bodies[i] == nil && (claim.Topic() == wire.TopicRefresh || w.readings[reading].CreatedAt.Before(since)) || err != nil {
			lost = append(lost, id)
		}
	}
	return p.seed(ctx, claim, w, lost, log)
}

func stateOf(body []byte) (score.State, error) {
	if body == nil {
		return score.State{}, nil
	}
	return score.ParseState(body)
}

// seed continues the lost posts from the database.
func (p *Processor) seed(ctx context.Context, claim Claim, w *work, lost []string, log *slog.Logger) error {
	if len(lost) == 0 {
		return nil
	}
	var stored []pulse.Post
	err := p.outwait(ctx, claim, stepRecall, log, func() (err error) {
		stored, err = p.db.PostsByID(ctx, lost)
		return err
	})
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return nil
	}
	p.metrics.seeded.Add(float64(len(stored)))
	byID := make(map[string]*pulse.Post, len(stored))
	for i := range stored {
		byID[stored[i].PostID] = &stored[i]
	}
	for i, id := range w.ids {
		if post := byID[id]; post != nil {
			w.states[i] = score.Seed(post)
		}
	}
	return nil
}

// score adds to each reading what it means after those before it, and moves the
// states behind them.
func (p *Processor) score(w *work) {
	defer p.done(stepScore, time.Now())
	clear(w.posts)
	w.posts, w.samples, w.moved = w.posts[:0], w.samples[:0], w.moved[:0]
	usual := p.usual.Load()
	post := -1
	for i := range w.readings {
		r := &w.readings[i]
		if post < 0 || w.ids[post] != r.PostID {
			post++
			w.moved = append(w.moved, false)
		}
		result := p.c.Rules.Advance(&w.states[post], &r.Observation, usual)
		if result.Outcome == score.New {
			w.moved[post] = true
		}
		if result.Sampled {
			w.samples = append(w.samples, result.Sample)
		}
		w.posts = append(w.posts, pulse.Post{
			Observation: r.Observation, Velocity: result.Velocity, CommentVelocity: result.CommentVelocity,
			Trend: result.Trend, Sentiment: p.sentiment(&r.Observation),
		})
	}
}

// sentiment is that of the title, none of a post whose words are gone.
func (p *Processor) sentiment(o *pulse.Observation) *float64 {
	if o.Title == "" || o.State == pulse.Deleted {
		return nil
	}
	return new(p.sentiments.Of(o.Title))
}

// remember keeps the states that moved and what was learnt, now that the readings
// are stored. A state that did not move is left to whoever moved it: it may have
// been continued from a row whose own state is about to be remembered. A post of
// which a reading was refused stays as it was, too: its dead letter may come back.
func (p *Processor) remember(ctx context.Context, claim Claim, w *work, refused []refusal, log *slog.Logger) error {
	defer p.done(stepRemember, time.Now())
	w.encode(refused)
	if len(w.memories) == 0 {
		return nil
	}
	err := p.outwait(ctx, claim, stepRemember, log, func() error {
		return p.cache.Remember(ctx, w.memories)
	})
	if err != nil {
		return err
	}
	for i := range w.samples {
		p.learner.Add(w.samples[i])
	}
	return nil
}

// encode fills w.memories.
func (w *work) encode(refused []refusal) {
	skip := make(map[string]bool, len(refused))
	for i := range refused {
		skip[refused[i].post.PostID] = true
	}
	clear(w.memories)
	w.memories, w.bodies = w.memories[:0], w.bodies[:0]
	for i, id := range w.ids {
		if skip[id] || !w.moved[i] {
			continue
		}
		begin := len(w.bodies)
		w.bodies = w.states[i].Append(w.bodies)
		w.memories = append(w.memories, pulse.Memory{
			PostID: id, ObservedAt: w.states[i].ObservedAt(), Body: w.bodies[begin:len(w.bodies):len(w.bodies)],
		})
	}
}
