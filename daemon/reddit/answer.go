package reddit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// answer is a whole HTTP answer.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	broken   error         // why the body is of no use, nil if it may be
	received time.Time     // when the headers were here
	wait     time.Duration // of a 429: nothing is sent before
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

// fault is the error that the answer to a listing request for names stands for,
// nil for one that should hold a listing. There are no names when posts were
// asked for by id.
func (a *answer) fault(names int) error {
	switch {
	case a.status == http.StatusOK:
		return a.broken
	case a.status == http.StatusTooManyRequests:
		return a.limited()
	case a.status/100 == 3:
		return a.redirect(names)
	case a.elsewhere():
		return &OutageError{Err: a.unexpected()}
	case names > 0 && !a.isHTML() && (a.status == http.StatusForbidden || a.status == http.StatusNotFound):
		return a.refusal(names)
	}
	return a.unexpected()
}

// limited is the error of a 429. Reddit sends a page for people to those whom it
// takes for a bot that hides.
func (a *answer) limited() error { return &LimitError{Wait: a.wait, Blocked: a.isHTML()} }

// elsewhere tells whether the trouble lies neither in what was asked for nor in
// the answer: with Reddit, or with who we are.
func (a *answer) elsewhere() bool {
	return a.status >= http.StatusInternalServerError || a.status == http.StatusRequestTimeout ||
		a.status == http.StatusForbidden && (a.isHTML() || a.lacksScope())
}

// redirect reads a 3xx: Reddit sends those who ask for unknown communities only
// to its search page.
func (a *answer) redirect(names int) error {
	to := a.header.Get("Location")
	if names > 0 && strings.Contains(to, "/subreddits/search") {
		return &StateError{State: pulse.Missing}
	}
	return fmt.Errorf("reddit answers %d and points to %q", a.status, clip(to))
}

// refusal reads a 403 or 404: the reason in the body says what has become of
// the community, if it was one.
func (a *answer) refusal(names int) error {
	reason, _ := a.words()
	if names > 1 {
		return &GroupError{Names: names, Reason: reason}
	}
	if state, known := states[strings.ToLower(reason)]; known {
		return &StateError{State: state, Reason: reason}
	}
	if a.status == http.StatusNotFound {
		return &StateError{State: pulse.Missing, Reason: reason}
	}
	return a.unexpected()
}

// unexpected says in words what a status without a meaning of its own was.
func (a *answer) unexpected() error {
	text := fmt.Sprintf("reddit answers %d %s", a.status, http.StatusText(a.status))
	reason, message := a.words()
	switch {
	case a.lacksScope():
		text += ": the application's scope does not cover this"
	case a.isHTML() && a.status == http.StatusForbidden:
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

func (a *answer) lacksScope() bool {
	return strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope")
}

func (a *answer) isHTML() bool {
	return strings.Contains(a.header.Get("Content-Type"), "html") ||
		strings.HasPrefix(strings.TrimSpace(string(a.body[:min(len(a.body), 64)])), "<")
}
