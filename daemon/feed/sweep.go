package feed

import (
	"time"

	"dev.redditpulse/shared/wire"
)

// expiryNotice is how long before a token's end its owner is told.
const expiryNotice = time.Minute

// sweep does what is due by the clock for each socket: heartbeat and ping,
// token, stalls, closes that nobody answers.
func (w *writer) sweep(now time.Time) {
	for _, g := range w.groups {
		for _, s := range g.sockets {
			w.check(s, now)
		}
	}
}

func (w *writer) check(s *socket, now time.Time) {
	c := &w.feed.config
	if !s.closeBy.IsZero() {
		if now.After(s.closeBy) {
			w.abandon(s)
		}
		return
	}
	// A part of the timeout is kept for a goodbye, in case the client wakes up.
	if s.stuck && now.Sub(s.progress) >= c.WriteTimeout*4/5 {
		s.slow()
		return
	}
	due := false
	if !now.Before(s.beat) {
		s.beat = s.beat.Add(c.Heartbeat)
		if s.beat.Before(now) {
			s.beat = now.Add(c.Heartbeat)
		}
		s.owed |= owesBeat
		due = true
	}
	if !s.expires.IsZero() {
		left := s.expires.Sub(now)
		if left <= 0 {
			s.close(wire.CloseToken, "the token has expired, log in again")
			return
		}
		if left <= expiryNotice && !s.warned {
			s.warned = true
			s.owed |= owesExpiring
			due = true
		}
	}
	if due {
		w.push(s, now)
	}
}
