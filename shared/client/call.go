package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Bounds of what a server may answer, in bytes.
const (
	maxBody    = 32 << 20 // a page of 200 posts with the longest URLs
	maxProblem = 64 << 10
)

// Refusal is the cause of every error that a server answered.
type Refusal struct {
	Status     int           // of HTTP
	RequestID  string        // what to look for in the server's log, "" if unknown
	RetryAfter time.Duration // 0: the server did not say
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("status %d", r.Status)
	if r.RequestID != "" {
		text += ", request " + r.RequestID
	}
	return text
}

// request is one REST call.
type request struct {
	method string
	path   string // from /api on, escaped
	query  url.Values
	header http.Header
	body   any  // nil: none
	out    any  // nil: the body of the answer is not wanted
	open   bool // without a token
	also   int  // a status that is an answer too; 0: none
}

// call does one request within the client's deadline. A refused access token
// is renewed once.
func (c *Client) call(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("encode %s %s: %w", r.method, r.path, err)
		}
	}
	if r.open {
		return c.once(ctx, r, body, "")
	}
	token, err := c.access(ctx, "")
	if err != nil {
		return err
	}
	err = c.once(ctx, r, body, token)
	if pulse.CodeOf(err) != pulse.Unauthenticated {
		return err
	}
	if !c.renewable() {
		return err // an access token alone: the server's own words
	}
	fresh, err := c.access(ctx, token)
	if err != nil {
		return err
	}
	return c.once(ctx, r, body, fresh)
}

func (c *Client) renewable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens.Refresh != ""
}

func (c *Client) once(ctx context.Context, r request, body []byte, token string) error {
	target := c.base.String() + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return pulse.InvalidField("path", "%s cannot be asked for", r.path)
	}
	for key, values := range r.header {
		req.Header[key] = values
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", c.agent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.noAnswer(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode != r.also {
		return problem(resp)
	}
	if r.out == nil {
		return nil
	}
	return c.decode(resp, r.out)
}

func (c *Client) decode(resp *http.Response, out any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return c.noAnswer(err)
	}
	if len(body) > maxBody {
		return pulse.Errorf(pulse.Unavailable, "the answer of %s is larger than %d MiB", c.base.Host, maxBody>>20)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &pulse.Error{
			Code:    pulse.Unavailable,
			Message: "the answer of " + c.base.Host + " cannot be read: is it Reddit Pulse, and of this version?",
			Err:     err,
		}
	}
	return nil
}

// problem reads an error answer: problem+json where it is that, else the
// status says what kind of trouble it is.
func problem(resp *http.Response) error {
	refusal := &Refusal{
		Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After")),
	}
	out := &pulse.Error{Code: codeOf(resp.StatusCode), Err: refusal}
	// A body that breaks off is judged by what has come.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var in wire.Problem
	if json.Unmarshal(body, &in) == nil {
		out.Message = in.Detail
		if known(in.Code) {
			out.Code = in.Code
		}
		if len(in.Errors) > 0 {
			out.Field = in.Errors[0].Field
			if m := in.Errors[0].Message; m != "" {
				out.Message = m
			}
		}
		if out.Message == "" {
			out.Message = in.Title
		}
		if in.RequestID != "" {
			refusal.RequestID = in.RequestID
		}
	}
	if resp.StatusCode < 400 {
		out.Message = "status " + strconv.Itoa(resp.StatusCode) + " where none was expected: is it Reddit Pulse?"
	}
	if out.Message == "" {
		out.Message = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	if out.Message == "" {
		out.Message = "status " + strconv.Itoa(resp.StatusCode)
	}
	return out
}

func known(code pulse.Code) bool {
	switch code {
	case pulse.Invalid, pulse.Unauthenticated, pulse.Forbidden, pulse.NotFound,
		pulse.Conflict, pulse.TooMany, pulse.Unavailable, pulse.Internal:
		return true
	}
	return false
}

func codeOf(status int) pulse.Code {
	switch status {
	case http.StatusUnauthorized:
		return pulse.Unauthenticated
	case http.StatusForbidden:
		return pulse.Forbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return pulse.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return pulse.Conflict
	case http.StatusTooManyRequests:
		return pulse.TooMany
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return pulse.Unavailable
	}
	switch {
	case status < 400: // a redirect: not our API
		return pulse.Unavailable
	case status < 500:
		return pulse.Invalid
	}
	return pulse.Internal
}

// retryAfter reads the seconds of a Retry-After header, bounded to an hour.
func retryAfter(value string) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}

// noAnswer turns trouble on the network into an Unavailable error in words.
func (c *Client) noAnswer(err error) error {
	return &pulse.Error{
		Code: pulse.Unavailable, Message: "no answer from " + c.base.String() + ": " + reason(err), Err: err,
	}
}

// reason says in a few words why a connection failed.
func reason(err error) string {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "it took too long"
	case errors.As(err, &dns):
		return "there is no host " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &netErr) && netErr.Timeout():
		return "it took too long"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err.Error()
	}
	return err.Error()
}
