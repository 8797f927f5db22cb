package feed

import (
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// A client may send so many frames at once and so many a second, control
// frames included.
const (
	burst     = 20
	perSecond = 5
)

// maxDrain bounds what is read, to be thrown away, from a client that is being
// closed: closing on unread bytes would reset the connection and the client
// would never see why.
const maxDrain = 16 << 20

// reader is the receiving side of a socket.
type reader struct {
	*socket
	allowance float64 // frames that may come now
	counted   time.Time
	peerCode  int // of the client's close frame, 0 before
}

// read serves what the client sends until the connection ends.
func (s *socket) read() {
	r := &reader{socket: s, allowance: burst, counted: time.Now()}
	s.conn.SetReadLimit(wire.MaxClientFrame)
	s.conn.SetPingHandler(r.ping)
	s.conn.SetPongHandler(r.alive)
	s.conn.SetCloseHandler(r.bye)
	_ = r.alive("")
	for {
		kind, message, err := s.conn.NextReader()
		if err != nil {
			break
		}
		r.receive(kind, message)
	}
	r.end()
}

// end waits for the goodbye to be sent, bounded by the writer, and closes.
func (r *reader) end() {
	s := r.socket
	if r.peerCode != 0 || s.closing.Load() {
		// The writer ends this when the goodbye is through or overdue.
		_, _ = io.Copy(io.Discard, io.LimitReader(s.raw, maxDrain))
	}
	s.closing.Store(true)
	s.raw.Close()
	s.code.CompareAndSwap(0, websocket.CloseAbnormalClosure)
	s.feed.metrics.countClose(int(s.code.Load()))
	s.post(func(m *mail) { m.gone = true })
	s.feed.unregister(s)
}

// alive notes a sign of life; it is the handler of pongs, too.
func (r *reader) alive(string) error {
	if !r.admit() {
		return errFlood
	}
	if !r.closing.Load() {
		_ = r.raw.SetReadDeadline(time.Now().Add(r.feed.config.Heartbeat * 5 / 2))
	}
	return nil
}

var errFlood = errors.New("too many frames")

// admit counts a frame against the client's allowance.
func (r *reader) admit() bool {
	now := time.Now()
	r.allowance = min(burst, r.allowance+now.Sub(r.counted).Seconds()*perSecond)
	r.counted = now
	if r.allowance < 1 {
		r.close(wire.CloseFlood, "too many messages")
		return false
	}
	r.allowance--
	return true
}

func (r *reader) ping(payload string) error {
	if err := r.alive(""); err != nil {
		return err
	}
	r.post(func(m *mail) { m.pong = append([]byte{}, payload...) })
	return nil
}

// bye answers the client's close frame, as RFC 6455 wants it, with its code.
func (r *reader) bye(code int, _ string) error {
	r.peerCode = code
	r.code.CompareAndSwap(0, int32(code))
	first := r.closing.CompareAndSwap(false, true)
	r.post(func(m *mail) {
		m.peerDone = true
		if first {
			m.code = code
		}
	})
	return nil
}

// receive serves one message. After a close was ordered it skips them all:
// only the client's close frame is still of interest.
func (r *reader) receive(kind int, message io.Reader) {
	if r.closing.Load() || r.alive("") != nil {
		return
	}
	if kind != websocket.TextMessage {
		r.close(wire.CloseBadFrame, "want text frames, this one is binary")
		return
	}
	body, err := io.ReadAll(message)
	if err != nil {
		return // NextReader gives it again
	}
	if !utf8.Valid(body) {
		r.close(websocket.CloseInvalidFramePayloadData, "not valid UTF-8")
		return
	}
	in, err := wire.DecodeClientFrame(body)
	if err != nil {
		r.close(wire.CloseBadFrame, err.Error())
		return
	}
	switch in.Type {
	case wire.FrameFilter:
		c := canonical(&in.Filter)
		r.post(func(m *mail) { m.filter = c })
	case wire.FrameAuth:
		r.renew(in.Token)
	}
}

// renew takes a fresh token of the same user.
func (r *reader) renew(token string) {
	id, err := r.feed.verify.VerifyAccess(token)
	switch {
	case err != nil:
		reason := "the token is not valid, log in again"
		var known *pulse.Error
		if errors.As(err, &known) && known.Code == pulse.Unauthenticated {
			reason = known.Message
		}
		r.close(wire.CloseToken, reason)
	case id.UserID != r.user:
		r.close(wire.CloseForbidden, "the token is another user's")
	default:
		r.post(func(m *mail) { m.expires = id.Expires })
	}
}
