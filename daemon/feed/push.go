package feed

import (
	"errors"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/wire"
)

const (
	opPing = websocket.PingMessage
	opPong = websocket.PongMessage
)

var pingFrame = controlFrame(opPing, nil)

// piece is one frame, or the rest of one, in a write, and what its beginning
// means for the socket.
type piece struct {
	bytes []byte
	frame *frame // nil: a small frame
	debt  debts  // what a small frame pays; 0 and no frame: a rest
}

// push sends a socket all that it lags, as far as the connection takes it.
func (w *writer) push(s *socket, now time.Time) {
	if s.dead || s.away {
		return
	}
	if s.stuck && now.Before(s.retry) {
		return
	}
	for budget := visitBytes; ; {
		w.gather(s)
		b := w.joined()
		if len(b) == 0 {
			w.freed(s)
			return
		}
		if s.direct == nil {
			w.sendAway(s, b)
			return
		}
		n, err := w.sender.send(s.direct, b)
		w.bytes += n
		w.advance(s, n, now)
		switch {
		case err != nil:
			w.abandon(s)
			return
		case n < len(b):
			w.wedge(s, n > 0, now)
			return
		}
		if budget -= n; budget <= 0 {
			w.freed(s)
			w.again = append(w.again, s)
			return
		}
	}
}

// gather lists what goes into the next write.
func (w *writer) gather(s *socket) {
	clear(w.pieces)
	w.pieces = w.pieces[:0]
	total := len(s.rest)
	if total > 0 {
		w.pieces = append(w.pieces, piece{bytes: s.rest})
	}
	owe := func(d debts, bytes func() []byte) {
		if s.owed&d != 0 {
			w.pieces = append(w.pieces, piece{bytes: bytes(), debt: d})
		}
	}
	owe(owesHello, func() []byte { return s.hello })
	if s.owed&owesGoodbye != 0 {
		owe(owesGoodbye, func() []byte { return s.goodbye })
		return
	}
	if s.parted {
		return
	}
	owe(owesPong, func() []byte { return s.pong })
	owe(owesExpiring, s.expiring)
	gen, seq := s.gen, s.seq
	for s.group != nil && total < writeBytes {
		f, err := s.group.view.next(gen, seq, s.replay)
		if errors.Is(err, errOverrun) {
			s.slow()
			return
		}
		if f == nil {
			break
		}
		w.pieces = append(w.pieces, piece{bytes: f.bytes, frame: f})
		total += len(f.bytes)
		gen, seq = f.gen, f.to
	}
	if gen == 0 {
		return // without numbers yet, a heartbeat would say nothing
	}
	owe(owesBeat, func() []byte { return append(heartbeatFrame(seq), pingFrame...) })
}

func (s *socket) expiring() []byte {
	at := s.expires.UTC()
	return textFrame(&wire.ServerFrame{Type: wire.FrameTokenExpiring, At: &at})
}

// joined is the pieces as one run of bytes: a single one as it is, several in
// the writer's buffer.
func (w *writer) joined() []byte {
	if len(w.pieces) == 1 {
		return w.pieces[0].bytes
	}
	w.buffer = w.buffer[:0]
	for i := range w.pieces {
		w.buffer = append(w.buffer, w.pieces[i].bytes...)
	}
	return w.buffer
}

// advance notes that n bytes of the pieces went out. A piece that was begun
// counts as sent: what is left of it is the socket's rest.
func (w *writer) advance(s *socket, n int, now time.Time) {
	for i := range w.pieces {
		p := &w.pieces[i]
		if n <= 0 {
			return
		}
		s.rest = nil
		if n < len(p.bytes) {
			s.rest = p.bytes[n:]
		}
		n -= len(p.bytes)
		w.account(s, p, now)
	}
}

func (w *writer) account(s *socket, p *piece, now time.Time) {
	switch {
	case p.frame != nil:
		if s.gen != p.frame.gen {
			s.gen, s.replay = p.frame.gen, 0
		}
		s.seq = p.frame.to
		w.frames++
		if !p.frame.observed.IsZero() && p.frame.sent.CompareAndSwap(false, true) {
			w.feed.metrics.delay.Observe(max(0, now.Sub(p.frame.observed).Seconds()))
		}
	case p.debt != 0:
		s.owed &^= p.debt
		switch p.debt {
		case owesHello:
			s.hello = nil
			w.frames++
		case owesPong:
			s.pong = nil
		case owesGoodbye:
			s.goodbye, s.parted = nil, true
			s.hangUp()
		default:
			w.frames++
		}
	}
}

// wedge puts a socket aside whose connection is full.
func (w *writer) wedge(s *socket, moved bool, now time.Time) {
	if moved || !s.stuck {
		s.progress = now
		s.backoff = retryMinWrite
	} else {
		s.backoff = min(2*s.backoff, retryMaxWrite)
	}
	s.retry = now.Add(s.backoff)
	s.stuck = true
	w.stuck[s] = struct{}{}
}

// freed notes that the connection takes more.
func (w *writer) freed(s *socket) {
	if s.stuck {
		s.stuck = false
		delete(w.stuck, s)
	}
}

// sendAway writes on a connection that can only be written to by waiting (TLS
// breaks on a write that was cut short). A goroutine waits, one a socket at
// most, and only while a write is under way.
func (w *writer) sendAway(s *socket, b []byte) {
	if len(w.pieces) > 1 {
		b = slices.Clone(b) // out of the writer's buffer
	}
	w.bytes += len(b)
	w.advance(s, len(b), time.Now())
	s.away = true
	w.feed.writes.Go(func() {
		_ = s.raw.SetWriteDeadline(time.Now().Add(w.feed.config.WriteTimeout))
		_, err := s.raw.Write(b)
		if err != nil {
			s.code.CompareAndSwap(0, wire.CloseSlow)
		}
		s.post(func(m *mail) { m.written = &written{err: err} })
	})
}
