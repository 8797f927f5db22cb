package reddit

import (
	"fmt"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// StateError says that a community cannot be read, and will not be readable
// soon. Another request of the same kind is of no use for a day or so. Where
// several were asked for it holds for each of them: none exists.
type StateError struct {
	State  pulse.PollState // private, quarantined, gated, banned or missing
	Reason string          // Reddit's own word for it, "" where it gave none
}

func (e *StateError) Error() string {
	if e.State == pulse.Missing {
		return "there is no such community"
	}
	return "the community is " + string(e.State)
}

// PollState is the state in which the community was found.
func (e *StateError) PollState() pulse.PollState { return e.State }

// Reddit's words in the field "reason" of 403 and 404 answers.
var states = map[string]pulse.PollState{
	"private":     pulse.Private,
	"quarantined": pulse.Quarantined,
	"gated":       pulse.Gated,
	"banned":      pulse.Banned,
}

// GroupError says that at least one of several communities cannot be read, so
// that Reddit shows none of them. It does not say which: asking for parts of
// them finds out.
type GroupError struct {
	Names  int    // asked for
	Reason string // Reddit's own word, "" where it gave none: of one of them, no one knows which
}

func (e *GroupError) Error() string {
	text := fmt.Sprintf("one or more of %d communities cannot be read", e.Names)
	if e.Reason != "" {
		text += ": " + clip(e.Reason)
	}
	return text
}

// Several is true: the error is not about one community.
func (e *GroupError) Several() bool { return true }

// LimitError says that no request may be sent before Wait is over: Reddit said
// so, or the caller's deadline lies before its turn. The client keeps to that by
// itself: its next calls wait.
type LimitError struct {
	Wait    time.Duration // 1 s to 1 h
	Blocked bool          // Reddit sent a page for people: it takes us for what it does not want
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("reddit's request limit is used up, next request in %s", e.Wait.Round(time.Second))
}

// RetryAfter is how long to wait before the next request.
func (e *LimitError) RetryAfter() time.Duration { return e.Wait }

// Outage tells whether Reddit as a whole refuses us, more than for the moment.
func (e *LimitError) Outage() bool { return e.Blocked }

// limitError says that the next request may go after wait.
func limitError(wait time.Duration) *LimitError {
	return &LimitError{Wait: min(max(wait, minWait), maxWait)}
}

// OutageError says that Reddit as a whole does not answer, or not to us:
// connections fail or time out, it reports trouble of its own (5xx), gives or
// takes no token, or blocks the network or the user agent. It says nothing of
// what was asked for. Errors that are neither this nor one of the other types
// are about one bad answer: another request may well work.
type OutageError struct{ Err error }

func (e *OutageError) Error() string { return e.Err.Error() }

func (e *OutageError) Unwrap() error { return e.Err }

// Outage is true.
func (e *OutageError) Outage() bool { return true }

// clip shortens Reddit's text for an error message.
func clip(s string) string {
	const most = 120
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
