package ingest

import (
	"context"
	"fmt"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// pageSize is the most that Reddit gives at once.
const pageSize = 100

// found is a reading and whether it is the first of its post.
type found struct {
	pulse.Observation
	first bool
}

// poll reads a subreddit's newest posts, back to known ones, and hands them to
// Kafka oldest first: whatever interrupts it, the newest posts stay unknown, so
// the next poll pages back again.
func (g *Ingest) poll(ctx context.Context, j job) result {
	begun := time.Now()
	res := result{row: j.row, at: begun}
	posts, err := g.listBack(ctx, j.name)
	if err != nil {
		res.err = err
		return res
	}
	for end := len(posts); end > 0; end -= pageSize {
		page := posts[max(0, end-pageSize):end]
		if err := g.produce(ctx, page); err != nil {
			res.err = err
			return res
		}
	}
	for i := range posts {
		if posts[i].first {
			res.posts++
		}
	}
	g.metrics.polls.Observe(time.Since(begun).Seconds())
	return res
}

// listBack gives the newest page, and the pages behind it while all that is
// oldest on a page is new. At most MaxPages pages, which is as far as Reddit's
// listings go.
func (g *Ingest) listBack(ctx context.Context, name string) ([]found, error) {
	var all []found
	after := ""
	for range g.c.MaxPages {
		page, err := g.reddit.Newest(ctx, name, pageSize, after)
		if err != nil {
			return nil, fmt.Errorf("list r/%s: %w", name, err)
		}
		if page.Skipped > 0 {
			g.metrics.skipped.Add(float64(page.Skipped))
			g.log.Warn("posts could not be read", "subreddit", name, "posts", page.Skipped)
		}
		known, err := g.seen.known(ctx, page.Observations)
		if err != nil {
			return nil, fmt.Errorf("list r/%s: %w", name, err)
		}
		for _, o := range page.Observations {
			all = append(all, found{o, !known[o.PostID]})
		}
		if page.After == "" || len(all) == 0 || !all[len(all)-1].first {
			break
		}
		after = page.After
	}
	return all, nil
}

// produce hands readings to Kafka, newest last, and remembers the posts once
// they are safe there.
func (g *Ingest) produce(ctx context.Context, posts []found) error {
	records := make([]wire.Record, 0, len(posts))
	firsts := 0
	for i := len(posts) - 1; i >= 0; i-- {
		p := &posts[i]
		topic := wire.TopicRefresh
		if p.first {
			topic = wire.TopicRaw
			firsts++
		}
		records = append(records, wire.Record{
			Topic: topic, Key: []byte(p.PostID), Value: wire.EncodeObservation(&p.Observation),
		})
	}
	if err := g.bus.Produce(ctx, records); err != nil {
		return fmt.Errorf("produce %d observations: %w", len(records), err)
	}
	for i := range posts {
		g.seen.add(posts[i].PostID)
	}
	g.metrics.observations.WithLabelValues("raw").Add(float64(firsts))
	g.metrics.observations.WithLabelValues("refresh").Add(float64(len(posts) - firsts))
	return nil
}
