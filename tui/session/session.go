// Package session is all that the terminal speaks with the world: logging in,
// following the feed over lost connections, reading and editing subreddits.
// Whatever enters is cleaned here, once. It draws nothing.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// newsEvery is the shortest time between two news.
const newsEvery = 100 * time.Millisecond

// Config is what a session needs. Client is required.
type Config struct {
	Client   *client.Client
	ReadOnly bool             // refuse every change
	Log      *slog.Logger     // nil: silent
	Now      func() time.Time // nil: time.Now
	// Panicked is told of a panic in a goroutine of the session, which is over
	// then; nil lets it crash the process.
	Panicked func(error)
}

// Session is one person at one server. It is safe for concurrent use.
type Session struct {
	config Config
	feed   *Store
	dirty  chan struct{} // something has changed
	news   chan struct{} // and somebody should look
	wg     sync.WaitGroup

	mu    sync.Mutex         // covers what follows
	stop  context.CancelFunc // of the running feed, nil while there is none
	gen   int                // of the running feed
	place client.Place       // where the feed stands
	link  Link
}

// LinkState says how the feed stands, in the word that is shown.
type LinkState string

// The states of the link to the server.
const (
	Idle         LinkState = "not connected"
	Connecting   LinkState = "connecting"
	Connected    LinkState = "connected"
	Reconnecting LinkState = "reconnecting"
	Offline      LinkState = "offline" // and stays so
	LoggedOut    LinkState = "logged out"
)

// Link is how the feed stands.
type Link struct {
	State   LinkState
	Reason  string    // why it is not connected, in words
	RetryAt time.Time // when Reconnecting tries again
	Note    string    // how it came back, "" the first time
	NotedAt time.Time
	Skew    time.Duration // how far the server's clock is ahead of ours
	Behind  uint64        // entries the server has and we have not
}

// New makes a session that has not started.
func New(c Config) *Session {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Session{
		config: c, feed: NewStore(), link: Link{State: Idle},
		dirty: make(chan struct{}, 1), news: make(chan struct{}, 1),
	}
}

// Feed is the store of posts.
func (s *Session) Feed() *Store { return s.feed }

// Server is the address of the API.
func (s *Session) Server() string { return s.config.Client.BaseURL() }

// ReadOnly tells whether changes are refused.
func (s *Session) ReadOnly() bool { return s.config.ReadOnly }

// Now is the time of the server, as far as it is known.
func (s *Session) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.Now().Add(s.link.Skew)
}

// Link says how the feed stands.
func (s *Session) Link() Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// Who says as whom the session is logged in: zero while unknown.
func (s *Session) Who() (name string, role pulse.Role) {
	c := s.config.Client.Claims()
	return clean(c.Name, mostName), pulse.Role(clean(string(c.Role), mostName))
}

// News has a value whenever something has changed, at most every 100 ms.
func (s *Session) News() <-chan struct{} { return s.news }

// Login logs in and lets the feed begin.
func (s *Session) Login(ctx context.Context, user, password string) error {
	return s.config.Client.Login(ctx, user, password)
}

// Start follows the feed until ctx ends, Stop is called or the server ends the
// session. It goes on where an earlier feed of this session stood.
func (s *Session) Start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	if s.stop != nil {
		s.stop()
	}
	s.stop = cancel
	s.gen++
	gen, place := s.gen, s.place
	s.link = Link{State: Connecting, Skew: s.link.Skew}
	s.mu.Unlock()
	s.touch()
	s.safely(func() { s.pump(ctx) })
	s.safely(func() { s.firstPage(ctx) })
	s.safely(func() {
		defer cancel()
		s.config.Client.Follow(ctx, wire.Filter{}, place, func(e client.Event) {
			s.take(gen, e)
			s.touch()
		})
	})
}

// End ends the feed, which a later Start goes on with, and forgets nothing.
func (s *Session) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	s.gen++ // what still comes is late
	s.link = Link{State: LoggedOut, Skew: s.link.Skew}
}

// Stop ends the feed and waits for it.
func (s *Session) Stop() {
	s.mu.Lock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// safely runs f in a goroutine whose panic ends the program in good order.
func (s *Session) safely(f func()) {
	s.wg.Go(func() {
		defer func() {
			if s.config.Panicked == nil {
				return
			}
			if r := recover(); r != nil {
				s.config.Panicked(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
			}
		}()
		f()
	})
}

func (s *Session) touch() {
	select {
	case s.dirty <- struct{}{}:
	default: // said already
	}
}

// pump turns any number of changes into news at a bearable rate.
func (s *Session) pump(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			s.tell()
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			s.tell()
			return
		case <-s.dirty:
			s.tell()
		}
		pause.Reset(newsEvery)
	}
}

func (s *Session) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// firstPage fills the screen before the feed is there. Whether it works does
// not matter: the feed brings a snapshot.
func (s *Session) firstPage(ctx context.Context) {
	page, err := s.config.Client.Posts(ctx, client.PostsQuery{Order: pulse.ByObserved, Limit: 200})
	if err != nil {
		s.config.Log.Info("first page not loaded", "err", err)
		return
	}
	s.feed.Put(valid(page.Results))
	s.touch()
}

// take does what an event of the feed says.
func (s *Session) take(gen int, e client.Event) {
	switch e := e.(type) {
	case client.Posts:
		s.feed.Put(e.Posts)
	case client.Snapshot:
		s.feed.Put(e.Posts)
	case client.Gap:
		s.feed.Miss(e.From, e.To, s.Now())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if gen != s.gen {
		return // of a feed that was replaced
	}
	switch e := e.(type) {
	case client.Connected:
		s.connected(e)
	case client.Posts:
		s.place = e.Place
	case client.Snapshot:
		s.place = e.Place
	case client.Heartbeat:
		s.link.Behind = e.Behind
	case client.Disconnected:
		s.link.State, s.link.Reason = Reconnecting, Words(e.Err)
		s.link.RetryAt = s.config.Now().Add(e.RetryIn)
	case client.Terminal:
		s.link.State, s.link.Reason = Offline, Words(e.Err)
		if pulse.CodeOf(e.Err) == pulse.Unauthenticated {
			s.link.State = LoggedOut
		}
	}
}

// maxAgree is how far two clocks may differ and count as equal.
const maxAgree = 2 * time.Second

func (s *Session) connected(e client.Connected) {
	now := s.config.Now()
	s.link = Link{State: Connected}
	if !e.ServerTime.IsZero() {
		if skew := e.ServerTime.Sub(now); skew.Abs() > maxAgree {
			s.link.Skew = skew
		}
	}
	if !e.Again {
		return
	}
	s.link.NotedAt = now
	switch e.Resumed {
	case wire.NothingMissed:
		s.link.Note = "back, nothing missed"
	case wire.Replayed:
		s.link.Note = "back, what was missed has been replayed"
	default:
		s.link.Note = "back with a snapshot, some was missed"
	}
}

func valid(posts []wire.Post) []wire.Post {
	kept := posts[:0]
	for _, p := range posts {
		if wire.ValidPostID(p.ID) {
			kept = append(kept, p)
		}
	}
	return kept
}

// Words says what went wrong, for the person at the screen.
func Words(err error) string {
	var e *pulse.Error
	if !errors.As(err, &e) {
		return clean(err.Error(), mostTitle)
	}
	said := e.Message
	if e.Field != "" {
		said = e.Field + ": " + said
	}
	var refusal *client.Refusal
	if e.Err != nil && errors.As(e.Err, &refusal) && e.Code != pulse.Conflict {
		said = "the server says: " + said
	}
	return clean(said, mostTitle)
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
