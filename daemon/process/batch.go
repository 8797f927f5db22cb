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
	stepVelocity step = "velocity"
	stepStore    step = "store"
	stepDead     step = "dead_letters"
	stepAnnounce step = "announce"
	stepCommit   step = "commit"
)

// batch takes records all the way but for the commit. It returns an error only
// when ctx ended: everything else it outwaits.
func (p *Processor) batch(ctx context.Context, claim Claim, records []wire.Record, log *slog.Logger) error {
	begun := time.Now()
	good, letters := p.decode(records)
	if err := p.haltOnPoison(ctx, claim, len(letters), len(records), log); err != nil {
		return err
	}
	p.done(stepDecode, begun)

	observations := distinct(good)
	asked := time.Now()
	var against []pulse.Reading
	err := p.outwait(ctx, claim, stepVelocity, log, func() (err error) {
		against, err = p.cache.Advance(ctx, readingsOf(observations), p.c.Rules.MinStep)
		return err
	})
	if err != nil {
		return err
	}
	p.done(stepVelocity, asked)
	posts := p.score(observations, against)

	announce, refused, err := p.store(ctx, claim, posts, log)
	if err != nil {
		return err
	}
	letters = append(letters, p.storeLetters(refused)...)

	if err := p.bury(ctx, claim, letters, log); err != nil {
		return err
	}
	if err := p.announce(ctx, claim, announce, log); err != nil {
		return err
	}
	p.count(len(observations)-len(refused), len(good)-len(observations), len(letters), begun)
	return nil
}

// source is an observation and the record it came in.
type source struct {
	pulse.Observation
	record *wire.Record
}

// scored is a post with the record its reading came in.
type scored struct {
	pulse.Post
	record *wire.Record
}

// decode sorts records into readings and dead letters. A key that is not the
// post's id is no fault: such a record has no place in its post's order, but the
// newest reading wins all the same.
func (p *Processor) decode(records []wire.Record) (good []source, letters []wire.Record) {
	now := p.now()
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
		good = append(good, source{o, r})
	}
	return good, letters
}

// distinct sorts readings by post and time, the order of locks in the database,
// and keeps one of each (post, time).
func distinct(readings []source) []source {
	slices.SortStableFunc(readings, func(a, b source) int {
		return cmp.Or(strings.Compare(a.PostID, b.PostID), a.ObservedAt.Compare(b.ObservedAt))
	})
	return slices.CompactFunc(readings, func(a, b source) bool {
		return a.PostID == b.PostID && a.ObservedAt.Equal(b.ObservedAt)
	})
}

func readingsOf(observations []source) []pulse.Observation {
	out := make([]pulse.Observation, len(observations))
	for i := range observations {
		out[i] = observations[i].Observation
	}
	return out
}

// score adds to each reading what is computed from it and the one before.
func (p *Processor) score(observations []source, against []pulse.Reading) []scored {
	posts := make([]scored, len(observations))
	for i := range observations {
		o := &observations[i]
		posts[i] = scored{pulse.Post{Observation: o.Observation}, o.record}
		this := pulse.Reading{ObservedAt: o.ObservedAt, Score: o.Score, NumComments: o.NumComments}
		posts[i].Velocity, posts[i].CommentVelocity = score.Velocity(against[i], this, p.c.Rules)
	}
	return posts
}

// announce tells the feed of the posts whose newest reading is now stored.
func (p *Processor) announce(ctx context.Context, claim Claim, posts []scored, log *slog.Logger) error {
	defer p.done(stepAnnounce, time.Now())
	bodies := make([][]byte, 0, len(posts))
	for i := range posts {
		body, err := wire.EncodePost(&posts[i].Post)
		if err != nil {
			// Stored and readable by REST, but not for the feed: a bug.
			log.Error("post not announced", "post", posts[i].PostID, "err", err)
			continue
		}
		bodies = append(bodies, body)
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
