package process

import (
	"context"
	"log/slog"
	"time"

	"dev.redditpulse/shared/pulse"
)

// refusal is a reading that the database refuses, and why.
type refusal struct {
	scored
	err error
}

// store writes posts (sorted, distinct) and gives those to announce and those
// that the database refuses. A refused batch is split in two until the culprits
// stand alone: k of them among n cost about k log n transactions.
func (p *Processor) store(ctx context.Context, claim Claim, posts []scored, log *slog.Logger) (announce []scored, refused []refusal, err error) {
	defer p.done(stepStore, time.Now())
	pending := [][]scored{posts}
	for len(pending) > 0 {
		part := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if len(part) == 0 {
			continue
		}
		var stored []string
		err := p.outwait(ctx, claim, stepStore, log, func() (err error) {
			newest, history := collapse(part)
			stored, err = p.db.WriteBatch(ctx, newest, history)
			return err
		})
		switch {
		case err == nil:
			announce = append(announce, newestOf(part, stored)...)
		case pulse.CodeOf(err) != pulse.Invalid:
			return nil, nil, err
		case len(part) == 1:
			refused = append(refused, refusal{part[0], err})
		default:
			half := len(part) / 2
			pending = append(pending, part[half:], part[:half])
		}
	}
	if err := p.haltOnPoison(ctx, claim, len(refused), len(posts), log); err != nil {
		return nil, nil, err
	}
	return announce, refused, nil
}

// collapse gives the newest reading of each post and all readings.
func collapse(posts []scored) (newest, history []pulse.Post) {
	history = make([]pulse.Post, len(posts))
	for i := range posts {
		history[i] = posts[i].Post
		if i+1 == len(posts) || posts[i+1].PostID != posts[i].PostID {
			newest = append(newest, posts[i].Post)
		}
	}
	return newest, history
}

// newestOf gives the newest readings of the posts with these ids.
func newestOf(posts []scored, ids []string) []scored {
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var out []scored
	for i := range posts {
		last := i+1 == len(posts) || posts[i+1].PostID != posts[i].PostID
		if last && wanted[posts[i].PostID] {
			out = append(out, posts[i])
		}
	}
	return out
}
