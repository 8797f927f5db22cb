package redditsim

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// RoundTripper answers requests of an http.Client without any network, so that
// it works inside a testing/synctest bubble: it starts no goroutine, and waits
// only for timers and for the context of a request. Like the usual transport it
// gives plain bodies to those who do not ask for compressed ones themselves.
func (s *Server) RoundTripper() http.RoundTripper { return inProcess{s} }

type inProcess struct{ s *Server }

// RoundTrip answers as the server would over a connection of its own.
func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// The server reads forms into the request, which is the caller's.
	a := p.s.answer(req.Clone(ctx))
	switch a.manner {
	case hanging:
		if !pause(ctx, a.takes) {
			return nil, ctx.Err()
		}
		return nil, errReset
	case broken:
		return nil, errReset
	}
	return a.response(req)
}

// errReset is what a transport says of a connection that the server broke.
var errReset error = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

func (a reply) response(req *http.Request) (*http.Response, error) {
	if a.packed(req) {
		var packed bytes.Buffer
		z := packers.Get().(*gzip.Writer)
		defer packers.Put(z)
		z.Reset(&packed)
		_, err := z.Write(a.body)
		if err := errors.Join(err, z.Close()); err != nil {
			return nil, err
		}
		a.body = packed.Bytes()
		a.header.Set("Content-Encoding", "gzip")
		a.header.Set("Vary", "Accept-Encoding")
	}
	a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	resp := &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, ContentLength: int64(len(a.body)), Request: req, Body: http.NoBody,
	}
	if req.Method != http.MethodHead {
		resp.Body = a.reader(req.Context())
	}
	return resp, nil
}

func (a reply) reader(ctx context.Context) *bodyReader {
	b := &bodyReader{ctx: ctx, rest: a.body, most: len(a.body), end: io.EOF}
	switch a.manner {
	case slowly:
		b.most, b.wait = pieceOf(a.body), a.takes/pieces
	case cutOff:
		b.rest, b.end = a.body[:len(a.body)/2], io.ErrUnexpectedEOF
	}
	return b
}

// bodyReader gives a body as a connection would: not after the request's end,
// and slowly where that is wanted.
type bodyReader struct {
	ctx  context.Context
	rest []byte
	most int           // bytes that one reading gives
	wait time.Duration // before each reading
	end  error
}

func (b *bodyReader) Read(to []byte) (int, error) {
	if b.wait > 0 && len(b.rest) > 0 && !pause(b.ctx, b.wait) || b.ctx.Err() != nil {
		return 0, b.ctx.Err()
	}
	if len(b.rest) == 0 {
		return 0, b.end
	}
	n := copy(to[:min(len(to), b.most)], b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *bodyReader) Close() error {
	b.rest, b.end = nil, http.ErrBodyReadAfterClose
	return nil
}
