// Package wire is the JSON that crosses a process border: values of Kafka
// records, bodies of the REST API, frames of the feed. It decodes hostile input
// into the domain or into an error that names the field. It does no I/O.
package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
)

// ObservationVersion is the version of the Kafka value that this code writes
// and the only one it reads.
const ObservationVersion = 1

// Bounds of an observation's fields. Reddit's own maxima lie well inside.
const (
	MaxValueBytes = 256 << 10 // a whole Kafka value
	maxTitle      = 2_000     // bytes; Reddit: 300 characters
	maxName       = 100       // bytes; ids, names, flair keep below
	maxFlair      = 500       // bytes
	maxURL        = 64 << 10  // bytes; the longest recorded is 23,120
	maxCount      = 1_000_000_000
	// A clock may be this far ahead of ours before a time counts as impossible.
	maxAhead = 24 * time.Hour
)

// Reddit opened in June 2005; nothing can have been posted or seen before.
var redditOpened = time.Date(2005, 6, 1, 0, 0, 0, 0, time.UTC)

// observation is the JSON form. Pointers tell a missing field from a zero one.
type observation struct {
	V           *int            `json:"v"`
	PostID      string          `json:"post_id"`
	ObservedAt  string          `json:"observed_at"`
	Source      string          `json:"source"`
	Subreddit   string          `json:"subreddit"`
	Title       string          `json:"title"`
	Author      string          `json:"author"`
	URL         string          `json:"url"`
	Permalink   string          `json:"permalink"`
	Flair       *string         `json:"flair"`
	IsSelf      bool            `json:"is_self"`
	Over18      bool            `json:"over_18"`
	CreatedAt   string          `json:"created_at"`
	Score       json.RawMessage `json:"score"`
	NumComments json.RawMessage `json:"num_comments"`
	UpvoteRatio *float64        `json:"upvote_ratio"`
	State       string          `json:"state"`
}

// EncodeObservation gives the Kafka value of o. Text that is not UTF-8 is
// replaced, never rejected: it was checked when it entered the process.
func EncodeObservation(o *pulse.Observation) []byte {
	v := ObservationVersion
	body, err := marshal(observation{
		V: &v, PostID: o.PostID, ObservedAt: FormatTime(o.ObservedAt), Source: o.Source,
		Subreddit: o.Subreddit, Title: o.Title, Author: o.Author, URL: o.URL,
		Permalink: o.Permalink, Flair: o.Flair, IsSelf: o.IsSelf, Over18: o.Over18,
		CreatedAt: FormatTime(o.CreatedAt), Score: number(o.Score),
		NumComments: number(o.NumComments), UpvoteRatio: o.UpvoteRatio, State: string(o.State),
	})
	if err != nil {
		// Only a NaN ratio could fail, and decoding never lets one in.
		panic("wire: encode observation: " + err.Error())
	}
	return body
}

// DecodeObservation reads a Kafka value. now bounds the times that are
// possible. Every error is a *pulse.Error of code Invalid with the field.
// Unknown fields are ignored, unknown versions are errors.
func DecodeObservation(value []byte, now time.Time) (pulse.Observation, error) {
	var none pulse.Observation
	if len(value) > MaxValueBytes {
		return none, pulse.InvalidField("value", "%d bytes, want at most %d", len(value), MaxValueBytes)
	}
	if !utf8.Valid(value) {
		return none, pulse.InvalidField("value", "not valid UTF-8")
	}
	var in observation
	if scanObservation(value, &in) {
		return in.check(now)
	}
	in = observation{}
	if err := json.Unmarshal(value, &in); err != nil {
		return none, jsonFault("value", err)
	}
	if in.V == nil {
		return none, pulse.InvalidField("v", "missing, want %d", ObservationVersion)
	}
	if *in.V != ObservationVersion {
		return none, pulse.InvalidField("v", "version %d is unknown here, want %d", *in.V, ObservationVersion)
	}
	return in.check(now)
}

func (in *observation) check(now time.Time) (pulse.Observation, error) {
	o := pulse.Observation{
		PostID: in.PostID, Source: in.Source, Subreddit: in.Subreddit, Title: in.Title,
		Author: in.Author, URL: in.URL, Permalink: in.Permalink, Flair: in.Flair,
		IsSelf: in.IsSelf, Over18: in.Over18, UpvoteRatio: in.UpvoteRatio,
		State: pulse.State(in.State),
	}
	c := checker{now: now}
	c.postID(in.PostID)
	c.text("source", in.Source, maxName)
	c.name("subreddit", in.Subreddit)
	c.text("title", in.Title, maxTitle)
	c.text("author", in.Author, maxName)
	c.text("url", in.URL, maxURL)
	c.text("permalink", in.Permalink, maxURL)
	if in.Flair != nil {
		c.text("flair", *in.Flair, maxFlair)
	}
	o.ObservedAt = c.time("observed_at", in.ObservedAt).Truncate(time.Millisecond)
	o.CreatedAt = c.time("created_at", in.CreatedAt)
	o.Score = c.count("score", in.Score)
	o.NumComments = c.count("num_comments", in.NumComments)
	if r := in.UpvoteRatio; r != nil && !(*r >= 0 && *r <= 1) {
		c.fail("upvote_ratio", "%v is not between 0 and 1", *r)
	}
	switch o.State {
	case "":
		o.State = pulse.Live
	case pulse.Live, pulse.Removed, pulse.Deleted, pulse.Gone:
	default:
		c.fail("state", "%q is unknown, want live, removed, deleted or gone", clip(in.State))
	}
	if c.err != nil {
		return pulse.Observation{}, c.err
	}
	return o, nil
}

// checker keeps the first fault of a record.
type checker struct {
	now time.Time
	err error
}

func (c *checker) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = pulse.InvalidField(field, format, args...)
	}
}

func (c *checker) postID(id string) {
	if !ValidPostID(id) {
		c.fail("post_id", "%q is no post id, want t3_ and 1 to 13 of 0-9 a-z", clip(id))
	}
}

func (c *checker) name(field, s string) {
	if s == "" {
		c.fail(field, "missing")
	}
	if strings.ContainsAny(s, "/ \t\r\n") {
		c.fail(field, "%q is no community's name", clip(s))
	}
	c.text(field, s, maxName)
}

func (c *checker) text(field, s string, maxBytes int) {
	if len(s) > maxBytes {
		c.fail(field, "%d bytes, want at most %d", len(s), maxBytes)
	}
	if strings.IndexByte(s, 0) >= 0 {
		c.fail(field, "has a NUL character")
	}
}

func (c *checker) time(field, s string) time.Time {
	if s == "" {
		c.fail(field, "missing, want an RFC 3339 time")
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		c.fail(field, "%q is no RFC 3339 time", clip(s))
		return time.Time{}
	}
	if t.Before(redditOpened) || t.After(c.now.Add(maxAhead)) {
		c.fail(field, "%s is impossible, want between %s and a day from now", clip(s), FormatTime(redditOpened))
	}
	return t.UTC()
}

func (c *checker) count(field string, raw json.RawMessage) int64 {
	if len(raw) == 0 || string(raw) == "null" {
		c.fail(field, "missing, want a whole number")
		return 0
	}
	var n int64
	if isWhole(raw) {
		n, _ = strconv.ParseInt(string(raw), 10, 64)
	} else if err := json.Unmarshal(raw, &n); err != nil {
		c.fail(field, "%s is no whole number from 0 to %d", clip(string(raw)), maxCount)
		return 0
	}
	if n < 0 || n > maxCount {
		c.fail(field, "%d is not between 0 and %d", n, maxCount)
	}
	return n
}

// ValidPostID tells whether id is a post's full name: "t3_" and up to 13
// base-36 digits, the most that 64 bits hold.
func ValidPostID(id string) bool {
	digits, ok := strings.CutPrefix(id, "t3_")
	if !ok || len(digits) == 0 || len(digits) > 13 {
		return false
	}
	for i := range len(digits) {
		if b := digits[i]; (b < '0' || b > '9') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return true
}

// FormatTime is the one form of a time on the wire: RFC 3339, UTC, up to
// microseconds, as many as the database keeps.
func FormatTime(t time.Time) string {
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

func number(n int64) json.RawMessage {
	b, _ := json.Marshal(n)
	return b
}

// marshal is json.Marshal without the HTML escapes, which would only make
// titles longer.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// jsonFault turns an encoding/json error into one for the sender, without
// echoing the input.
func jsonFault(whole string, err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		// An embedded struct puts its own name in front, which no sender knows.
		field := cmp.Or(strings.TrimPrefix(typed.Field, "Filter."), whole)
		return pulse.InvalidField(field, "is a JSON %s, want %s", clip(typed.Value), plainType(typed.Type.Kind().String()))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return pulse.InvalidField(whole, "not JSON at byte %d", syntax.Offset)
	}
	return pulse.InvalidField(whole, "not JSON")
}

func plainType(kind string) string {
	switch kind {
	case "int", "int64", "uint64":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "slice":
		return "a list"
	case "struct", "map":
		return "an object"
	default:
		return "a string"
	}
}

// clip shortens hostile input for an error message and keeps it valid UTF-8.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func finite(f *float64) bool { return f == nil || !math.IsNaN(*f) && !math.IsInf(*f, 0) }
