package feed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"dev.redditpulse/daemon/feed"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; none is meant to take that long.
const patience = 20 * time.Second

// memory is a stream in memory that keeps to the contract of feed.Stream.
type memory struct {
	mu      sync.Mutex
	state   wire.FeedState
	entries []wire.FeedEntry
	err     error
	news    chan struct{} // closed and replaced at each change
}

func newMemory() *memory { return &memory{news: make(chan struct{})} }

func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.news)
	m.news = make(chan struct{})
}

// add announces posts and gives the number of the last.
func (m *memory) add(posts ...pulse.Post) (last uint64) {
	bodies := make([][]byte, len(posts))
	for i := range posts {
		body, err := wire.EncodePost(&posts[i])
		if err != nil {
			panic(err)
		}
		bodies[i] = body
	}
	return m.addRaw(bodies...)
}

func (m *memory) addRaw(bodies ...[]byte) (last uint64) {
	m.change(func() {
		if m.state.Epoch == "" {
			m.state.Epoch = "e1"
		}
		for _, body := range bodies {
			m.state.Seq++
			m.entries = append(m.entries, wire.FeedEntry{Seq: m.state.Seq, Post: body})
		}
		last = m.state.Seq
	})
	return last
}

func (m *memory) Tail(_ context.Context, n int) (wire.FeedState, []wire.FeedEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return wire.FeedState{}, nil, m.err
	}
	return m.state, m.entries[max(0, len(m.entries)-n):], nil
}

func (m *memory) Next(ctx context.Context, after uint64, limit int) (wire.FeedState, []wire.FeedEntry, error) {
	wait := time.NewTimer(200 * time.Millisecond)
	defer wait.Stop()
	for {
		m.mu.Lock()
		state, err, news := m.state, m.err, m.news
		found := behind(m.entries, after)
		m.mu.Unlock()
		if err != nil {
			return wire.FeedState{}, nil, err
		}
		if len(found) > 0 {
			return state, found[:min(limit, len(found))], nil
		}
		select {
		case <-news:
		case <-wait.C:
			return state, nil, nil
		case <-ctx.Done():
			return state, nil, ctx.Err()
		}
	}
}

func behind(entries []wire.FeedEntry, after uint64) []wire.FeedEntry {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Seq > after })
	return entries[i:]
}

// verifier takes tokens of the form "user-seconds".
type verifier struct{}

func (verifier) VerifyAccess(token string) (pulse.Identity, error) {
	var user, seconds int64
	if _, err := fmt.Sscanf(token, "%d-%d", &user, &seconds); err != nil {
		return pulse.Identity{}, pulse.Errorf(pulse.Unauthenticated, "the token is not valid")
	}
	return pulse.Identity{UserID: user, Expires: time.Now().Add(time.Duration(seconds) * time.Second)}, nil
}

// rig is a running feed behind a real HTTP server.
type rig struct {
	t      testing.TB
	feed   *feed.Feed
	stream *memory
	reg    *prometheus.Registry
	url    string
	stop   func() // stops the feed and waits
	id     func() pulse.Identity
}

func quick() feed.Config {
	return feed.Config{
		LogLength: 1000, Snapshot: 50, Coalesce: 5 * time.Millisecond,
		Heartbeat: 15 * time.Second, WriteTimeout: 10 * time.Second, MaxSockets: 1000, MaxPerUser: 1000,
	}
}

func start(t testing.TB, c feed.Config, stream *memory) *rig {
	t.Helper()
	return startTLS(t, c, stream, false)
}

func startTLS(t testing.TB, c feed.Config, stream *memory, secure bool) *rig {
	t.Helper()
	r := &rig{t: t, stream: stream, reg: prometheus.NewRegistry()}
	r.id = func() pulse.Identity { return pulse.Identity{UserID: 1, Role: pulse.Viewer} }
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	r.feed = feed.New(c, stream, verifier{}, log, r.reg)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.feed.ServeWS(w, q, r.id())
	}))
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	r.url = "ws" + strings.TrimPrefix(server.URL, "http")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.feed.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
	})
	t.Cleanup(func() {
		r.stop()
		server.Close()
	})
	waiting, cancelWaiting := context.WithTimeout(context.Background(), patience)
	defer cancelWaiting()
	if stream.err == nil {
		if err := r.feed.Ready(waiting); err != nil {
			t.Fatalf("Ready: %v", err)
		}
	}
	return r
}

// fill announces posts and waits until the feed has them.
func (r *rig) fill(all ...pulse.Post) (last uint64) {
	r.t.Helper()
	last = r.stream.add(all...)
	eventually(r.t, "the ring is filled", func() bool { return r.metric("pulse_feed_seq") == float64(last) })
	return last
}

// metric sums the series of a name whose labels include the given pair.
func (r *rig) metric(name string, label ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(label) == 2 && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() != label[1]) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// client is a socket as a client sees it, and it checks what every client may
// rely on: contiguous numbers.
type client struct {
	t     testing.TB
	conn  *websocket.Conn
	epoch string
	pos   uint64 // everything up to here was received
}

func (r *rig) dial(query string) *client {
	r.t.Helper()
	c, err := r.tryDial(query, nil)
	if err != nil {
		r.t.Fatalf("dial %q: %v", query, err)
	}
	return c
}

func (r *rig) tryDial(query string, h http.Header) (*client, error) {
	d := websocket.Dialer{HandshakeTimeout: patience}
	conn, resp, err := d.Dial(r.url+"/?"+query, h)
	if err != nil {
		if resp != nil {
			body, _ := io.ReadAll(resp.Body)
			return nil, fmt.Errorf("%w: %d %s", err, resp.StatusCode, body)
		}
		return nil, err
	}
	r.t.Cleanup(func() { conn.Close() })
	return &client{t: r.t, conn: conn}, nil
}

// frame reads the next frame of the server.
func (c *client) frame() (wire.ServerFrame, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	kind, body, err := c.conn.ReadMessage()
	if err != nil {
		return wire.ServerFrame{}, err
	}
	if kind != websocket.TextMessage {
		return wire.ServerFrame{}, fmt.Errorf("frame of kind %d", kind)
	}
	f, err := wire.DecodeServerFrame(body)
	if err != nil {
		return f, fmt.Errorf("%w in %.200s", err, body)
	}
	return f, c.note(&f)
}

// note holds the frame against what came before.
func (c *client) note(f *wire.ServerFrame) error {
	switch f.Type {
	case wire.FrameSnapshot:
		c.epoch, c.pos = f.Epoch, *f.Seq
	case wire.FramePosts:
		if f.Epoch != c.epoch || *f.From != c.pos+1 {
			return fmt.Errorf("frame %s %d-%d after %s %d", f.Epoch, *f.From, *f.To, c.epoch, c.pos)
		}
		for _, p := range *f.Posts {
			if p.Seq == nil || *p.Seq < *f.From || *p.Seq > *f.To {
				return fmt.Errorf("post %s has seq %v outside of %d-%d", p.ID, p.Seq, *f.From, *f.To)
			}
		}
		c.pos = *f.To
	case wire.FrameHeartbeat:
		if *f.Seq != c.pos {
			return fmt.Errorf("heartbeat says %d, received up to %d", *f.Seq, c.pos)
		}
	}
	return nil
}

func (c *client) must(want string) wire.ServerFrame {
	c.t.Helper()
	f, err := c.frame()
	if err != nil {
		c.t.Fatalf("want a %s frame: %v", want, err)
	}
	if f.Type != want {
		c.t.Fatalf("got a %s frame, want %s", f.Type, want)
	}
	return f
}

// open reads hello, and the snapshot where it announces one.
func (c *client) open(want string) (hello, snapshot wire.ServerFrame) {
	c.t.Helper()
	hello = c.must(wire.FrameHello)
	if hello.Resumed != want {
		c.t.Fatalf("resumed is %q, want %q", hello.Resumed, want)
	}
	if want == wire.Snapshot {
		snapshot = c.must(wire.FrameSnapshot)
	}
	return hello, snapshot
}

// until reads posts frames until the numbers reach seq and gives their posts.
func (c *client) until(seq uint64) []wire.Post {
	c.t.Helper()
	var posts []wire.Post
	for c.pos < seq {
		f, err := c.frame()
		if err != nil {
			c.t.Fatalf("read up to %d, at %d: %v", seq, c.pos, err)
		}
		if f.Type == wire.FramePosts {
			posts = append(posts, *f.Posts...)
		}
	}
	return posts
}

// closed reads until the server closes and gives the code.
func (c *client) closed() int {
	c.t.Helper()
	for {
		_, err := c.frame()
		var e *websocket.CloseError
		if errors.As(err, &e) {
			return e.Code
		}
		if err != nil {
			c.t.Fatalf("read until the close: %v", err)
		}
	}
}

func (c *client) send(v any) {
	c.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.WriteMessage(websocket.TextMessage, body); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) resume() string {
	return url.Values{"epoch": {c.epoch}, "after": {fmt.Sprint(c.pos)}}.Encode()
}

var opened = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// post n has its own id and is observed n milliseconds after the opening.
func post(n int, edit ...func(*pulse.Post)) pulse.Post {
	v := float64(n % 50)
	p := pulse.Post{Observation: pulse.Observation{
		PostID: fmt.Sprintf("t3_%d", n), ObservedAt: opened.Add(time.Duration(n) * time.Millisecond),
		Source: "new", Subreddit: []string{"golang", "Politics", "news"}[n%3],
		Title: fmt.Sprintf("Title number %d of Ünïcode <b> words", n), Author: "someone",
		URL: "https://example.org/", Permalink: "/r/golang/", CreatedAt: opened,
		Score: int64(n % 100), State: pulse.Live,
	}, Velocity: &v}
	for _, e := range edit {
		e(&p)
	}
	return p
}

func posts(from, to int) []pulse.Post {
	var all []pulse.Post
	for n := from; n <= to; n++ {
		all = append(all, post(n))
	}
	return all
}

func ids(all []wire.Post) []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].ID
	}
	return names
}
