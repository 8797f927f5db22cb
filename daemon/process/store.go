package process

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// refusal is a reading that the database refuses, and why.
type refusal struct {
	post   *pulse.Post
	record *wire.Record
	err    error
}

// outcome is what became of a batch's readings in the database.
type outcome struct {
	written  []*pulse.Post // the newest of their posts, stored now
	repeated []pulse.Post  // the newest of their posts as stored before
	refused  []refusal
}

// span is a part of a batch: from included, to not.
type span struct{ from, to int }

// store writes the posts of w. A batch that is refused is split in two until the
// culprits stand alone: k of them among n cost about k log n transactions.
func (p *Processor) store(ctx context.Context, claim Claim, w *work, log *slog.Logger) (outcome, error) {
	defer p.done(stepStore, time.Now())
	var all outcome
	pending := []span{{0, len(w.posts)}}
	for len(pending) > 0 {
		part := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		posts := w.posts[part.from:part.to]
		if len(posts) == 0 {
			continue
		}
		var stored []string
		var repeated []pulse.Post
		err := p.outwait(ctx, claim, stepStore, log, func() (err error) {
			stored, repeated, err = p.db.WriteBatch(ctx, posts)
			return err
		})
		switch {
		case err == nil:
			all.written = append(all.written, newestOf(posts, stored)...)
			all.repeated = append(all.repeated, repeated...)
		case pulse.CodeOf(err) != pulse.Invalid:
			return outcome{}, err
		case len(posts) == 1:
			all.refused = append(all.refused, refusal{&posts[0], w.readings[part.from].record, err})
		default:
			half := (part.from + part.to) / 2
			pending = append(pending, span{half, part.to}, span{part.from, half})
		}
	}
	return all, p.haltOnPoison(ctx, claim, len(all.refused), len(w.posts), log)
}

// newestOf gives the newest readings of the posts with these ids.
func newestOf(posts []pulse.Post, ids []string) []*pulse.Post {
	slices.Sort(ids)
	out := make([]*pulse.Post, 0, len(ids))
	for i := range posts {
		if len(ids) == 0 {
			break
		}
		last := i+1 == len(posts) || posts[i+1].PostID != posts[i].PostID
		if last && ids[0] == posts[i].PostID {
			out, ids = append(out, &posts[i]), ids[1:]
		}
	}
	return out
}
