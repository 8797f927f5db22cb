package feed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestBadClientFramesAreClosedWithTheirCode(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	text := func(s string) func(*websocket.Conn) {
		return func(c *websocket.Conn) { c.WriteMessage(websocket.TextMessage, []byte(s)) }
	}
	raw := func(b ...byte) func(*websocket.Conn) {
		return func(c *websocket.Conn) { c.NetConn().Write(b) }
	}
	for name, tc := range map[string]struct {
		send func(*websocket.Conn)
		want int
	}{
		"not JSON":        {text("hello"), wire.CloseBadFrame},
		"empty":           {text(""), wire.CloseBadFrame},
		"unknown type":    {text(`{"type":"subscribe"}`), wire.CloseBadFrame},
		"unknown field":   {text(`{"type":"filter","subredit":["x"]}`), wire.CloseBadFrame},
		"wrong type":      {text(`{"type":"filter","min_score":"many"}`), wire.CloseBadFrame},
		"two values":      {text(`{"type":"filter"}{"type":"filter"}`), wire.CloseBadFrame},
		"no token":        {text(`{"type":"auth"}`), wire.CloseBadFrame},
		"long reason":     {text(`{"type":"filter","` + strings.Repeat("ü", 200) + `":1}`), wire.CloseBadFrame},
		"deep":            {text(strings.Repeat("[", 4000)), wire.CloseBadFrame},
		"bad token":       {text(`{"type":"auth","token":"x"}`), wire.CloseToken},
		"foreign token":   {text(`{"type":"auth","token":"2-60"}`), wire.CloseForbidden},
		"too big":         {text(strings.Repeat(" ", wire.MaxClientFrame+1)), wire.CloseTooBig},
		"much too big":    {text(strings.Repeat(" ", 1<<20)), wire.CloseTooBig},
		"invalid UTF-8":   {text("\"\xff\xfe\""), websocket.CloseInvalidFramePayloadData},
		"binary":          {func(c *websocket.Conn) { c.WriteMessage(websocket.BinaryMessage, []byte("{}")) }, wire.CloseBadFrame},
		"unmasked":        {raw(0x81, 0x02, '{', '}'), websocket.CloseProtocolError},
		"reserved bit":    {raw(0xc1, 0x80, 0, 0, 0, 0), websocket.CloseProtocolError},
		"bad opcode":      {raw(0x83, 0x80, 0, 0, 0, 0), websocket.CloseProtocolError},
		"fragmented ping": {raw(0x09, 0x80, 0, 0, 0, 0), websocket.CloseProtocolError},
		"lone fragment":   {raw(0x80, 0x80, 0, 0, 0, 0), websocket.CloseProtocolError},
		"long ping":       {raw(0x89, 0xfe, 0, 126, 0, 0, 0, 0), websocket.CloseProtocolError},
		"huge length":     {raw(0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), wire.CloseTooBig},
		"bad close code":  {raw(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed), websocket.CloseProtocolError},
		"messages flood": {func(c *websocket.Conn) {
			for range 100 {
				c.WriteMessage(websocket.TextMessage, []byte(`{"type":"filter"}`))
			}
		}, wire.CloseFlood},
		"pings flood": {func(c *websocket.Conn) {
			for range 1000 {
				c.WriteMessage(websocket.PingMessage, nil)
			}
		}, wire.CloseFlood},
		"pongs flood": {func(c *websocket.Conn) {
			for range 1000 {
				c.WriteMessage(websocket.PongMessage, nil)
			}
		}, wire.CloseFlood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := r.dial("")
			c.t = t
			c.open(wire.Snapshot)
			go tc.send(c.conn)
			if got := c.closed(); got != tc.want {
				t.Errorf("closed with %d, want %d", got, tc.want)
			}
			if _, err := c.conn.NetConn().Read(make([]byte, 1)); err == nil {
				t.Error("bytes after the close frame")
			}
		})
	}
}

func TestFragmentsPingsAndCloseAreAnswered(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(posts(1, 9)...)
	c := r.dial("subreddit=nowhere")
	c.open(wire.Snapshot)
	pongs := make(chan string, 2) // both pings may be answered
	c.conn.SetPongHandler(func(s string) error { pongs <- s; return nil })
	c.conn.WriteMessage(websocket.PingMessage, []byte("are you there"))
	// A filter in three fragments with a ping between them.
	c.conn.NetConn().Write(bytes.Join([][]byte{
		masked(0x01, `{"type":"fil`), masked(0x00, `ter","q":`), masked(0x89, "in between"), masked(0x80, `"title"}`),
	}, nil))
	last := r.stream.add(posts(10, 12)...)
	for c.pos < last {
		if _, err := c.frame(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case got := <-pongs:
		// The older of two pings need not be answered.
		if got != "are you there" && got != "in between" {
			t.Errorf("pong %q", got)
		}
	default:
		t.Error("no pong came")
	}
	c.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye"))
	if code := c.closed(); code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d, want 1000", code)
	}
	// The server ends the connection at once, without waiting for us.
	c.conn.NetConn().SetReadDeadline(time.Now().Add(patience))
	if _, err := c.conn.NetConn().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read after both closes: %v, want EOF", err)
	}
	eventually(t, "the socket is counted out", func() bool {
		return r.metric("pulse_feed_clients") == 0 && r.metric("pulse_feed_closed_total", "code", "1000") == 1
	})
}

// masked is a client's frame with an all-zero mask.
func masked(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

func TestTokensExpireAndAreRenewed(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.id = func() pulse.Identity {
		return pulse.Identity{UserID: 1, Expires: time.Now().Add(1500 * time.Millisecond)}
	}
	kept, lost := r.dial(""), r.dial("")
	for _, c := range []*client{kept, lost} {
		c.open(wire.Snapshot)
		if f := c.must(wire.FrameTokenExpiring); f.At == nil || time.Until(*f.At) > 2*time.Second {
			t.Errorf("token_expiring at %v", f.At)
		}
	}
	kept.send(map[string]string{"type": "auth", "token": "1-3600"})
	if code := lost.closed(); code != wire.CloseToken {
		t.Errorf("closed with %d, want 4401", code)
	}
	last := r.stream.add(post(1))
	for kept.pos < last {
		if _, err := kept.frame(); err != nil {
			t.Fatalf("the renewed socket: %v", err)
		}
	}
}

func TestWhatIsWrongWithTheRequestIsSaidBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Origins = []string{"https://app.example.org"}
	cfg.MaxPerUser = 2
	r := start(t, cfg, newMemory())
	for name, tc := range map[string]struct {
		query  string
		origin string
		status int
		code   pulse.Code
		field  string
	}{
		"unknown parameter": {query: "subredit=x", status: 400, code: pulse.Invalid, field: "subredit"},
		"min_score":         {query: "min_score=1.5", status: 400, code: pulse.Invalid, field: "min_score"},
		"min_velocity":      {query: "min_velocity=NaN", status: 400, code: pulse.Invalid, field: "min_velocity"},
		"trending":          {query: "trending=maybe", status: 400, code: pulse.Invalid, field: "trending"},
		"subreddit":         {query: "subreddit=", status: 400, code: pulse.Invalid, field: "subreddit"},
		"q":                 {query: "q=" + strings.Repeat("x", 201), status: 400, code: pulse.Invalid, field: "q"},
		"q not UTF-8":       {query: "q=%ff", status: 400, code: pulse.Invalid, field: "q"},
		"q twice":           {query: "q=a&q=b", status: 400, code: pulse.Invalid, field: "q"},
		"after alone":       {query: "after=1", status: 400, code: pulse.Invalid, field: "epoch"},
		"epoch alone":       {query: "epoch=e1", status: 400, code: pulse.Invalid, field: "after"},
		"after negative":    {query: "epoch=e1&after=-1", status: 400, code: pulse.Invalid, field: "after"},
		"broken escape":     {query: "q=%zz", status: 400, code: pulse.Invalid, field: "query"},
		"foreign origin":    {origin: "https://evil.example.org", status: 403, code: pulse.Forbidden},
		"null origin":       {origin: "null", status: 403, code: pulse.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if tc.origin != "" {
				h.Set("Origin", tc.origin)
			}
			_, resp, err := websocket.DefaultDialer.Dial(r.url+"/?"+tc.query, h)
			if err == nil || resp == nil {
				t.Fatalf("want a refusal, got %v", err)
			}
			p := problem(t, resp)
			if resp.StatusCode != tc.status || p.Code != tc.code || p.Status != tc.status {
				t.Errorf("got %d %+v", resp.StatusCode, p)
			}
			if tc.field != "" && (len(p.Errors) != 1 || p.Errors[0].Field != tc.field) {
				t.Errorf("errors are %+v, want one of %s", p.Errors, tc.field)
			}
		})
	}
	host := strings.TrimPrefix(r.url, "ws")
	for _, origin := range []string{"http" + host, "https://APP.example.org"} {
		c, err := r.tryDial("", http.Header{"Origin": {origin}})
		if err != nil {
			t.Fatalf("origin %s: %v", origin, err)
		}
		defer c.conn.Close()
	}
	_, resp, err := websocket.DefaultDialer.Dial(r.url, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("a third socket of the user: %v", err)
	}
	if p := problem(t, resp); p.Code != pulse.TooMany {
		t.Errorf("got %+v", p)
	}
}

func TestRequestsThatAreNoHandshake(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	addr := "http" + strings.TrimPrefix(r.url, "ws")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tc := range []struct {
		method string
		header http.Header
		status int
	}{
		{"GET", nil, http.StatusUpgradeRequired},
		{"GET", http.Header{"Upgrade": {"h2c"}, "Connection": {"Upgrade"}}, http.StatusUpgradeRequired},
		{"POST", nil, http.StatusMethodNotAllowed},
		{"GET", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, http.StatusBadRequest},
	} {
		q, _ := http.NewRequest(tc.method, addr, nil)
		q.Header = tc.header.Clone()
		resp, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		p := problem(t, resp)
		if resp.StatusCode != tc.status || p.Code != pulse.Invalid || p.Detail == "" {
			t.Errorf("%s %v: %d %+v, want %d", tc.method, tc.header, resp.StatusCode, p, tc.status)
		}
	}
}

func TestSocketsAreLimited(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.MaxSockets = 3
	r := start(t, cfg, newMemory())
	var open []*client
	for range 3 {
		open = append(open, r.dial(""))
	}
	if _, err := r.tryDial("", nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("a fourth socket: %v, want 503", err)
	}
	open[0].conn.Close()
	eventually(t, "the place is free again", func() bool {
		c, err := r.tryDial("", nil)
		if err == nil {
			c.conn.Close()
		}
		return err == nil
	})
}

// Before the stream was read once nobody is let in.
func TestAFeedThatIsNotReadyRefuses(t *testing.T) {
	t.Parallel()
	stream := newMemory()
	stream.err = errors.New("away")
	r := start(t, quick(), stream)
	if _, err := r.tryDial("", nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("got %v, want 503", err)
	}
	if r.feed.Healthy() == nil {
		t.Error("healthy without a stream")
	}
	stream.change(func() { stream.err = nil })
	eventually(t, "it opens", func() bool {
		c, err := r.tryDial("", nil)
		if err == nil {
			c.conn.Close()
		}
		return err == nil
	})
}

func TestTheBearerSubprotocolIsEchoedWithoutTheToken(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	c, err := r.tryDial("", http.Header{"Sec-WebSocket-Protocol": {"bearer, secret.token"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.conn.Subprotocol(); got != "bearer" {
		t.Errorf("subprotocol %q", got)
	}
}

// Middleware may hide the Hijacker behind Unwrap.
func TestTheUpgradeWorksBehindMiddleware(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.feed.ServeWS(wrapped{w}, q, r.id())
	})}
	done := make(chan struct{})
	go func() { s.Serve(l); close(done) }()
	defer func() { s.Close(); <-done }()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

type wrapped struct{ inner http.ResponseWriter }

func (w wrapped) Header() http.Header         { return w.inner.Header() }
func (w wrapped) Write(b []byte) (int, error) { return w.inner.Write(b) }
func (w wrapped) WriteHeader(status int)      { w.inner.WriteHeader(status) }
func (w wrapped) Unwrap() http.ResponseWriter { return w.inner }

func problem(t *testing.T, resp *http.Response) wire.Problem {
	t.Helper()
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	body, _ := io.ReadAll(resp.Body)
	var p wire.Problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("body %q: %v", body, err)
	}
	return p
}
