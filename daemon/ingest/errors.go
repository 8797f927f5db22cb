package ingest

import (
	"context"
	"errors"
	"time"

	"dev.redditpulse/shared/pulse"
)

// What may be away, each pausing all polls.
const (
	partReddit   = "reddit"
	partPipeline = "pipeline" // Kafka or the database
)

// pipelineError says that what was found could not be handed on.
type pipelineError struct{ err error }

func (e *pipelineError) Error() string { return e.err.Error() }
func (e *pipelineError) Unwrap() error { return e.err }

// errEmptyPage is a page without posts from subreddits that have some.
var errEmptyPage = errors.New("reddit gave an empty page for subreddits that have posts")

// errLostPlace is a listing that broke off while posts were still missing.
var errLostPlace = errors.New("reddit lost the place in a listing: the posts that mark it are gone")

// awayPart names the part whose outage err is, "" where it is none.
func awayPart(err error) string {
	var pipeline *pipelineError
	if errors.As(err, &pipeline) {
		return partPipeline
	}
	if outage, ok := errors.AsType[interface {
		error
		Outage() bool
	}](err); ok && outage.Outage() {
		return partReddit
	}
	return ""
}

// ofOneOfSeveral tells whether one of the subreddits of a request is to blame,
// without saying which.
func ofOneOfSeveral(err error) bool {
	group, ok := errors.AsType[interface {
		error
		Several() bool
	}](err)
	return ok && group.Several()
}

// stateOf is what has become of the subreddit, where err says that.
func stateOf(err error) (pulse.PollState, bool) {
	state, ok := errors.AsType[interface {
		error
		PollState() pulse.PollState
	}](err)
	if !ok {
		return "", false
	}
	return state.PollState(), true
}

// waitOf is how long Reddit wants us to stay away, where err says that.
func waitOf(err error) (time.Duration, bool) {
	limit, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return 0, false
	}
	return limit.RetryAfter(), true
}

// badAnswer tells whether Reddit answers, but not this request: smaller ones may
// fare better.
func badAnswer(err error) bool {
	if err == nil || awayPart(err) != "" || ofOneOfSeveral(err) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if _, limited := waitOf(err); limited {
		return false
	}
	_, state := stateOf(err)
	return !state
}
