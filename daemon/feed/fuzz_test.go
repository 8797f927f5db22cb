package feed

import (
	"bytes"
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "subreddit=golang&subreddit=Go", "min_score=-5", "min_velocity=1e3", "trending=true&q=two+words",
		"epoch=e1&after=18446744073709551615", "epoch=&after=", "q=%ff", "q=%00", "min_velocity=inf",
		"%zz", "a=b;c", "ticket=x", "subreddit=" + "x", "q=a&q=b", "min_velocity=-0",
	} {
		f.Add(seed)
	}
	probe := entry{id: "t3_1", title: "a title", subreddit: "golang", score: 1, velocity: math.NaN(), body: []byte("{}")}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			var e *pulse.Error
			if !errors.As(err, &e) || e.Code != pulse.Invalid || e.Field == "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: error %v names no field", raw, err)
			}
			return
		}
		q.filter.matches(&probe)
		if q.resume && q.epoch == "" {
			t.Fatalf("%q resumes without an epoch", raw)
		}
		// The canonical filter is a fixed point.
		again := canonical(&wire.Filter{
			Subreddit: q.filter.subreddits, MinScore: q.filter.minScore, MinVelocity: q.filter.minVelocity,
			Trending: q.filter.trending, Q: joined(q.filter.words),
		})
		if again.key != q.filter.key {
			t.Fatalf("%q: %s, and again %s", raw, q.filter.key, again.key)
		}
	})
}

func joined(words []string) string {
	var b bytes.Buffer
	for _, w := range words {
		b.WriteString(w + " ")
	}
	return b.String()
}

// What the header builder makes, gorilla's reader takes for the same message.
func FuzzFrame(f *testing.F) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		f.Add(n, byte('x'))
	}
	client, server := pair(f)
	f.Fuzz(func(t *testing.T, n int, fill byte) {
		n &= 0x1ffff
		payload := bytes.Repeat([]byte{fill}, n)
		sent := make(chan error, 1)
		go func() {
			_, err := server.Write(append(appendHeader(nil, websocket.BinaryMessage, n), payload...))
			sent <- err
		}()
		kind, got, err := client.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes came as %d of kind %d: %v", n, len(got), kind, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

// pair is a gorilla client and the bare connection behind its server.
func pair(tb testing.TB) (*websocket.Conn, net.Conn) {
	conns := make(chan net.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var up websocket.Upgrader
		if c, err := up.Upgrade(w, r, nil); err == nil {
			conns <- c.NetConn()
		}
	}))
	client, _, err := websocket.DefaultDialer.Dial("ws"+s.URL[len("http"):], nil)
	if err != nil {
		tb.Fatal(err)
	}
	server := <-conns
	tb.Cleanup(func() { client.Close(); server.Close(); s.Close() })
	return client, server
}

func FuzzCloseReason(f *testing.F) {
	f.Add("short", 1000)
	f.Add(string(bytes.Repeat([]byte("ü"), 80)), 4400)
	f.Fuzz(func(t *testing.T, reason string, code int) {
		b := closeFrame(code&0x3fff, reason)
		if len(b) > 2+maxControl || int(b[1]) != len(b)-2 {
			t.Fatalf("a close frame of %d bytes says %d", len(b), b[1])
		}
		if utf8.ValidString(reason) && len(b) > 4 && !utf8.Valid(b[4:]) {
			t.Fatalf("the reason was cut within a rune: %q", b[4:])
		}
	})
}

// The frames that are written by hand are those that the wire package knows.
func TestFramesAreWhatTheWireDecodes(t *testing.T) {
	t.Parallel()
	r := newRing(10, newMetrics(prometheus.NewRegistry()))
	r.reset(`e"<1>`, 0, []wire.FeedEntry{{Seq: 7, Post: encoded(t, "t3_a")}, {Seq: 8, Post: encoded(t, "t3_b")}})
	var c collector
	c.add(r.at(7))
	c.add(r.at(8))
	f := decoded(t, c.postsFrame(1, r.quoted, 5, 9).bytes)
	if f.Type != wire.FramePosts || f.Epoch != `e"<1>` || *f.From != 5 || *f.To != 9 || len(*f.Posts) != 2 {
		t.Errorf("posts frame %+v", f)
	}
	if p := (*f.Posts)[1]; p.ID != "t3_b" || p.Seq == nil || *p.Seq != 8 {
		t.Errorf("post %+v", p)
	}
	f = decoded(t, c.postsFrame(1, r.quoted, 5, 9).bytes)
	if f.Posts == nil || len(*f.Posts) != 0 {
		t.Errorf("an empty frame is %+v", f)
	}
	c.add(r.at(7))
	f = decoded(t, c.snapshotFrame(1, r.quoted, 8).bytes)
	if f.Type != wire.FrameSnapshot || *f.Seq != 8 || len(*f.Posts) != 1 {
		t.Errorf("snapshot frame %+v", f)
	}
	f = decoded(t, heartbeatFrame(math.MaxUint64))
	if f.Type != wire.FrameHeartbeat || *f.Seq != math.MaxUint64 {
		t.Errorf("heartbeat frame %+v", f)
	}
}

func encoded(t *testing.T, id string) []byte {
	t.Helper()
	b, err := wire.EncodePost(&pulse.Post{Observation: pulse.Observation{PostID: id, Subreddit: "x", State: pulse.Live}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decoded strips the header, whose form FuzzFrame holds against gorilla.
func decoded(t *testing.T, b []byte) wire.ServerFrame {
	t.Helper()
	head := 2
	switch b[1] {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	f, err := wire.DecodeServerFrame(b[head:])
	if err != nil {
		t.Fatalf("%v: %s", err, b[head:])
	}
	return f
}
