package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Bounds of one socket.
const (
	maxFrame         = 32 << 20 // bytes; a snapshot of 200 posts with the longest URLs has 13 MiB
	handshakeTimeout = 10 * time.Second
	writeTimeout     = 5 * time.Second
	defaultHeartbeat = 15 * time.Second
	minHeartbeat     = time.Second
	maxHeartbeat     = 2 * time.Minute
)

// connect runs one connection to its end.
func (s *stream) connect(ctx context.Context) verdict {
	token, err := s.client.access(ctx, s.refused)
	if err != nil {
		return verdict{err: err, terminal: pulse.CodeOf(err) == pulse.Unauthenticated}
	}
	conn, v := s.dial(ctx, token)
	if conn == nil {
		if v.token {
			s.refused = token
			s.refusals++
		}
		return v
	}
	defer conn.Close()
	// Closing the socket is what ends a blocked read.
	stop := context.AfterFunc(ctx, func() {
		bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(100*time.Millisecond))
		_ = conn.Close()
	})
	defer stop()
	k := &socket{conn: conn, token: token, idle: 5 * defaultHeartbeat / 2}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v = s.judge(s.read(ctx, k, &wg))
	if v.token {
		s.refused = k.current()
		s.refusals++
	}
	return v
}

// socket is one open connection.
type socket struct {
	conn *websocket.Conn
	idle time.Duration // how long may pass without a sign of life

	renewing atomic.Bool // one renewal at a time

	mu    sync.Mutex // covers token and writing of data frames
	token string     // that the server knows for this socket
}

func (k *socket) current() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.token
}

func (s *stream) dial(ctx context.Context, token string) (*websocket.Conn, verdict) {
	dialer := websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
		NetDialContext:   (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:  s.client.tls.Clone(),
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   16 << 10,
		WriteBufferSize:  1 << 10,
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer " + token}, "User-Agent": {s.client.agent}}
	conn, resp, err := dialer.DialContext(ctx, s.url(), header) //nolint:bodyclose // the library has read it and nothing is left open
	switch {
	case err == nil:
		return conn, verdict{}
	case resp == nil:
		return nil, verdict{err: s.client.noAnswer(err)}
	}
	return nil, judgeRefusal(problem(resp))
}

func (s *stream) url() string {
	u := *s.client.base
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	u.Path += "/ws/posts/"
	q := filterValues(&s.filter)
	if s.place.Epoch != "" {
		q.Set("epoch", s.place.Epoch)
		q.Set("after", strconv.FormatUint(s.place.Seq, 10))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// judgeRefusal says what a refused handshake means.
func judgeRefusal(err error) verdict {
	v := verdict{err: err}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		v.after = min(refusal.RetryAfter, time.Minute)
	}
	switch pulse.CodeOf(err) {
	case pulse.Unauthenticated:
		v.token = true
	case pulse.Forbidden, pulse.Invalid:
		v.terminal = true
	case pulse.NotFound, pulse.TooMany:
		v.slowly = true
	}
	return v
}

// errFrame is the cause of every frame that cannot be used.
var errFrame = errors.New("bad frame")

// read hands on frames until the connection or its consumer ends. The error
// says which; it is never nil.
func (s *stream) read(ctx context.Context, k *socket, wg *sync.WaitGroup) error {
	k.conn.SetReadLimit(maxFrame)
	k.conn.SetPingHandler(func(data string) error {
		k.extend()
		_ = k.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeTimeout))
		return nil // a dead connection shows in the next read
	})
	next, greeted := uint64(0), false
	for {
		k.extend()
		kind, body, err := k.conn.ReadMessage()
		if err != nil {
			return err
		}
		if kind != websocket.TextMessage {
			continue
		}
		f, err := wire.DecodeServerFrame(body)
		if err != nil {
			s.client.log.Warn("feed frame refused", "err", err, "bytes", len(body))
			return errors.Join(errFrame, err)
		}
		ok := true
		switch f.Type {
		case wire.FrameHello:
			if f.HeartbeatSeconds > 0 {
				beat := time.Duration(min(f.HeartbeatSeconds, maxHeartbeat.Seconds()) * float64(time.Second))
				k.idle = 5 * max(beat, minHeartbeat) / 2
			}
			next, ok = s.hello(ctx, &f)
			greeted = true
		case wire.FramePosts:
			if greeted {
				next, ok = s.posts(ctx, &f, next)
			}
		case wire.FrameSnapshot:
			if greeted {
				next, ok = s.snapshot(ctx, &f, next)
			}
		case wire.FrameHeartbeat:
			ok = s.send(ctx, Heartbeat{Behind: behind(*f.Seq, next)})
		case wire.FrameTokenExpiring:
			if k.renewing.CompareAndSwap(false, true) {
				wg.Go(func() { s.reauthenticate(ctx, k) })
			}
		case wire.FrameNotice:
			ok = s.send(ctx, Notice{Code: f.Code, Detail: f.Detail})
		}
		if !ok {
			return errConsumer
		}
	}
}

func behind(seq, next uint64) uint64 {
	if next == 0 || seq < next {
		return 0
	}
	return seq - next + 1
}

// extend gives the connection its idle time again.
func (k *socket) extend() { _ = k.conn.SetReadDeadline(time.Now().Add(k.idle)) }

// reauthenticate gives the server a fresh token over the open socket. If that
// fails the server closes, and the stream comes back with another.
func (s *stream) reauthenticate(ctx context.Context, k *socket) {
	defer k.renewing.Store(false)
	token, err := s.client.access(ctx, k.current())
	if err != nil {
		s.client.log.Warn("feed token not renewed", "err", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := k.conn.WriteJSON(wire.ClientFrame{Type: wire.FrameAuth, Token: token}); err != nil {
		s.client.log.Warn("feed token not sent", "err", err)
		return
	}
	k.token = token
}

// judge says what the end of a connection means, by its close code.
func (s *stream) judge(err error) verdict {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, errFrame):
		return verdict{
			err:    &pulse.Error{Code: pulse.Unavailable, Message: "the server sent a frame that cannot be read", Err: err},
			slowly: true,
		}
	case !errors.As(err, &closed):
		return verdict{err: s.client.noAnswer(err)}
	case closed.Code == websocket.CloseAbnormalClosure:
		return verdict{err: s.client.noAnswer(io.EOF)}
	}
	say := func(code pulse.Code, text string) error {
		if closed.Text != "" {
			text += ": " + closed.Text
		}
		return &pulse.Error{Code: code, Message: text, Err: err}
	}
	switch closed.Code {
	case websocket.ClosePolicyViolation, wire.CloseForbidden:
		return verdict{err: say(pulse.Forbidden, "the server refuses this feed"), terminal: true}
	case wire.CloseToken:
		return verdict{err: say(pulse.Unauthenticated, "the token has ended"), token: true}
	case wire.CloseSlow:
		return verdict{err: say(pulse.Unavailable, "the server found this side too slow")}
	case wire.CloseTooMany:
		return verdict{err: say(pulse.TooMany, "too many feeds are open for this user"), slowly: true}
	case wire.CloseFlood:
		return verdict{err: say(pulse.TooMany, "the server got too many messages"), slowly: true}
	case wire.CloseBadFrame, wire.CloseTooBig:
		return verdict{err: say(pulse.Unavailable, "the server did not understand this side"), slowly: true}
	case wire.CloseRestart, websocket.CloseGoingAway:
		return verdict{err: say(pulse.Unavailable, "the server restarts")}
	}
	return verdict{err: say(pulse.Unavailable, "the connection was closed")}
}
