package feed

import (
	"time"

	"dev.redditpulse/shared/wire"
)

// attach gives a new socket its view, its place and its hello. A socket is only
// a position, so there is no border between history and live: what follows the
// position comes from the view's log or from the ring, whichever has it.
func (w *writer) attach(s *socket, q *request) {
	v := w.feed.acquire(q.filter)
	w.join(s, v)
	r := v.ring
	r.mu.RLock()
	gen, epoch, first, head := r.gen, r.epoch, r.first, r.head
	r.mu.RUnlock()

	answer := wire.Snapshot // gen 0: the snapshot comes first
	if q.resume && q.epoch == epoch && q.after <= head && q.after+1 >= first {
		answer = wire.Replayed
		if q.after == head {
			answer = wire.NothingMissed
		}
		s.gen, s.seq, s.replay = gen, q.after, head
	}
	w.feed.metrics.resumed.WithLabelValues(answer).Inc()
	now := time.Now().UTC()
	s.hello = textFrame(&wire.ServerFrame{
		Type: wire.FrameHello, Epoch: epoch, Seq: &head, Resumed: answer, ServerTime: &now,
		HeartbeatSeconds: w.feed.config.Heartbeat.Seconds(),
	})
	s.owed |= owesHello
}
