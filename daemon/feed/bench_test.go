package feed_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/daemon/feed"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

const benchSockets = 1000

// BenchmarkFanOut saturates 1,000 sockets with posts of about 0.5 KB: b.N posts,
// each to every socket. "deliveries/s" counts posts received by clients. The
// plain hub is a goroutine, a channel and a prepared message a socket; "ratio"
// is ours over it, from the same run.
func BenchmarkFanOut(b *testing.B) {
	plain := 0.0
	b.Run("plain", func(b *testing.B) { plain = fanPlain(b) })
	b.Run("feed", func(b *testing.B) {
		rate := fanFeed(b)
		if plain > 0 {
			b.ReportMetric(rate/plain, "ratio")
		}
	})
}

func fanFeed(b *testing.B) float64 {
	c := config.Default().Feed
	c.LogLength = b.N + 1000
	c.WriteTimeout = time.Minute
	c.MaxPerUser = benchSockets
	stream := newMemory()
	stream.add(post(1))
	r := start(b, c, stream)
	var received atomic.Int64
	var readers sync.WaitGroup
	for range benchSockets {
		conn := dialBench(b, r.url)
		readers.Go(func() { countPosts(conn, &received) })
	}
	eventually(b, "the snapshots are there", func() bool { return received.Load() == benchSockets })
	all := posts(2, b.N+1)
	b.ResetTimer()
	began := time.Now()
	for i := 0; i < b.N; i += 50 {
		stream.add(all[i:min(b.N, i+50)]...)
	}
	waitFor(b, &received, int64(benchSockets)*int64(b.N+1))
	rate := float64(benchSockets) * float64(b.N) / time.Since(began).Seconds()
	b.StopTimer()
	b.ReportMetric(rate, "deliveries/s")
	r.stop()
	readers.Wait()
	return rate
}

// fanPlain is the hub that most servers have; one frame a post.
func fanPlain(b *testing.B) float64 {
	var mu sync.Mutex
	var channels []chan *websocket.PreparedMessage
	var writers sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		up := websocket.Upgrader{WriteBufferPool: new(sync.Pool), ReadBufferSize: 1024}
		conn, err := up.Upgrade(w, q, nil)
		if err != nil {
			return
		}
		ch := make(chan *websocket.PreparedMessage, 256)
		mu.Lock()
		channels = append(channels, ch)
		mu.Unlock()
		writers.Go(func() {
			defer conn.Close()
			for m := range ch {
				if conn.WritePreparedMessage(m) != nil {
					return
				}
			}
		})
	}))
	defer s.Close()
	var received atomic.Int64
	var readers sync.WaitGroup
	for range benchSockets {
		conn := dialBench(b, "ws"+strings.TrimPrefix(s.URL, "http"))
		readers.Go(func() { countPosts(conn, &received) })
	}
	eventually(b, "all are connected", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(channels) == benchSockets
	})
	body := []byte(`{"type":"posts","posts":[{"id":"t3_1","x":"` + strings.Repeat("y", 450) + `"}]}`)
	b.ResetTimer()
	began := time.Now()
	for range b.N {
		m, err := websocket.NewPreparedMessage(websocket.TextMessage, body)
		if err != nil {
			b.Fatal(err)
		}
		for _, ch := range channels {
			ch <- m
		}
	}
	waitFor(b, &received, int64(benchSockets)*int64(b.N))
	rate := float64(benchSockets) * float64(b.N) / time.Since(began).Seconds()
	b.StopTimer()
	b.ReportMetric(rate, "deliveries/s")
	for _, ch := range channels {
		close(ch)
	}
	writers.Wait()
	readers.Wait()
	return rate
}

func waitFor(b *testing.B, n *atomic.Int64, want int64) {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(2 * time.Minute)
	for n.Load() < want {
		<-tick.C
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d deliveries", n.Load(), want)
		}
	}
}

// dialBench asks for a socket; the answer is left to countPosts, since frames
// may follow it at once.
func dialBench(b *testing.B, url string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(conn, handshake, "/")
	return conn
}

const handshake = "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// countPosts counts posts in what arrives by their ids, as cheaply as can be:
// the load shares the machine with the server. It answers no pings; a benchmark
// must be shorter than that.
func countPosts(conn net.Conn, n *atomic.Int64) {
	defer conn.Close()
	const mark = `"id":"t3_`
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		m, err := conn.Read(buf[kept:])
		if err != nil {
			return
		}
		got := string(buf[:kept+m])
		if found := strings.Count(got, mark); found > 0 {
			n.Add(int64(found))
			got = got[strings.LastIndex(got, mark)+len(mark):]
		}
		kept = copy(buf, got[max(0, len(got)-len(mark)+1):])
	}
}

// BenchmarkIdleSocket prints what one idle socket with a filter costs the
// process in memory and heartbeats in CPU. Both ends share the process, so the
// client is a bare connection of known cost, reported apart.
func BenchmarkIdleSocket(b *testing.B) {
	const sockets = 4000
	for b.Loop() {
		c := config.Default().Feed
		c.MaxPerUser = sockets
		f := feed.New(c, newMemory(), verifier{}, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		if err := f.Ready(ctx); err != nil {
			b.Fatal(err)
		}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.ServeWS(w, r, pulse.Identity{UserID: 1, Expires: time.Now().Add(time.Hour)})
		}))
		before := resident(b)
		conns := make([]net.Conn, sockets)
		for i := range conns {
			conns[i] = dialBare(b, s.Listener.Addr().String(), fmt.Sprintf("/?min_score=%d", i%100))
		}
		after := resident(b)
		b.ReportMetric(float64(after-before)/sockets, "B/socket")
		for _, conn := range conns {
			conn.Close()
		}
		cancel()
		<-done
		s.Close()
	}
}

// dialBare does the handshake by hand, without buffers that stay.
func dialBare(b *testing.B, addr, path string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(conn, handshake, path)
	var answer [512]byte
	if n, err := conn.Read(answer[:]); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 101") {
		b.Fatalf("handshake: %v %q", err, answer[:n])
	}
	return conn
}

// resident is the resident memory of the process after a collection, in bytes.
func resident(b *testing.B) int64 {
	b.Helper()
	runtime.GC()
	runtime.GC()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("resident memory is read from /proc")
	}
	var size, pages int64
	fmt.Sscan(string(raw), &size, &pages)
	return pages * int64(os.Getpagesize())
}
