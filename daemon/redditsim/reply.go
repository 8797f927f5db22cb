package redditsim

import (
	"compress/gzip"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// reply is one answer on its way out.
type reply struct {
	status int
	header http.Header
	body   []byte
	manner manner
	takes  time.Duration // of slowly and hanging, in real time
}

// manner is how a reply goes out.
type manner int

const (
	whole   manner = iota
	slowly         // the body comes in small pieces
	hanging        // nothing comes, then the connection breaks
	cutOff         // the connection breaks in the middle of the body
	broken         // the connection breaks before anything comes
)

// pieces is in how many a slow body comes.
const pieces = 50

// send writes the reply to a connection, in its manner. The body is compressed
// for those who can read that, as Reddit does.
func (a reply) send(w http.ResponseWriter, r *http.Request) {
	switch a.manner {
	case hanging:
		extend(w, a.takes)
		pause(r.Context(), a.takes)
		reset(w)
	case broken:
		reset(w)
	}
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // else a guess would be sent
	}
	if a.packed(r) {
		a.sendPacked(w, r)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.manner == slowly {
		extend(w, a.takes)
	}
	w.WriteHeader(a.status)
	switch {
	case r.Method == http.MethodHead:
	case a.manner == slowly:
		a.trickle(w, r)
	case a.manner == cutOff:
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write(a.body)
	}
}

// packed tells whether the body goes out compressed.
func (a reply) packed(r *http.Request) bool {
	const worth = 1 << 10
	return a.manner == whole && len(a.body) >= worth && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// packers are writers to be used again: each holds most of a megabyte.
var packers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is good
	return z
}}

func (a reply) sendPacked(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Encoding", "gzip")
	h.Set("Vary", "Accept-Encoding")
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(w)
	_, _ = z.Write(a.body)
	_ = z.Close()
}

// trickle writes the body bit by bit.
func (a reply) trickle(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	for rest, size := a.body, pieceOf(a.body); len(rest) > 0; {
		n := min(size, len(rest))
		if _, err := w.Write(rest[:n]); err != nil || c.Flush() != nil {
			return
		}
		rest = rest[n:]
		if !pause(r.Context(), a.takes/pieces) {
			panic(http.ErrAbortHandler)
		}
	}
}

func pieceOf(body []byte) int { return len(body)/pieces + 1 }

// extend gives the reply more time than the server allows in general. The end
// of reading counts as well: it would end the request's context.
func extend(w http.ResponseWriter, d time.Duration) {
	c, end := http.NewResponseController(w), time.Now().Add(d+time.Minute)
	_ = c.SetWriteDeadline(end)
	_ = c.SetReadDeadline(end)
}

// reset breaks the connection. It does not return.
func reset(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // the other side is told of a reset, not of an end
		}
		c.Close()
	}
	panic(http.ErrAbortHandler)
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
