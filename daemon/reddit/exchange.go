package reddit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// kind is what a request is for: the label of the metrics, and the source of
// the observations that come of it.
type kind string

const (
	kindToken kind = "token"
	kindNew   kind = "new"
	kindInfo  kind = "info"
)

// answer is a whole HTTP answer.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	received time.Time // when the headers were here
}

// exchange waits for its turn in the budget, sends req and reads the answer.
// Any HTTP status is an answer; an error means that there is none.
func (c *Client) exchange(ctx context.Context, k kind, req *http.Request) (*answer, error) {
	if err := c.limit.wait(ctx); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req.Header.Set("User-Agent", c.userAgent)
	a, err := c.send(req.WithContext(limited))
	if err != nil {
		c.met.requests.WithLabelValues(string(k), "error").Inc()
		if ctx.Err() == nil && limited.Err() != nil {
			return nil, fmt.Errorf("no whole answer from reddit within %s", c.timeout)
		}
		// The address, with its hundred ids, would only hide the cause.
		var whole *url.Error
		if errors.As(err, &whole) {
			err = whole.Err
		}
		return nil, fmt.Errorf("ask reddit: %w", err)
	}
	c.met.request(k, a.status)
	if b, ok := readBudget(a.header); ok {
		c.met.remaining.Set(b.remaining)
		c.limit.observe(b, a.received)
	}
	if a.status == http.StatusTooManyRequests {
		c.limit.stop(a.received.Add(retryAfter(a.header, a.received)))
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
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(a.body) > maxBody {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	return a, nil
}

// observedAt is the moment that the answer speaks of: our own clock, unless
// Reddit's says that ours is wrong. An absurd Date is not believed.
func (a *answer) observedAt() time.Time {
	const tolerance, absurd = 2 * time.Second, 23 * time.Hour
	at := a.received
	date, err := http.ParseTime(a.header.Get("Date"))
	if off := date.Sub(at); err == nil && off.Abs() > tolerance && off < absurd && !date.Before(opened) {
		at = date
	}
	return at.UTC().Truncate(time.Millisecond)
}

// fault is the error that the answer to a listing request stands for, nil for
// an answer that should hold a listing.
func (a *answer) fault(k kind) error {
	switch {
	case a.status == http.StatusOK:
		return nil
	case a.status == http.StatusTooManyRequests:
		return &LimitError{Wait: retryAfter(a.header, a.received)}
	case a.status/100 == 3:
		return a.redirect(k)
	case a.status == http.StatusForbidden || a.status == http.StatusNotFound:
		return a.refusal(k)
	}
	return a.unexpected()
}

// redirect reads a 3xx: Reddit sends those who ask for an unknown community to
// its search page.
func (a *answer) redirect(k kind) error {
	to := a.header.Get("Location")
	if k == kindNew && strings.Contains(to, "/subreddits/search") {
		return &StateError{State: pulse.Missing}
	}
	return fmt.Errorf("reddit answers %d and points to %q", a.status, clip(to))
}

// refusal reads a 403 or 404: the reason in the body says what has become of
// the community.
func (a *answer) refusal(k kind) error {
	reason, _ := a.words()
	state, known := states[strings.ToLower(reason)]
	switch {
	case k != kindNew || a.isHTML():
		return a.unexpected()
	case known:
		return &StateError{State: state, Reason: reason}
	case a.status == http.StatusNotFound:
		return &StateError{State: pulse.Missing, Reason: reason}
	}
	return a.unexpected()
}

// unexpected says in words what a status without a meaning of its own was.
func (a *answer) unexpected() error {
	text := fmt.Sprintf("reddit answers %d %s", a.status, http.StatusText(a.status))
	reason, message := a.words()
	switch {
	case strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope"):
		text += ": the application's scope does not cover this"
	case a.isHTML() && (a.status == http.StatusForbidden || a.status == http.StatusTooManyRequests):
		text += ": this network or reddit.user_agent is blocked"
	case reason != "":
		text += ": " + clip(reason)
	case message != "":
		text += ": " + clip(message)
	}
	return errors.New(strings.TrimSpace(text))
}

// words are the reason and the message of an error body; bodies that are not
// JSON, or not as expected, have none.
func (a *answer) words() (reason, message string) {
	var body struct{ Reason, Message string }
	if err := json.Unmarshal(a.body, &body); err != nil && !onlyTypes(err) {
		return "", ""
	}
	return body.Reason, body.Message
}

func (a *answer) isHTML() bool {
	return strings.Contains(a.header.Get("Content-Type"), "html") ||
		strings.HasPrefix(strings.TrimSpace(string(a.body[:min(len(a.body), 64)])), "<")
}
