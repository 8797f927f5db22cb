package reddit

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// kind is what a request is for: the label of the metrics, and the source of
// the observations that come of it.
type kind string

const (
	kindToken kind = "token"
	kindNew   kind = "new"
	kindInfo  kind = "info"
)

// exchange sends req, whose turn it is, and reads the answer. Any HTTP status is
// an answer; an error means that there is none: ctx has ended, or *OutageError.
func (c *Client) exchange(ctx context.Context, t *turn, k kind, req *http.Request) (*answer, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req.Header.Set("User-Agent", c.userAgent)
	sent := time.Now()
	a, err := c.send(req.WithContext(limited))
	if err != nil {
		t.lost()
		c.met.requests.WithLabelValues(string(k), "error").Inc()
		return nil, c.unanswered(ctx, limited, err)
	}
	c.met.request(k, a.status)
	c.met.seconds.WithLabelValues(string(k)).Observe(time.Since(sent).Seconds())
	if a.wait = t.answered(k, a); a.wait > 0 {
		c.log.Warn("reddit wants fewer requests", "kind", string(k), "wait", a.wait.Round(time.Millisecond))
	}
	return a, nil
}

func (c *Client) send(req *http.Request) (*answer, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header, received: time.Now()}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case len(a.body) > maxBody:
		a.body, a.broken = nil, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	case damaged(err):
		a.body, a.broken = nil, fmt.Errorf("read answer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return a, nil
}

// damaged tells whether a body came, but not as it was meant.
func damaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) ||
		errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt)
}

// unanswered says why there is no answer: limited is ctx with the time limit of
// one request.
func (c *Client) unanswered(ctx, limited context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ask reddit: %w", ctx.Err())
	case limited.Err() != nil:
		return &OutageError{Err: fmt.Errorf("no whole answer from reddit within %s", c.timeout)}
	}
	// The address, with its hundred ids, would only hide the cause.
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err
	}
	return &OutageError{Err: fmt.Errorf("ask reddit: %w", err)}
}
