package feed_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// bulky posts fill connections fast.
func bulky(n int) pulse.Post {
	return post(n, func(p *pulse.Post) { p.URL = "https://example.org/" + strings.Repeat("x", 8<<10) })
}

// narrow dials with a small receive buffer, so that a client that does not read
// is noticed early.
func (r *rig) narrow(query string) *client {
	r.t.Helper()
	d := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		if err == nil {
			c.(*net.TCPConn).SetReadBuffer(32 << 10)
		}
		return c, err
	}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, _, err := d.Dial(r.url+"/?"+query, http.Header{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return &client{t: r.t, conn: conn}
}

func (r *rig) dialTLS(query string) *client {
	r.t.Helper()
	c, err := r.tryDialTLS(query)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) tryDialTLS(query string) (*client, error) {
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: patience}
	conn, _, err := d.Dial(r.url+"/?"+query, nil)
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { conn.Close() })
	return &client{t: r.t, conn: conn}, nil
}

func TestAStalledClientIsClosedAndNobodyElseNotices(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "tls"}[secure]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quick()
			cfg.WriteTimeout = time.Second
			r := startTLS(t, cfg, newMemory(), secure)
			r.fill(post(1))
			stalled := r.narrow("") // never reads
			others := []*client{r.dialTLS(""), r.dialTLS("min_score=0")}
			for _, c := range others {
				c.open(wire.Snapshot)
			}
			n := 1
			slowest := time.Duration(0)
			eventually(t, "the stalled client is closed", func() bool {
				began := time.Now()
				var last uint64
				for range 30 {
					n++
					last = r.stream.add(bulky(n))
				}
				for _, c := range others {
					c.until(last)
				}
				slowest = max(slowest, time.Since(began))
				return r.metric("pulse_feed_closed_total", "code", "4408") == 1
			})
			if slowest > cfg.WriteTimeout {
				t.Errorf("others waited %s for a round", slowest)
			}
			if got := r.metric("pulse_feed_clients"); got != 2 {
				t.Errorf("%v sockets are left, want 2", got)
			}
			stalled.conn.Close()
		})
	}
}

// A client that falls behind and comes back gets the newest reading of each
// post, contiguously numbered.
func TestASlowClientIsConflated(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.WriteTimeout = time.Minute
	cfg.LogLength = 4000
	r := start(t, cfg, newMemory())
	r.fill(post(1))
	slow := r.narrow("")
	slow.open(wire.Snapshot)
	fast := r.dial("")
	fast.open(wire.Snapshot)
	var last uint64
	for round := range 300 { // 5 posts, again and again
		for n := range 5 {
			last = r.stream.add(bulkyAt(n, round))
		}
		fast.until(last)
	}
	if n := r.metric("pulse_feed_dropped_frames_total"); n == 0 {
		t.Error("no frame was dropped from the log")
	}
	newest := map[string]time.Time{}
	seen := 0
	for _, p := range slow.until(last) {
		seen++
		if !p.ObservedAt.After(newest[p.ID]) {
			t.Errorf("%s of %s after %s", p.ID, p.ObservedAt, newest[p.ID])
		}
		newest[p.ID] = p.ObservedAt
	}
	if seen >= 1500 || r.metric("pulse_feed_conflated_total") == 0 {
		t.Errorf("%d readings of 1500 came, nothing was conflated", seen)
	}
	for n := range 5 {
		if p := bulkyAt(n, 299); !newest[p.PostID].Equal(p.ObservedAt) {
			t.Errorf("the newest reading of %s is missing", p.PostID)
		}
	}
}

func bulkyAt(n, round int) pulse.Post {
	p := bulky(1000 + n)
	p.ObservedAt = p.ObservedAt.Add(time.Duration(round) * time.Second)
	return p
}

func TestAClientThatFallsOutOfTheRingIsClosedAndResumesBySnapshot(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.WriteTimeout = time.Minute
	cfg.LogLength = 100
	r := start(t, cfg, newMemory())
	r.fill(post(1))
	slow := r.narrow("")
	slow.open(wire.Snapshot)
	fast := r.dial("")
	fast.open(wire.Snapshot)
	var last uint64
	for n := 2; n < 1000; n++ {
		last = r.stream.add(bulky(n))
		if n%20 == 0 {
			fast.until(last)
		}
	}
	// The goodbye reaches only a client that reads again in time.
	if code := slow.closed(); code != wire.CloseSlow && code != websocket.CloseAbnormalClosure {
		t.Fatalf("closed with %d, want 4408", code)
	}
	eventually(t, "it is counted as slow", func() bool {
		return r.metric("pulse_feed_closed_total", "code", "4408") == 1
	})
	if slow.pos >= last {
		t.Fatalf("the slow client got everything, up to %d", slow.pos)
	}
	again := r.dial(slow.resume())
	again.open(wire.Snapshot)
}
