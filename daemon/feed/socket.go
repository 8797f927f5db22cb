package feed

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// sendBuffer bounds what the kernel holds for a client that does not read.
const sendBuffer = 128 << 10

// socket is one client. Its reader goroutine owns conn and ends the socket; its
// writer owns the second part; everybody else leaves mail.
type socket struct {
	feed   *Feed
	writer *writer
	raw    net.Conn
	direct syscall.RawConn // nil where writes can only wait, as with TLS
	conn   *websocket.Conn
	user   int64

	closing atomic.Bool  // a close was ordered: what the client says counts no more
	code    atomic.Int32 // the close code that the socket will be counted under

	mu     sync.Mutex // covers what follows
	mail   *mail      // nil: none
	queued bool       // known to the writer as having mail

	// What follows is the writer's.
	group  *group // the sockets of the same view; nil before attaching and after leaving
	place  int    // in group
	gen    uint64 // of the numbers; 0: wants a snapshot
	seq    uint64 // everything up to here was sent or is in rest
	replay uint64 // numbers up to here were missed while away
	rest   []byte // of a frame begun, to be sent before anything else

	owed    debts
	hello   []byte
	pong    []byte
	goodbye []byte // close frame

	expires  time.Time // of the token; zero: never
	beat     time.Time // when the next heartbeat and ping are due
	progress time.Time // when the client last took something, while stuck
	retry    time.Time // when to try again, while stuck
	backoff  time.Duration
	closeBy  time.Time // when the connection is cut, once closing

	stuck    bool // the connection is full; known to writer.stuck
	away     bool // a write has left the writer
	parted   bool // the goodbye is sent
	peerDone bool // the client has sent its close frame
	warned   bool // token_expiring was sent for the present token
	dead     bool // nothing can be sent any more
}

// debts are the small frames that a socket owes its client, at most one of
// each kind.
type debts uint8

const (
	owesHello debts = 1 << iota
	owesPong
	owesExpiring
	owesBeat
	owesGoodbye
)

// mail is what the writer has not been told yet; later values replace earlier
// ones, so it is bounded however fast a client talks.
type mail struct {
	attach   *request
	filter   *filter
	expires  time.Time // of a fresh token
	pong     []byte    // of the last ping; nil: none
	code     int       // close code; 0: none
	reason   string
	peerDone bool
	written  *written
	gone     bool
}

// written is the end of a write that had left the writer.
type written struct{ err error }

func newSocket(f *Feed, t *tap, conn *websocket.Conn, id pulse.Identity) *socket {
	now := time.Now()
	s := &socket{
		feed: f, raw: t.Conn, conn: conn, user: id.UserID, expires: id.Expires,
		// The first beat comes early and at random: beats spread over time.
		beat: now.Add(f.config.Heartbeat/2 + rand.N(f.config.Heartbeat/2)),
	}
	if c, ok := t.Conn.(syscall.Conn); ok && canSendDirect {
		if direct, err := c.SyscallConn(); err == nil {
			s.direct = direct
		}
	}
	if c, ok := t.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(sendBuffer) // best effort: only memory depends on it
	}
	t.socket = s
	return s
}

// post leaves mail for the writer. change runs under the socket's lock.
func (s *socket) post(change func(*mail)) {
	s.mu.Lock()
	if s.mail == nil {
		s.mail = new(mail)
	}
	change(s.mail)
	wake := !s.queued
	s.queued = true
	s.mu.Unlock()
	if wake {
		s.writer.deliver(s)
	}
}

// collect takes the mail.
func (s *socket) collect() *mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mail
	s.mail, s.queued = nil, false
	return m
}

// close orders the goodbye; the first order counts.
func (s *socket) close(code int, reason string) {
	if !s.closing.CompareAndSwap(false, true) {
		return
	}
	s.code.CompareAndSwap(0, int32(code))
	s.post(func(m *mail) { m.code, m.reason = code, reason })
}

// slow is the one way to lose a client that does not keep up.
func (s *socket) slow() {
	s.close(wire.CloseSlow, "too slow, connect again and resume after the last number")
}

// cut ends the connection without waiting: closing a TLS connection that is
// full would wait for seconds to say so to the client.
func (s *socket) cut() {
	c := s.raw
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	c.Close()
}

// hangUp tells the client that nothing follows the goodbye, so that it need not
// wait for us to close. Only where that cannot block.
func (s *socket) hangUp() {
	if c, ok := s.raw.(interface{ CloseWrite() error }); ok && s.direct != nil {
		_ = c.CloseWrite()
	}
}
