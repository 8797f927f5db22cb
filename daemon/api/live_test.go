package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

// upgrade sends a socket's handshake with more headers.
func (g *rig) upgrade(path string, headers ...string) *http.Response {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.http.Listener.Addr().String())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", path)
	for _, h := range headers {
		fmt.Fprintf(conn, "%s\r\n", h)
	}
	fmt.Fprint(conn, "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp
}

func TestSocketIsHandedOverWithItsUser(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	token := g.token(pulse.Viewer)
	for name, header := range map[string]string{
		"header":      "Authorization: Bearer " + token,
		"subprotocol": "Sec-WebSocket-Protocol: bearer, " + token,
	} {
		resp := g.upgrade("/ws/posts?subreddit=a&subreddit=b&after=5", header)
		if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("X-User") != "viewer" ||
			resp.Header.Get("X-Query") != "after=5&subreddit=a&subreddit=b" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
	}
	resp := g.upgrade("/ws/posts/", "Sec-WebSocket-Protocol: other, bearer", "Sec-WebSocket-Protocol: "+token+", more")
	if g.feed.mu.Lock(); resp.StatusCode != 101 || g.feed.protocols != "other, bearer, more" {
		t.Errorf("the feed sees the protocols %q (%d), want the token gone", g.feed.protocols, resp.StatusCode)
	}
	g.feed.mu.Unlock()
	for name, header := range map[string]string{
		"nothing": "X-Nothing: 1", "bad token": "Authorization: Bearer x", "bad pair": "Sec-WebSocket-Protocol: bearer, x",
		"half a pair": "Sec-WebSocket-Protocol: bearer", "no pair": "Sec-WebSocket-Protocol: " + token,
	} {
		if resp := g.upgrade("/ws/posts/", header); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, resp.StatusCode)
		}
	}
	if resp := g.upgrade("/ws/posts/?filter=x", "Authorization: Bearer "+token); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("unknown parameter: %d, want 400", resp.StatusCode)
	}
	got := g.do("GET", "/ws/posts/", "", "Authorization: Bearer "+token)
	wantProblem(t, got, http.StatusUpgradeRequired, pulse.Invalid, "", "WebSocket")
	if got.header.Get("Upgrade") != "websocket" {
		t.Errorf("Upgrade = %q", got.header.Get("Upgrade"))
	}
	got = g.do("GET", "/api/posts/", "", "Sec-WebSocket-Protocol: bearer, "+token)
	wantProblem(t, got, http.StatusUnauthorized, pulse.Unauthenticated, "", "")
}

func TestHealthTellsThePartsApart(t *testing.T) {
	t.Parallel()
	var primary, redis atomic.Bool
	var asked atomic.Int64
	check := func(away *atomic.Bool) func(context.Context) error {
		return func(context.Context) error {
			asked.Add(1)
			if away.Load() {
				return errors.New("dial 10.0.0.5: refused")
			}
			return nil
		}
	}
	g := newRig(t, func(d *Deps) {
		d.Health = map[string]func(context.Context) error{"primary": check(&primary), "redis": check(&redis)}
	})
	for _, test := range []struct {
		primary, redis bool
		status         int
		body           string
	}{
		{false, false, 200, `{"status":"ok","parts":{"primary":"ok","redis":"ok"}}`},
		{false, true, 200, `{"status":"degraded","parts":{"primary":"ok","redis":"degraded"}}`},
		{true, false, 503, `{"status":"degraded","parts":{"primary":"degraded","redis":"ok"}}`},
	} {
		primary.Store(test.primary)
		redis.Store(test.redis)
		g.clock.advance(healthFresh)
		for range 5 {
			got := g.do("GET", "/api/health/", "")
			if got.status != test.status || got.body != test.body+"\n" || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("health = %d %s, want %d %s", got.status, got.body, test.status, test.body)
			}
		}
	}
	if n := asked.Load(); n != 6 {
		t.Errorf("the parts were asked %d times in three seconds, want 6", n)
	}
}

func TestHealthTellsThatIngestionIsSilent(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(d *Deps) {
		d.Health["ingest"] = Heard(d.Polling, d.Now)
	})
	want := func(ingest, status string) {
		t.Helper()
		got := g.do("GET", "/api/health/", "")
		if body := `{"status":"` + status + `","parts":{"ingest":"` + ingest + `","primary":"ok","redis":"ok"}}` + "\n"; got.status != 200 || got.body != body {
			t.Errorf("health = %d %s, want %s", got.status, got.body, body)
		}
	}
	want("ok", "ok") // it may not have begun yet
	g.clock.advance(silence + time.Second)
	want("degraded", "degraded")
	g.polling.say(pulse.Budget{At: g.clock.Now()})
	g.clock.advance(silence)
	want("ok", "ok")
	g.clock.advance(healthFresh)
	want("degraded", "degraded")
}

func TestHealthDoesNotWaitForAHungPart(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var started atomic.Int64
	g := newRig(t, func(d *Deps) {
		d.Health["redis"] = func(context.Context) error { // deaf to its context
			started.Add(1)
			<-release
			return nil
		}
	})
	for range 2 {
		got := g.do("GET", "/api/health/", "")
		if got.status != http.StatusOK || got.body != `{"status":"degraded","parts":{"primary":"ok","redis":"degraded"}}`+"\n" {
			t.Errorf("health = %d %s", got.status, got.body)
		}
		g.clock.advance(healthFresh)
	}
	if started.Load() != 1 {
		t.Errorf("a hung check was started %d times, want once", started.Load())
	}
	close(release)
}
