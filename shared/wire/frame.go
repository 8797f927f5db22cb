package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
)

// Kinds of server frame: the value of "type".
const (
	FrameHello         = "hello"
	FramePosts         = "posts"
	FrameSnapshot      = "snapshot"
	FrameHeartbeat     = "heartbeat"
	FrameTokenExpiring = "token_expiring"
	FrameNotice        = "notice"
)

// What a client is told when it (re)connects: exactly one of these.
const (
	NothingMissed = "nothing_missed"
	Replayed      = "replayed" // the missed posts follow
	Snapshot      = "snapshot" // what was missed is not known any more: a snapshot follows
)

// Close codes of the feed socket. README and SURFACE say what a client does.
const (
	CloseRestart   = 1012
	CloseTooBig    = 1009
	CloseForbidden = 4403
	CloseBadFrame  = 4400
	CloseToken     = 4401
	CloseSlow      = 4408
	CloseTooMany   = 4409 // too many sockets
	CloseFlood     = 4429 // too many messages
)

// MaxClientFrame is the largest frame a client may send, in bytes.
const MaxClientFrame = 4 << 10

// ServerFrame is any frame of the server; which fields are set depends on Type.
type ServerFrame struct {
	Type  string `json:"type"`
	Epoch string `json:"epoch,omitempty"` // hello, posts, snapshot

	// Seq is the newest number in hello and snapshot, and in a heartbeat the last
	// one that this socket's frames have covered.
	Seq              *uint64    `json:"seq,omitempty"`
	Resumed          string     `json:"resumed,omitempty"` // hello
	ServerTime       *time.Time `json:"server_time,omitempty"`
	HeartbeatSeconds float64    `json:"heartbeat_seconds,omitempty"`

	// From to To are the numbers that a posts frame covers, filtered posts
	// included: contiguous over all frames of one socket.
	From  *uint64 `json:"from,omitempty"`
	To    *uint64 `json:"to,omitempty"`
	Posts *[]Post `json:"posts,omitempty"` // posts, snapshot

	At     *time.Time `json:"at,omitempty"` // token_expiring
	Code   string     `json:"code,omitempty"`
	Detail string     `json:"detail,omitempty"`
}

// EncodeFrame gives the JSON of a server frame.
func EncodeFrame(f *ServerFrame) ([]byte, error) { return marshal(f) }

// DecodeServerFrame reads a frame of the server. Frames of an unknown type are
// returned as they are, for the client to skip.
func DecodeServerFrame(body []byte) (ServerFrame, error) {
	var f ServerFrame
	if err := json.Unmarshal(body, &f); err != nil {
		return ServerFrame{}, jsonFault("frame", err)
	}
	return f, f.check()
}

func (f *ServerFrame) check() error {
	missing := func(field string) error { return pulse.InvalidField(field, "missing in a %s frame", f.Type) }
	switch f.Type {
	case "":
		return pulse.InvalidField("type", "missing")
	case FrameHello, FrameSnapshot:
		if f.Epoch == "" {
			return missing("epoch")
		}
		if f.Seq == nil {
			return missing("seq")
		}
	case FrameHeartbeat:
		if f.Seq == nil {
			return missing("seq")
		}
	case FramePosts:
		if f.From == nil || f.To == nil {
			return missing("from and to")
		}
		if *f.From > *f.To {
			return pulse.InvalidField("from", "%d lies behind to, %d", *f.From, *f.To)
		}
	}
	return nil
}

// Filter chooses the posts that a socket wants. The zero value chooses all.
type Filter struct {
	Subreddit   []string `json:"subreddit,omitempty"`
	MinScore    *int64   `json:"min_score,omitempty"`
	MinVelocity *float64 `json:"min_velocity,omitempty"`
	Trending    bool     `json:"trending,omitempty"`
	Q           string   `json:"q,omitempty"`
}

// Kinds of client frame: the value of "type".
const (
	FrameFilter = "filter" // with the fields of Filter: from now on only such posts
	FrameAuth   = "auth"   // with "token": a fresh access token of the same user
)

// ClientFrame is a frame of a client; which fields count depends on Type.
type ClientFrame struct {
	Type string `json:"type"`
	Filter
	Token string `json:"token,omitempty"`
}

// DecodeClientFrame reads a client's frame; errors name the field.
func DecodeClientFrame(body []byte) (ClientFrame, error) {
	var f ClientFrame
	if len(body) > MaxClientFrame {
		return f, pulse.InvalidField("frame", "%d bytes, want at most %d", len(body), MaxClientFrame)
	}
	if !utf8.Valid(body) {
		return f, pulse.InvalidField("frame", "not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return ClientFrame{}, jsonFault("frame", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ClientFrame{}, pulse.InvalidField("frame", "has more than one JSON value")
	}
	switch f.Type {
	case FrameFilter:
		return f, f.Filter.Check()
	case FrameAuth:
		if f.Token == "" {
			return ClientFrame{}, pulse.InvalidField("token", "missing")
		}
		return f, nil
	}
	return ClientFrame{}, pulse.InvalidField("type", "want filter or auth")
}

// Check finds the first fault of a filter, nil if it has none.
func (f *Filter) Check() error {
	if len(f.Subreddit) > 100 {
		return pulse.InvalidField("subreddit", "%d names, want at most 100", len(f.Subreddit))
	}
	for _, name := range f.Subreddit {
		if name == "" || len(name) > maxName {
			return pulse.InvalidField("subreddit", "%q is no community's name", clip(name))
		}
	}
	if len(f.Q) > 200 {
		return pulse.InvalidField("q", "%d bytes, want at most 200", len(f.Q))
	}
	if !finite(f.MinVelocity) {
		return pulse.InvalidField("min_velocity", "want a number")
	}
	return nil
}

// Domain gives the filter as the domain knows it.
func (f *Filter) Domain() pulse.PostFilter {
	return pulse.PostFilter{
		Subreddits: f.Subreddit, Words: f.Q, MinScore: f.MinScore,
		MinVelocity: f.MinVelocity, Trending: f.Trending,
	}
}

// FeedState is where the feed stands: Seq is the newest number of an epoch. A
// new epoch starts when the stream was lost; numbers of different epochs have
// nothing to do with each other.
type FeedState struct {
	Epoch string // "" while the feed has never had an entry
	Seq   uint64
}

// FeedEntry is one entry of the feed stream: a number and the JSON of a Post
// without it.
type FeedEntry struct {
	Seq  uint64
	Post []byte
}
