package client

import (
	"context"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// eventBuffer is how many events wait for a slow consumer. When it is full the
// socket is not read; the server then conflates, closes, and the stream resumes.
const eventBuffer = 16

// Stream follows the feed from now on, over any number of connections, until
// ctx ends or a Terminal event says that it cannot go on. Then the channel is
// closed. The consumer must read until then.
func (c *Client) Stream(ctx context.Context, filter wire.Filter) <-chan Event {
	events := make(chan Event, eventBuffer)
	go func() {
		defer close(events)
		c.Follow(ctx, filter, Place{}, func(e Event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
	}()
	return events
}

// Follow is Stream in the goroutine of the caller, from a place on that an
// earlier reader had reached. It returns when the stream ends; while handle
// works the socket is not read.
func (c *Client) Follow(ctx context.Context, filter wire.Filter, from Place, handle func(Event)) {
	s := &stream{client: c, filter: filter, place: from, handle: handle}
	s.run(ctx)
}

// stream is one follower of the feed. The goroutine of run owns all fields.
type stream struct {
	client *Client
	filter wire.Filter
	handle func(Event)

	place    Place
	again    bool   // connected at least once
	fails    int    // failures in a row, for the pause
	refused  string // the access token that was refused last, "" once one is accepted
	refusals int    // tokens refused in a row
}

// verdict is what the end of one connection means.
type verdict struct {
	err      error
	terminal bool
	slowly   bool          // wait as long as ever
	after    time.Duration // wait at least this long
	token    bool          // the token was refused: renew it first
}

func (s *stream) run(ctx context.Context) {
	for {
		began := time.Now()
		v := s.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if v.token {
			v = s.renew(ctx, v)
		}
		if v.terminal {
			s.send(ctx, Terminal{Err: v.err})
			return
		}
		if time.Since(began) >= s.client.backoff.healthy {
			s.fails = 0
		}
		pause := s.client.backoff.wait(s.fails)
		if v.slowly {
			pause = s.client.backoff.longest()
		}
		pause = max(pause, v.after)
		s.fails++
		s.client.log.Info("feed connection ended", "err", v.err, "retry_in", pause)
		if !s.send(ctx, Disconnected{Err: v.err, RetryIn: pause}) || !sleep(ctx, pause) {
			return
		}
	}
}

// renew gets another token after a refusal.
func (s *stream) renew(ctx context.Context, v verdict) verdict {
	if s.refusals > 1 {
		// Who refuses a fresh token will not take the next.
		return verdict{err: v.err, terminal: true}
	}
	if !s.client.renewable() {
		return verdict{err: v.err, terminal: true} // the server's own words
	}
	_, err := s.client.access(ctx, s.refused)
	if err == nil {
		return v
	}
	return verdict{err: err, terminal: pulse.CodeOf(err) == pulse.Unauthenticated}
}

// send hands an event to the consumer and tells whether ctx still goes on.
func (s *stream) send(ctx context.Context, e Event) bool {
	if ctx.Err() != nil {
		return false
	}
	s.handle(e)
	return ctx.Err() == nil
}

// sleep waits, and tells whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hello starts a connection: which entries come, and what is lost for good.
// next is the number the first posts frame must start with, 0 for any.
func (s *stream) hello(ctx context.Context, f *wire.ServerFrame) (next uint64, ok bool) {
	connected := Connected{Resumed: f.Resumed, Again: s.again}
	if f.ServerTime != nil {
		connected.ServerTime = *f.ServerTime
	}
	if !s.send(ctx, connected) {
		return 0, false
	}
	s.again, s.refused, s.refusals = true, "", 0
	had := s.place
	same := had.Epoch == f.Epoch
	switch {
	case f.Resumed == wire.Snapshot && had.Epoch != "":
		gap := Gap{}
		if same && *f.Seq > had.Seq {
			gap = Gap{From: had.Seq + 1, To: *f.Seq}
		}
		s.place = Place{}
		return 0, s.send(ctx, gap)
	case f.Resumed == wire.Snapshot:
		return 0, true
	case had.Epoch == "":
		s.place = Place{Epoch: f.Epoch, Seq: *f.Seq}
		return *f.Seq + 1, true
	case !same:
		// Promised to go on, but in another epoch: nothing is comparable.
		s.place = Place{Epoch: f.Epoch, Seq: *f.Seq}
		return 0, s.send(ctx, Gap{})
	}
	return had.Seq + 1, true
}

// posts hands on a posts frame and tells of a hole in front of it.
func (s *stream) posts(ctx context.Context, f *wire.ServerFrame, next uint64) (uint64, bool) {
	from, to := *f.From, *f.To
	switch {
	case f.Epoch != "" && s.place.Epoch != "" && f.Epoch != s.place.Epoch:
		if !s.send(ctx, Gap{}) {
			return 0, false
		}
	case next != 0 && to < next:
		return next, true // known already
	case next != 0 && from > next:
		s.client.log.Warn("feed skipped entries", "from", next, "to", from-1)
		if !s.send(ctx, Gap{From: next, To: from - 1}) {
			return 0, false
		}
	}
	if f.Epoch != "" {
		s.place.Epoch = f.Epoch
	}
	s.place.Seq = to
	return to + 1, s.send(ctx, Posts{Place: s.place, Posts: s.valid(f.Posts)})
}

// snapshot hands on a snapshot. One that comes later than the hello that
// announced it stands for what this side was too slow for.
func (s *stream) snapshot(ctx context.Context, f *wire.ServerFrame, next uint64) (uint64, bool) {
	switch {
	case next == 0 || s.place.Epoch == f.Epoch && *f.Seq < next:
	case s.place.Epoch != f.Epoch:
		if !s.send(ctx, Gap{}) {
			return 0, false
		}
	case !s.send(ctx, Gap{From: next, To: *f.Seq}):
		return 0, false
	}
	s.place = Place{Epoch: f.Epoch, Seq: *f.Seq}
	return *f.Seq + 1, s.send(ctx, Snapshot{Place: s.place, Posts: s.valid(f.Posts)})
}

// valid drops posts without a proper id: nothing could be kept under it.
func (s *stream) valid(posts *[]wire.Post) []wire.Post {
	if posts == nil {
		return nil
	}
	kept := (*posts)[:0]
	for _, p := range *posts {
		if wire.ValidPostID(p.ID) {
			kept = append(kept, p)
		}
	}
	if n := len(*posts) - len(kept); n > 0 {
		s.client.log.Warn("feed posts without a valid id dropped", "count", n)
	}
	return kept
}

var errConsumer = errors.New("the consumer has left")
