package reddit

import (
	"fmt"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// StateError says that a community cannot be read, and will not be readable
// soon. Another request of the same kind is of no use for a day or so.
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

// LimitError says that no request may be sent before Wait is over. The client
// keeps to that by itself: its next calls wait.
type LimitError struct {
	Wait time.Duration // 1 s to 1 h
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("reddit's request limit is used up, next request in %s", e.Wait.Round(time.Second))
}

// RetryAfter is how long to wait before the next request.
func (e *LimitError) RetryAfter() time.Duration { return e.Wait }

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
