package feed

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const maxEpoch = 100 // bytes

// request is what a client asks for when it connects.
type request struct {
	filter *filter
	resume bool   // epoch and after are set
	epoch  string // that the client has seen last
	after  uint64 // the last number it has
}

// The parameters of the socket's URL. A ticket is spent by the authentication
// in front of the feed, which leaves it in the URL.
var parameters = []string{"subreddit", "min_score", "min_velocity", "trending", "q", "epoch", "after", "ticket"}

// parseQuery reads a query string. Every error is of code Invalid and names
// the parameter.
func parseQuery(raw string) (*request, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, pulse.InvalidField("query", "not a valid query string")
	}
	if err := checkShape(values); err != nil {
		return nil, err
	}
	in := wire.Filter{Subreddit: values["subreddit"], Q: values.Get("q")}
	if s, ok := given(values, "min_score"); ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, pulse.InvalidField("min_score", "want a whole number")
		}
		in.MinScore = &n
	}
	if s, ok := given(values, "min_velocity"); ok {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, pulse.InvalidField("min_velocity", "want a number")
		}
		in.MinVelocity = &n
	}
	if s, ok := given(values, "trending"); ok {
		if in.Trending, err = strconv.ParseBool(s); err != nil {
			return nil, pulse.InvalidField("trending", "want true or false")
		}
	}
	if err := in.Check(); err != nil {
		return nil, err
	}
	q := &request{filter: canonical(&in)}
	return q, q.parseResume(values)
}

// checkShape refuses unknown parameters, repeated ones and broken text.
func checkShape(values url.Values) error {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the same error for the same query
	for _, name := range names {
		if name == "" {
			return pulse.InvalidField("query", "has a parameter without a name")
		}
		if !slices.Contains(parameters, name) {
			return pulse.InvalidField(clipName(name), "unknown parameter, want one of %s",
				strings.Join(parameters[:len(parameters)-1], ", "))
		}
		if len(values[name]) > 1 && name != "subreddit" {
			return pulse.InvalidField(name, "given %d times, want it once", len(values[name]))
		}
		for _, v := range values[name] {
			if !utf8.ValidString(v) {
				return pulse.InvalidField(name, "not valid UTF-8")
			}
		}
	}
	return nil
}

func (q *request) parseResume(values url.Values) error {
	epoch, hasEpoch := given(values, "epoch")
	after, hasAfter := given(values, "after")
	switch {
	case !hasEpoch && !hasAfter:
		return nil
	case !hasEpoch:
		return pulse.InvalidField("epoch", "missing, after needs it: give both as the last frame had them")
	case !hasAfter:
		return pulse.InvalidField("after", "missing, epoch needs it: give both as the last frame had them")
	case epoch == "" || len(epoch) > maxEpoch:
		return pulse.InvalidField("epoch", "want 1 to %d bytes", maxEpoch)
	}
	n, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		return pulse.InvalidField("after", "want a whole number, 0 or more")
	}
	q.resume, q.epoch, q.after = true, epoch, n
	return nil
}

func given(values url.Values, name string) (string, bool) {
	v, ok := values[name]
	if !ok {
		return "", false
	}
	return v[0], true
}

// clipName makes a hostile parameter name fit to be repeated.
func clipName(name string) string {
	const most = 60
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
