package clienttest

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/wire"
)

func etag(version int64) string { return fmt.Sprintf(`"v%d"`, version) }

// feed keeps all posts in order and writes to its sockets under its lock: it
// is as slow as its slowest client, which a test wants.
type feed struct {
	wg sync.WaitGroup

	mu      sync.Mutex
	epoch   string
	base    uint64 // number of the last entry that was forgotten
	log     []wire.Post
	sockets map[*websocket.Conn]bool
	opened  int
	auths   []string
	greet   func(*wire.ServerFrame) // changes each hello; nil: as it is
}

func (f *feed) reset(epoch string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch, f.base, f.log = epoch, 0, nil
	if f.sockets == nil {
		f.sockets = map[*websocket.Conn]bool{}
	}
}

func (f *feed) wait() { f.wg.Wait() }

func (f *feed) head() uint64 { return f.base + uint64(len(f.log)) }

func (f *feed) newest(n int) []wire.Post {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []wire.Post{}
	seen := map[string]bool{}
	for i := len(f.log) - 1; i >= 0 && len(out) < n; i-- {
		if !seen[f.log[i].ID] {
			seen[f.log[i].ID] = true
			out = append(out, f.log[i])
		}
	}
	return out
}

func (f *feed) serve(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.opened++
	f.hello(conn, r)
	f.sockets[conn] = true
	f.mu.Unlock()
	f.wg.Add(1)
	defer f.wg.Done()
	for {
		_, body, err := conn.ReadMessage()
		if err != nil {
			break
		}
		if in, err := wire.DecodeClientFrame(body); err == nil && in.Type == wire.FrameAuth {
			f.mu.Lock()
			f.auths = append(f.auths, in.Token)
			f.mu.Unlock()
		}
	}
	f.mu.Lock()
	delete(f.sockets, conn)
	f.mu.Unlock()
	conn.Close()
}

// hello says how the client stands and sends what it missed; f.mu is held.
func (f *feed) hello(conn *websocket.Conn, r *http.Request) {
	q := r.URL.Query()
	after, err := strconv.ParseUint(q.Get("after"), 10, 64)
	now, head := time.Now().UTC(), f.head()
	hello := wire.ServerFrame{
		Type: wire.FrameHello, Epoch: f.epoch, Seq: &head, ServerTime: &now, HeartbeatSeconds: 15,
	}
	switch {
	case err != nil || q.Get("epoch") != f.epoch || after < f.base || after > head:
		hello.Resumed = wire.Snapshot
	case after == head:
		hello.Resumed = wire.NothingMissed
	default:
		hello.Resumed = wire.Replayed
	}
	if f.greet != nil {
		f.greet(&hello)
	}
	write(conn, &hello)
	switch hello.Resumed {
	case wire.Snapshot:
		posts := f.log[max(0, len(f.log)-200):]
		write(conn, &wire.ServerFrame{Type: wire.FrameSnapshot, Epoch: f.epoch, Seq: &head, Posts: &posts})
	case wire.Replayed:
		f.send(conn, after)
	}
}

// send writes everything behind a number; f.mu is held.
func (f *feed) send(conn *websocket.Conn, after uint64) {
	from, to := after+1, f.head()
	posts := f.log[after-f.base:]
	write(conn, &wire.ServerFrame{Type: wire.FramePosts, Epoch: f.epoch, From: &from, To: &to, Posts: &posts})
}

func write(conn *websocket.Conn, frame *wire.ServerFrame) {
	body, err := wire.EncodeFrame(frame)
	if err != nil {
		panic(err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_ = conn.WriteMessage(websocket.TextMessage, body)
}

// Publish appends posts to the feed and sends them in one frame.
func (s *Server) Publish(posts ...wire.Post) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	before := s.feed.head()
	s.feed.log = append(s.feed.log, posts...)
	for conn := range s.feed.sockets {
		s.feed.send(conn, before)
	}
}

// Lose counts entries that no socket ever gets.
func (s *Server) Lose(n int) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.base += uint64(len(s.feed.log) + n)
	s.feed.log = nil
}

// SetEpoch starts the feed anew.
func (s *Server) SetEpoch(epoch string) { s.feed.reset(epoch) }

// Greet has every hello changed before it is sent.
func (s *Server) Greet(f func(*wire.ServerFrame)) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.greet = f
}

// Send writes a frame to every socket.
func (s *Server) Send(frame wire.ServerFrame) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	for conn := range s.feed.sockets {
		write(conn, &frame)
	}
}

// SendRaw writes any text to every socket.
func (s *Server) SendRaw(body []byte) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	for conn := range s.feed.sockets {
		_ = conn.WriteMessage(websocket.TextMessage, body)
	}
}

// CloseWith closes every socket with a code.
func (s *Server) CloseWith(code int, text string) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	for conn := range s.feed.sockets {
		deadline := time.Now().Add(time.Second)
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), deadline)
	}
}

// Drop cuts every socket without a word.
func (s *Server) Drop() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	for conn := range s.feed.sockets {
		_ = conn.NetConn().Close()
	}
}

// Sockets is how many are open, and how many ever were.
func (s *Server) Sockets() (open, ever int) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return len(s.feed.sockets), s.feed.opened
}

// Auths are the tokens that came over open sockets.
func (s *Server) Auths() []string {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return append([]string(nil), s.feed.auths...)
}
