package redditsim

import (
	"container/heap"
	"context"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Series is readings of a synthetic Reddit's posts as a patient reader would
// have made them: each post is read when it is first listed, give or take a
// minute, and then at one pace, until it is a day old, taken away or the series
// ends.
type Series struct {
	Names  []string      // communities; none: those that Subreddits gives
	From   time.Time     // posts made before are not read
	Length time.Duration // at most 366 days
	Every  time.Duration // from one reading of a post to the next, 1 s to 24 h
}

func (c *Series) check() error {
	switch {
	case c.From.UnixMilli() < founded:
		return pulse.InvalidField("start", "want %s or later", time.UnixMilli(founded).UTC().Format(time.DateOnly))
	case c.Length <= 0 || c.Length > 366*24*time.Hour:
		return pulse.InvalidField("hours", "want more than 0 and at most %d", 366*24)
	case c.Every < time.Second || c.Every > 24*time.Hour:
		return pulse.InvalidField("every", "want 1s to 24h, got %s", c.Every)
	}
	for _, name := range c.Names {
		if !validName.MatchString(name) {
			return pulse.InvalidField("names", "%q is no name of a community", name)
		}
	}
	return nil
}

// readUntil is the age up to which posts are read.
const readUntil = 24 * hour

// Series gives the readings in the order of their time until give fails, whose
// error it returns. The same seed gives the same readings. Only a day's posts are
// in memory. A Reddit that replays recorded answers has no series.
func (s *Server) Series(ctx context.Context, c Series, give func(*pulse.Observation) error) error {
	made, ok := s.world.(*synthetic)
	if !ok {
		return errors.New("series: recorded answers have none, want a synthetic Reddit")
	}
	if err := c.check(); err != nil {
		return err
	}
	if len(c.Names) == 0 {
		c.Names = s.Subreddits()
	}
	const window = hour / 6
	var due readers
	from := c.From.UnixMilli()
	end := from + c.Length.Milliseconds()
	for ; from < end; from += window {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+window, end)
		for _, name := range c.Names {
			due.admit(made, made.find(name), from, to)
		}
		for len(due) > 0 && due[0].next < to {
			r := due[0]
			if err := give(r.read()); err != nil {
				return err
			}
			if r.next += c.Every.Milliseconds(); r.over() {
				heap.Pop(&due)
			} else {
				heap.Fix(&due, 0)
			}
		}
	}
	return nil
}

// reader reads one post again and again.
type reader struct {
	*birth
	content
	next  int64 // Unix milliseconds
	times int
	lost  bool // what was read last is the end
}

// over tells whether the post is not read any more.
func (r *reader) over() bool {
	return r.lost || r.next >= r.gone || r.next-r.at > readUntil
}

// read is the reading that is due.
func (r *reader) read() *pulse.Observation {
	now := time.UnixMilli(r.next).UTC()
	curve := &r.content.curve
	o := &pulse.Observation{
		PostID: r.name, ObservedAt: now, Source: "info", Subreddit: r.c.name, Title: r.title, Author: r.author,
		URL: r.url, Permalink: r.permalink, IsSelf: r.isSelf, Over18: r.over18,
		CreatedAt: time.Unix(r.created(), 0).UTC(),
		Score:     int64(r.score(curve, now)), NumComments: int64(r.comments(curve, now)),
		UpvoteRatio: &curve.ratio, State: pulse.Live,
	}
	if r.flair != "" {
		o.Flair = &r.flair
	}
	if r.times++; r.times == 1 {
		o.Source = "new"
	}
	switch category := r.category(r.next); category {
	case "":
	case deleted:
		o.State, o.Author, r.lost = pulse.Deleted, "[deleted]", true
	default:
		o.State, r.lost = pulse.Removed, true
	}
	return o
}

// readers is a heap, the one that reads first on top.
type readers []*reader

// admit adds the posts of c that were made from from to before to, Unix
// milliseconds, and are listed some time.
func (rs *readers) admit(s *synthetic, c *community, from, to int64) {
	if c.bucket == 0 || standingOf(c.name) != open {
		return
	}
	p := newPen(0)
	for n := c.chunkOf(from); n <= c.chunkOf(to); n++ {
		made := s.chunks.get(c, n)
		for i := range made {
			b := &made[i]
			if b.at < from || b.at >= to || b.seen >= min(b.taken, b.gone) {
				continue
			}
			p.turnTo(b)
			r := &reader{birth: b, next: b.seen + int64(60_000*fraction(c.key^uint64(b.at), saltSight))}
			r.content = b.content(p.rng)
			if !r.over() {
				heap.Push(rs, r)
			}
		}
	}
}

// saltSight draws how late a post is first read. Apart from those in community.go.
const saltSight = 101

func (rs readers) Len() int           { return len(rs) }
func (rs readers) Less(i, k int) bool { return rs[i].next < rs[k].next }
func (rs readers) Swap(i, k int)      { rs[i], rs[k] = rs[k], rs[i] }

// Push adds a reader.
func (rs *readers) Push(r any) { *rs = append(*rs, r.(*reader)) }

// Pop removes the last reader.
func (rs *readers) Pop() any {
	old := *rs
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*rs = old[:len(old)-1]
	return last
}
