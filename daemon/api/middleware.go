package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"

	"dev.redditpulse/shared/pulse"
)

type contextKey int

const (
	requestIDKey contextKey = iota
	identityKey
)

// requestID is the id of the request that ctx belongs to.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// identity is who the request was admitted for; the zero value on open routes.
func identity(ctx context.Context) pulse.Identity {
	id, _ := ctx.Value(identityKey).(pulse.Identity)
	return id
}

var goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ServeHTTP is what every request goes through: it gets an id, is counted, and
// a panic ends it and nothing else.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.Now()
	id := r.Header.Get("X-Request-Id")
	if !goodRequestID.MatchString(id) {
		id = newRequestID()
	}
	rec := &recorder{ResponseWriter: w, route: "unmatched"}
	rec.Header().Set("X-Request-Id", id)
	r = r.WithContext(context.WithValue(r.Context(), requestIDKey, id))
	defer func() {
		took := s.Now().Sub(began)
		s.metrics.observe(rec.route, r.Method, rec.status, took)
		s.Log.Debug("request", "request_id", id, "method", r.Method, "route", rec.route,
			"status", rec.status, "took", took)
	}()
	defer s.recover(rec, r)
	canon, ok := canonical(r)
	if !ok {
		s.notFound(rec, r)
		return
	}
	s.router.ServeHTTP(rec, canon)
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
}

func (s *server) recover(rec *recorder, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	s.Log.Error("handler panicked", "request_id", requestID(r.Context()), "route", rec.route,
		"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if rec.status != 0 {
		// Half an answer is out: cut the connection rather than let it pass
		// for a whole one.
		panic(http.ErrAbortHandler)
	}
	s.writeProblem(rec, r, fail(http.StatusInternalServerError, pulse.Internal, internalDetail))
}

func newRequestID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return hex.EncodeToString(b[:])
}

// recorder notes the status on its way out. It stays a Hijacker, which the
// socket needs to see on the writer itself.
type recorder struct {
	http.ResponseWriter
	route  string // the path of the route table, for the metrics
	status int    // 0 until the header is written
}

// label notes which route a request belongs to.
func label(w http.ResponseWriter, route string) {
	if rec, ok := w.(*recorder); ok {
		rec.route = route
	}
}

// WriteHeader notes the first final status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implies 200 like any writer.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Hijack hands over the connection, where the server can.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := r.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, http.ErrNotSupported
	}
	conn, rw, err := h.Hijack()
	if err == nil && r.status == 0 {
		r.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Flush sends what is buffered, where the server can.
func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is how http.ResponseController finds the server's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
