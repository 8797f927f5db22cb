package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// problem is the body of every error. It is also the error itself, once it is
// decided what the client will see.
type problem struct {
	wire.Problem
	Current *wire.Subreddit `json:"current,omitempty" doc:"on a conflict, the row as it stands"`

	header http.Header
}

// Error is the text that the client sees.
func (p *problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders are the headers that go with the status.
func (p *problem) GetHeaders() http.Header { return p.header }

// ContentType is that of RFC 9457.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// fail makes a problem whose status no Code stands for.
func fail(status int, code pulse.Code, detail string, fields ...wire.ProblemField) *problem {
	return &problem{
		Problem: wire.Problem{
			Type:  "urn:reddit-pulse:problem:" + strings.ReplaceAll(string(code), "_", "-"),
			Title: http.StatusText(status), Status: status,
			Detail: detail, Code: code, Errors: fields,
		},
		header: http.Header{},
	}
}

// statusOf is the one place where a Code becomes a status.
func statusOf(code pulse.Code) int {
	switch code {
	case pulse.Invalid:
		return http.StatusBadRequest
	case pulse.Unauthenticated:
		return http.StatusUnauthorized
	case pulse.Forbidden:
		return http.StatusForbidden
	case pulse.NotFound:
		return http.StatusNotFound
	case pulse.Conflict:
		return http.StatusConflict
	case pulse.TooMany:
		return http.StatusTooManyRequests
	case pulse.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

const internalDetail = "something went wrong in the server; its log has more under this request_id"

// problemOf turns any error into what the client sees of it. What a client must
// not see is logged here, once.
func (s *server) problemOf(ctx context.Context, err error) *problem {
	p := s.translate(ctx, err)
	p.RequestID = requestID(ctx)
	switch p.Status {
	case http.StatusUnauthorized:
		p.header.Set("WWW-Authenticate", cmp.Or(p.header.Get("WWW-Authenticate"), "Bearer"))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		p.header.Set("Retry-After", cmp.Or(p.header.Get("Retry-After"), "1"))
	}
	return p
}

func (s *server) translate(ctx context.Context, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var e *pulse.Error
	switch {
	case errors.As(err, &e) && e.Code != pulse.Internal:
		if e.Code == pulse.Unavailable {
			s.logFault(ctx, slog.LevelWarn, err)
		}
		var fields []wire.ProblemField
		if e.Field != "" {
			fields = []wire.ProblemField{{Field: e.Field, Message: e.Message}}
			return fail(statusOf(e.Code), e.Code, e.Field+": "+e.Message, fields...)
		}
		return fail(statusOf(e.Code), e.Code, e.Message)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil: // the client has gone
		return fail(http.StatusServiceUnavailable, pulse.Unavailable, "the request was given up")
	case errors.Is(err, context.DeadlineExceeded):
		s.logFault(ctx, slog.LevelWarn, err)
		return fail(http.StatusServiceUnavailable, pulse.Unavailable, "a part of the system took too long")
	}
	s.logFault(ctx, slog.LevelError, err)
	return fail(http.StatusInternalServerError, pulse.Internal, internalDetail)
}

func (s *server) logFault(ctx context.Context, level slog.Level, err error) {
	s.Log.Log(ctx, level, "request not served", "request_id", requestID(ctx), "err", err)
}

// writeProblem answers a request that no huma handler sees.
func (s *server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problemOf(r.Context(), err)
	body, err := json.Marshal(p)
	if err != nil { // strings and numbers alone: cannot happen
		s.logFault(r.Context(), slog.LevelError, err)
	}
	header := w.Header()
	for name, values := range p.header {
		header[name] = values
	}
	header.Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// adoptErrors gives the errors that huma itself makes our shape. The hook is a
// variable of huma, so it is set once for the process, before any handler runs.
var adoptErrors = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return fromHuma(status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := fromHuma(status, msg, errs)
		p.RequestID = requestID(ctx.Context())
		return p
	}
})

// fromHuma keeps of a validation error where and what, and drops the value.
func fromHuma(status int, msg string, errs []error) *problem {
	if status >= http.StatusInternalServerError {
		return fail(http.StatusInternalServerError, pulse.Internal, internalDetail)
	}
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	var fields []wire.ProblemField
	for _, err := range errs {
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			fields = append(fields, problemField(d))
		}
	}
	detail := msg
	if len(fields) > 0 {
		detail = fields[0].Field + ": " + fields[0].Message
	}
	return fail(status, pulse.Invalid, detail, fields...)
}

// problemField names the field itself, also where huma names what it is
// missing from.
func problemField(d *huma.ErrorDetail) wire.ProblemField {
	field := fieldName(d.Location)
	if name, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		if name, ok = strings.CutSuffix(name, " to be present"); ok {
			if field != "body" {
				name = field + "." + name
			}
			return wire.ProblemField{Field: name, Message: "missing"}
		}
	}
	return wire.ProblemField{Field: field, Message: d.Message}
}

// fieldName makes "body.interval_seconds" the name that the user wrote.
func fieldName(location string) string {
	for _, part := range []string{"body.", "query.", "path.", "header."} {
		if name, ok := strings.CutPrefix(location, part); ok {
			return clip(name)
		}
	}
	return clip(location)
}

// clip shortens hostile input for an error message and keeps it valid UTF-8.
func clip(s string) string {
	const most = 60 // bytes
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// textFault says why a text cannot be stored or compared, "" if it can.
func textFault(s string) string {
	switch {
	case strings.IndexByte(s, 0) >= 0:
		return "has a NUL character"
	case !utf8.ValidString(s):
		return "not valid UTF-8"
	}
	return ""
}
