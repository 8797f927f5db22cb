package client

import (
	"time"

	"dev.redditpulse/shared/wire"
)

// Event is one thing that happened on a feed: Connected, Posts, Snapshot, Gap,
// Heartbeat, Notice, Disconnected or Terminal.
type Event interface{ event() }

// Place is where a reader of the feed stands: the number of the last entry of
// an epoch that it has. The zero value is nowhere.
type Place struct {
	Epoch string
	Seq   uint64
}

// Connected says that the feed is there (again).
type Connected struct {
	Resumed    string    // wire.NothingMissed, wire.Replayed or wire.Snapshot
	ServerTime time.Time // zero: the server did not say
	Again      bool      // not the first connection of this stream
}

// Posts are new or newer posts. Place is what to resume from after them.
type Posts struct {
	Place Place
	Posts []wire.Post
}

// Snapshot is the newest posts, sent where nothing can be replayed.
type Snapshot struct {
	Place Place
	Posts []wire.Post
}

// Gap says that the entries From to To of the feed did not arrive and will
// not. Both are 0 where the number is not known because a new epoch began.
type Gap struct{ From, To uint64 }

// Heartbeat says that the feed is alive. Behind is how many entries the server
// has that this stream has not seen.
type Heartbeat struct{ Behind uint64 }

// Notice is a word of the server to the reader.
type Notice struct{ Code, Detail string }

// Disconnected says why the feed is away and when it is tried again.
type Disconnected struct {
	Err     error
	RetryIn time.Duration
}

// Terminal is the last event of a stream: trying again would not help. The
// code is Unauthenticated where a log-in would.
type Terminal struct{ Err error }

func (Connected) event()    {}
func (Posts) event()        {}
func (Snapshot) event()     {}
func (Gap) event()          {}
func (Heartbeat) event()    {}
func (Notice) event()       {}
func (Disconnected) event() {}
func (Terminal) event()     {}
