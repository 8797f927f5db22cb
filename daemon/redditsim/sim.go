// Package redditsim is a Reddit that runs here: the token call, listings and
// /api/info with Reddit's own headers, limits and refusals. Its communities are
// made from a seed, or replayed from recorded answers. It is no stage of the
// pipeline and knows nothing of it: it speaks HTTP and nothing else.
package redditsim

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Bounds of what is answered.
const (
	pageDefault = 25
	pageMost    = 100
	depth       = 1000    // posts that a listing goes back
	maxURI      = 8 << 10 // bytes of a request's address
	maxForm     = 16 << 10
)

// Config chooses the Reddit that is played. The zero value is a synthetic one
// at the pace of life.
type Config struct {
	Seed uint64 // the same seed gives the same communities and posts
	// Speed is how many times faster than in life posts come and scores grow; 0
	// is 1, at most 1000. The clock itself runs as usual.
	Speed             float64
	Replay            string // folder of recorded answers with an index.json; "" is synthetic
	RequestsPerWindow int    // of one application in 600 s; 0 is 1000
}

// Server is the simulated Reddit as a handler: token call and API on one
// listener. It needs no end: there is nothing to close.
type Server struct {
	world  world
	tokens *tokens
	window *window
	log    *slog.Logger
	now    func() time.Time
}

// world is what the server knows of communities and posts.
type world interface {
	// names are the communities to begin with, as Reddit spells them.
	names() []string
	// community says how the community called name stands; name is valid.
	community(name string) standing
	// refusal is the answer for a community that is not open, but there.
	refusal(standing) recorded
	// newest gives the posts of these communities, newest first, until give
	// returns false or there are no more.
	newest(names []string, now time.Time, give func(item) bool)
	// post gives the post with this full name, nil where there is none.
	post(id string, now time.Time) item
	// exact answers a request that the world knows as a whole.
	exact(r *http.Request) (recorded, bool)
}

// item is one post in a listing. Its JSON is made only when it is on the page.
type item interface {
	fullName() string
	json(now time.Time, raw bool) []byte
}

// New makes a Reddit. A replay folder that cannot be read is an error that
// names the file.
func New(c Config, log *slog.Logger) (*Server, error) {
	if c.Speed == 0 {
		c.Speed = 1
	}
	if math.IsNaN(c.Speed) || c.Speed < 0.01 || c.Speed > 1000 {
		return nil, pulse.InvalidField("speed", "want 0.01 to 1000, got %v", c.Speed)
	}
	if c.RequestsPerWindow == 0 {
		c.RequestsPerWindow = 1000
	}
	if c.RequestsPerWindow < 0 {
		return nil, pulse.InvalidField("requests per window", "want at least 1, got %d", c.RequestsPerWindow)
	}
	s := &Server{log: log, now: time.Now, tokens: newTokens(), window: newWindow(c.RequestsPerWindow)}
	if c.Replay == "" {
		s.world = newSynthetic(c.Seed, c.Speed)
		return s, nil
	}
	tape, err := openTape(c.Replay, log)
	if err != nil {
		return nil, fmt.Errorf("open recorded answers: %w", err)
	}
	s.world = tape
	return s, nil
}

// Subreddits are the communities to begin with: all the recorded ones that can
// be configured, or the lively ones of the synthetic world. Others answer too.
func (s *Server) Subreddits() []string { return s.world.names() }

// Know tells a synthetic Reddit of small communities before anyone asks for
// their listings, so that it finds their posts by id from the start. Replays and
// invalid names take no notice.
func (s *Server) Know(names ...string) {
	made, ok := s.world.(*synthetic)
	if !ok {
		return
	}
	for _, name := range names {
		if validName.MatchString(name) {
			made.find(name)
		}
	}
}

// ServeHTTP answers as Reddit would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", "snooserv")
	h.Set("Cache-Control", "private, s-maxage=0, max-age=0, must-revalidate, no-store")
	switch agent := r.UserAgent(); {
	case len(r.RequestURI) > maxURI:
		uriTooLong.write(w, r)
	case agent == "" || strings.HasPrefix(agent, "Go-http-client/"):
		blocked.write(w, r)
	case strings.TrimSuffix(r.URL.Path, "/") == tokenPath:
		s.serveToken(w, r)
	default:
		s.serveAPI(w, r)
	}
}

// serveAPI answers a request that needs a token and counts against the window.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	now := s.now()
	client, fault := s.tokens.bearer(r.Header.Get("Authorization"), now)
	if fault != "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="reddit", error="`+fault+`"`)
		unauthorized.write(w, r)
		return
	}
	use := s.window.take(client, now)
	if use.over {
		use.headers(w.Header())
		w.Header().Set("Retry-After", use.reset)
		tooMany.write(w, r)
		return
	}
	if rec, ok := s.world.exact(r); ok {
		if rec.status < http.StatusBadRequest {
			use.headers(w.Header())
		}
		rec.write(w, r)
		return
	}
	use.headers(w.Header())
	s.route(w, r, now)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, now time.Time) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notFound.write(w, r)
		return
	}
	path := strings.TrimSuffix(strings.TrimSuffix(r.URL.Path, "/"), ".json")
	if path == "/api/info" {
		s.serveInfo(w, r, now)
		return
	}
	parts := strings.Split(path, "/")
	if len(parts) == 4 && parts[0] == "" && strings.EqualFold(parts[1], "r") && parts[3] == "new" {
		s.serveNew(w, r, parts[2], now)
		return
	}
	notFound.write(w, r)
}
