package feed

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	handshakeTimeout = 5 * time.Second
	readBuffer       = 512 // bytes a socket; client frames are small and rare
	retryAfter       = "5" // seconds, of 503 and 429
	subprotocol      = "bearer"
)

func newUpgrader() websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   readBuffer,
		// Never taken from: our writers send, gorilla only reads. Without a pool
		// it would keep a buffer for each socket.
		WriteBufferPool: new(noBuffers),
		Subprotocols:    []string{subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // checked before
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			detail := strings.TrimPrefix(reason.Error(), "websocket: ")
			if status == http.StatusInternalServerError {
				detail = "the connection cannot be upgraded"
			}
			writeProblem(w, status, &pulse.Error{Code: pulse.Invalid, Message: detail})
		},
	}
}

// noBuffers is a pool that keeps nothing.
type noBuffers struct{}

func (*noBuffers) Get() any { return nil }
func (*noBuffers) Put(any)  {}

// ServeWS upgrades an authenticated request to a socket of the feed and returns
// at once. What is wrong with the request is answered before the upgrade, as
// problem+json. The socket lives until either side closes it or the identity
// expires; an identity without Expires never does.
func (f *Feed) ServeWS(w http.ResponseWriter, r *http.Request, id pulse.Identity) {
	q, status, err := f.examine(r, id)
	if err != nil {
		f.refuse(w, status, err)
		return
	}
	if err := f.reserve(id.UserID); err != nil {
		f.refuse(w, statusOf(err), err)
		return
	}
	hijacker := &hijacker{ResponseWriter: w}
	conn, err := f.upgrader.Upgrade(hijacker, r, nil)
	if err != nil {
		// gorilla has answered, or the client is gone.
		f.unreserve(id.UserID)
		f.metrics.refused.WithLabelValues(string(pulse.Invalid)).Inc()
		return
	}
	s := newSocket(f, hijacker.tap, conn, id)
	if !f.register(s) {
		f.unreserve(id.UserID)
		_ = s.raw.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = s.raw.Write(closeFrame(wire.CloseRestart, "restarting, connect again"))
		s.raw.Close()
		f.metrics.countClose(wire.CloseRestart)
		return
	}
	s.post(func(m *mail) { m.attach = q })
	go s.read()
}

// examine finds what is wrong with a request before anything is spent on it.
func (f *Feed) examine(r *http.Request, id pulse.Identity) (*request, int, error) {
	if r.Method != http.MethodGet {
		return nil, http.StatusMethodNotAllowed, pulse.Errorf(pulse.Invalid, "want GET")
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return nil, http.StatusUpgradeRequired,
			pulse.Errorf(pulse.Invalid, "want a WebSocket handshake: Connection: Upgrade and Upgrade: websocket")
	}
	if !f.originAllowed(r) {
		return nil, http.StatusForbidden,
			pulse.Errorf(pulse.Forbidden, "this Origin is not allowed, an operator can add it to feed.origins")
	}
	if !id.Expires.IsZero() && !time.Now().Before(id.Expires) {
		return nil, http.StatusUnauthorized, pulse.Errorf(pulse.Unauthenticated, "the token has expired")
	}
	q, err := parseQuery(r.URL.RawQuery)
	return q, http.StatusBadRequest, err
}

// originAllowed tells whether a page may open a socket: programs send no
// Origin, pages of our own host and of feed.origins may.
func (f *Feed) originAllowed(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	for _, allowed := range f.config.Origins {
		if strings.EqualFold(allowed, origins[0]) {
			return true
		}
	}
	u, err := url.Parse(origins[0])
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// reserve counts a socket in, or says why there is no room.
func (f *Feed) reserve(user int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.open:
		return pulse.Errorf(pulse.Unavailable, "the feed is starting or stopping, try again shortly")
	case f.reserved >= f.config.MaxSockets:
		return pulse.Errorf(pulse.Unavailable, "all %d sockets of this server are taken, try again shortly", f.config.MaxSockets)
	case f.perUser[user] >= f.config.MaxPerUser:
		return pulse.Errorf(pulse.TooMany, "you have %d sockets open, the most for one user", f.perUser[user])
	}
	f.reserved++
	f.perUser[user]++
	return nil
}

func (f *Feed) unreserve(user int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved--
	if f.perUser[user]--; f.perUser[user] == 0 {
		delete(f.perUser, user)
	}
}

// register makes an upgraded socket known and gives it a writer. False: the
// feed is stopping.
func (f *Feed) register(s *socket) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open {
		return false
	}
	f.sockets[s] = struct{}{}
	f.readers.Add(1)
	s.writer = f.writers[f.turn%len(f.writers)]
	f.turn++
	f.metrics.clients.Inc()
	return true
}

func (f *Feed) unregister(s *socket) {
	f.unreserve(s.user)
	f.mu.Lock()
	delete(f.sockets, s)
	f.mu.Unlock()
	f.metrics.clients.Dec()
	f.readers.Done()
}

func (f *Feed) refuse(w http.ResponseWriter, status int, err error) {
	f.metrics.refused.WithLabelValues(string(pulse.CodeOf(err))).Inc()
	h := w.Header()
	switch status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodGet)
	case http.StatusUpgradeRequired:
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", retryAfter)
	}
	writeProblem(w, status, err)
}

func statusOf(err error) int {
	if pulse.CodeOf(err) == pulse.TooMany {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

func writeProblem(w http.ResponseWriter, status int, err error) {
	h := w.Header()
	p := wire.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Code: pulse.CodeOf(err), RequestID: h.Get("X-Request-Id"),
	}
	var known *pulse.Error
	if errors.As(err, &known) {
		p.Detail = known.Message
		if known.Field != "" {
			p.Detail = known.Field + ": " + known.Message
			p.Errors = []wire.ProblemField{{Field: known.Field, Message: known.Message}}
		}
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic("feed: encode problem: " + err.Error()) // strings and a number
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
