// Package api is the HTTP stage: it answers the REST resources and lets
// authenticated sockets through to the feed. It never talks to a database, a
// broker or a cache itself: what it needs of them are the interfaces below.
package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

// PostStore reads posts. Each read tells which server answered it.
type PostStore interface {
	// ListPosts gives up to q.Limit+1 posts, so that the caller learns whether
	// more follow; always in q.Order, also when walking backwards.
	ListPosts(ctx context.Context, q pulse.PostQuery) ([]pulse.Post, pulse.ServedBy, error)
	// GetPost gives one post, NotFound where there is none.
	GetPost(ctx context.Context, id string) (pulse.Post, pulse.ServedBy, error)
	// PostHistory gives the newest limit readings, oldest first.
	PostHistory(ctx context.Context, id string, limit int) ([]pulse.Reading, pulse.ServedBy, error)
	Stats(ctx context.Context) (pulse.Stats, pulse.ServedBy, error)
}

// SubredditReader reads the configured subreddits from the primary. Names are
// matched without case.
type SubredditReader interface {
	ListSubreddits(ctx context.Context) ([]pulse.Subreddit, error)
	// GetSubreddit gives one row, NotFound where there is none.
	GetSubreddit(ctx context.Context, name string) (pulse.Subreddit, error)
}

// SubredditStore also changes them. Version 0 means any version.
type SubredditStore interface {
	SubredditReader
	// AddSubreddit gives the row as stored, Conflict where the name is taken.
	AddSubreddit(ctx context.Context, s pulse.Subreddit) (pulse.Subreddit, error)
	// EditSubreddit gives the row after the change. NotFound; Conflict when the
	// version differs, then with the current row.
	EditSubreddit(ctx context.Context, name string, version int64, c pulse.SubredditChange) (pulse.Subreddit, error)
	// RemoveSubreddit is NotFound or, when the version differs, Conflict.
	RemoveSubreddit(ctx context.Context, name string, version int64) error
}

// PollReader reads what ingestion tells of its polling.
type PollReader interface {
	// Gaps gives the newest limit gaps of a subreddit, newest first; NotFound
	// where it is not configured.
	Gaps(ctx context.Context, subreddit string, limit int) ([]pulse.Gap, error)
	// LastBudget gives what ingestion last said, the zero value if it never did.
	LastBudget(ctx context.Context) (pulse.Budget, error)
}

// DeadLetterReader reads the dead letters from the primary.
type DeadLetterReader interface {
	// DeadLetters gives up to q.Limit+1 letters without their bytes.
	DeadLetters(ctx context.Context, q pulse.DeadQuery) ([]pulse.DeadLetter, error)
	// DeadLetter gives one with its bytes, NotFound where there is none.
	DeadLetter(ctx context.Context, id string) (pulse.DeadLetter, error)
	// DeadReasons counts the open ones that a filter chooses by class.
	DeadReasons(ctx context.Context, f pulse.DeadFilter) ([]pulse.DeadCount, error)
}

// DeadLetterReplayer settles dead letters: at most limit, oldest failures first.
type DeadLetterReplayer interface {
	ReplayOutlook(ctx context.Context, c pulse.DeadChoice) (pulse.DeadOutlook, error)
	// Replay sends each letter once; refused are those that cannot be sent.
	Replay(ctx context.Context, c pulse.DeadChoice, by string, limit int) (done, refused int, err error)
	DiscardOutlook(ctx context.Context, c pulse.DeadChoice) (pulse.DeadOutlook, error)
	Discard(ctx context.Context, c pulse.DeadChoice, by, reason string, limit int) (int, error)
}

// UserStore reads accounts from the primary; NotFound where there is none.
type UserStore interface {
	UserByName(ctx context.Context, name string) (pulse.User, error)
	UserByID(ctx context.Context, id int64) (pulse.User, error)
}

// TokenStore remembers refresh tokens on the primary.
type TokenStore interface {
	InsertRefresh(ctx context.Context, row pulse.RefreshToken) error
	// UseRefresh spends the token of hash at a time and stores next, in one
	// atomic step: won is true for exactly one caller. Otherwise nothing is
	// changed and prev is the row as it stands. NotFound for an unknown hash.
	UseRefresh(ctx context.Context, hash []byte, at time.Time, next pulse.RefreshToken) (prev pulse.RefreshToken, won bool, err error)
	RevokeFamily(ctx context.Context, family string, at time.Time) error
	FamilyRevoked(ctx context.Context, family string) (bool, error)
}

// AccessSigner makes and verifies access tokens; a bad one is Unauthenticated.
type AccessSigner interface {
	Access(u pulse.User, session string) (token string, expires time.Time, err error)
	VerifyAccess(token string) (pulse.Identity, error)
}

// RefreshSigner makes and verifies refresh tokens.
type RefreshSigner interface {
	// NewRefresh starts a family.
	NewRefresh(u pulse.User) (token string, row pulse.RefreshToken, err error)
	// Successor is the same token each time it is asked for with the same old
	// row and time.
	Successor(old pulse.RefreshToken, usedAt time.Time) (token string, row pulse.RefreshToken, err error)
	ParseRefresh(token string) (pulse.RefreshToken, error)
}

// Signer is both.
type Signer interface {
	AccessSigner
	RefreshSigner
}

// Hasher verifies passwords. An empty hash costs the same time as any other and
// is never right. TooMany when the queue is full.
type Hasher interface {
	Verify(ctx context.Context, hash, password string) (bool, error)
}

// FeedServer takes over an authenticated request for the socket.
type FeedServer interface {
	ServeWS(w http.ResponseWriter, r *http.Request, id pulse.Identity)
}

// Deps is what the API is built of. All of the stores, Signer, Passwords and
// Feed are needed.
type Deps struct {
	Posts      PostStore
	Subreddits SubredditStore
	Polling    PollReader

	DeadLetters DeadLetterReader
	Replayer    DeadLetterReplayer

	Users     UserStore
	Tokens    TokenStore
	Signer    Signer
	Passwords Hasher
	Feed      FeedServer
	// Health checks the parts by name. The one named "primary" decides whether
	// the API answers 503; any other makes it "degraded".
	Health map[string]func(context.Context) error
	// RequestsPerMinute is what may be sent to Reddit by the configuration: a
	// preview reckons with it while ingestion has not said what it may send.
	RequestsPerMinute int
	DiscoveryShare    float64 // of the requests, what listings may take; 0: the planner's own
	// CursorKey signs cursors. The same in every daemon of a system; empty: a
	// random one, and cursors end with the process.
	CursorKey []byte
	Version   string                // of the build, for the OpenAPI document
	Log       *slog.Logger          // nil: no log
	Metrics   prometheus.Registerer // nil: not registered
	Now       func() time.Time      // nil: time.Now
}

type server struct {
	Deps
	maxBody  int64 // bytes
	paths    *paths
	router   http.Handler
	api      huma.API
	spec     []byte // the OpenAPI document
	cursors  cursors
	sessions *sessions
	health   *health
	metrics  *metrics
}

// New makes the handler of api.listen.
func New(c config.API, d Deps) http.Handler { return newServer(c, d) }

func newServer(c config.API, d Deps) *server {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if len(d.CursorKey) == 0 {
		d.CursorKey = make([]byte, 32)
		rand.Read(d.CursorKey) // never fails: the runtime ends the process instead
	}
	s := &server{
		Deps: d, maxBody: int64(c.MaxBody), paths: newPaths(),
		cursors:  cursors{key: d.CursorKey},
		sessions: newSessions(d.Tokens, d.Now, d.Log),
		health:   newHealth(d.Health, d.Now),
		metrics:  newMetrics(d.Metrics),
	}
	if s.maxBody <= 0 {
		s.maxBody = 64 << 10
	}
	s.api = newDocument(s.paths, d.Version)
	routes := s.routes()
	for _, r := range routes {
		r.mount(s, r)
	}
	s.router = s.paths.router(s, routes)
	s.metrics.touch(routes)
	s.spec = mustSpec(s.api)
	return s
}
