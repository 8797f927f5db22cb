// Package redditsim is a Reddit that runs here: the token call, listings and
// posts by id with Reddit's own headers, limits and refusals. Its communities
// are made from a seed, or replayed from recorded answers; faults strike it on
// demand, and it tells the truth about its posts to those who ask. It is no
// stage of the pipeline and knows nothing of it: it speaks HTTP and nothing else.
package redditsim

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is answered.
const (
	pageDefault = 25
	pageMost    = 100
	depth       = 1000   // posts that a listing goes back
	maxURI      = 8_000  // bytes of an address that is understood
	maxURIRead  = 10_000 // bytes of one that is read at all
	maxForm     = 16 << 10
)

// Server is the simulated Reddit as a handler: token call and API on one
// listener, and what is under /__sim/. It needs no end: there is nothing to
// close.
type Server struct {
	world  world
	tokens *tokens
	window *window
	usage  *usage
	faults *faults
	seed   uint64
	odd    Oddities
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
	// truth gives the posts of a community made from from to before to, in Unix
	// seconds, until give returns false, which it then returns.
	truth(name string, from, to int64, give func(Truth) bool) bool
}

// item is one post in a listing. Its JSON is made only when it is on the page.
type item interface {
	appendName(to []byte) []byte
	subreddit() string
	rank(p *pen, now time.Time) rank
	appendJSON(p *pen, now time.Time, raw bool)
}

// New makes a Reddit. A replay folder that cannot be read is an error that
// names the file.
func New(c Config, log *slog.Logger) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Server{
		now: clock(c.Now, c.ClockSpeed), seed: c.Seed, odd: c.Oddities,
		tokens: newTokens(), window: newWindow(c.RequestsPerWindow), usage: newUsage(), faults: &faults{seed: c.Seed},
	}
	if c.Replay == "" {
		s.world = newSynthetic(&c)
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
// be configured, those with configured rates, or the lively ones of the
// synthetic world. Others answer too.
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
			made.know(name)
		}
	}
}

// ServeHTTP answers as Reddit would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.answer(r).send(w, r) }

// answer makes the whole answer to a request, which it may change.
func (s *Server) answer(r *http.Request) reply {
	now := s.now()
	a := s.decide(r, now)
	a.header.Set("Date", now.UTC().Format(http.TimeFormat))
	a.header.Set("Server", "snooserv")
	a.header.Set("Cache-Control", "private, s-maxage=0, max-age=0, must-revalidate, no-store")
	return a
}

func (s *Server) decide(r *http.Request, now time.Time) reply {
	if strings.HasPrefix(r.URL.Path+"/", controlPath) {
		return s.control(r, now)
	}
	v := visit{kind: kindOfPath(r.URL.Path)}
	agent := r.UserAgent()
	var a reply
	switch {
	case len(r.URL.RequestURI()) > maxURIRead:
		a = uriTooLong.reply()
	case agent == "" || strings.HasPrefix(agent, "Go-http-client/"):
		a = blocked.reply()
	case isTokenCall(r.URL.Path):
		v.client = s.applicant(r)
		hit := s.faults.strike(r.URL.Path, now)
		if hit != nil && hit.answer != nil {
			a = hit.instead(use{reset: untilReset(now)})
		} else {
			a = hit.bend(s.serveToken(r, now))
		}
	default:
		a = s.serveAPI(r, now, &v)
	}
	if a.manner != broken && a.manner != hanging {
		v.status = a.status
	}
	s.usage.add(v, now)
	return a
}

// applicant is the application that asks for a token, "" where it does not say.
func (s *Server) applicant(r *http.Request) string {
	id, _, ok := r.BasicAuth()
	if !ok || id == "" {
		return ""
	}
	client := clientOf(id)
	s.usage.know(client, id)
	return client
}

// serveAPI answers a request that needs a token and counts against the window.
func (s *Server) serveAPI(r *http.Request, now time.Time, v *visit) reply {
	who, fault := s.tokens.check(r.Header.Get("Authorization"), now)
	if fault != "" {
		return refuseToken(`Bearer realm="reddit", error="` + fault + `"`)
	}
	v.client = who.client
	hit := s.faults.strike(r.URL.Path, now)
	if hit.has("token_revoked") {
		s.tokens.revoke(who)
		return refuseToken(`Bearer realm="reddit", error="invalid_token"`)
	}
	v.counted = true
	if hit != nil {
		v.elsewhere = hit.elsewhere
	}
	use := s.window.take(who.client, v.elsewhere, now)
	switch {
	case use.over:
		return hit.bend(limited(use))
	case hit != nil && hit.answer != nil:
		return hit.instead(use)
	}
	a, ok := s.recorded(r, hit)
	if !ok {
		a = s.route(r, s.asOf(r, now, hit), hit)
	}
	if !ok || a.status < http.StatusBadRequest {
		use.headers(a.header)
	}
	return hit.bend(a)
}

// recorded is the answer that was recorded to this very request, unless a fault
// has changed how communities stand.
func (s *Server) recorded(r *http.Request, hit *hits) (reply, bool) {
	if hit != nil && (hit.states != nil || hit.has("empty_listing")) {
		return reply{}, false
	}
	a, ok := s.world.exact(r)
	return a.reply(), ok
}

// asOf is the moment whose listings are shown: some pages come from a cache.
func (s *Server) asOf(r *http.Request, now time.Time, hit *hits) time.Time {
	const oldest = 30 * time.Second
	if hit.has("stale") {
		return now.Add(-oldest)
	}
	if s.odd.Stale == 0 || namesIn(r.URL.Path) == nil {
		return now
	}
	key := hash(s.seed, strconv.FormatInt(now.Unix()/10, 36)+r.URL.Path+r.URL.RawQuery)
	if fraction(key, 1) >= s.odd.Stale {
		return now
	}
	return now.Add(-time.Duration(fraction(key, 2) * float64(oldest)))
}

// sorts are the listings of communities.
var sorts = map[string]bool{"new": true, "hot": true, "rising": true, "top": true}

// kindOfPath is what a request is for: a listing, token, info, by_id or other.
func kindOfPath(path string) string {
	if isTokenCall(path) {
		return "token"
	}
	parts := pathParts(path)
	switch {
	case isListing(parts):
		return sortOf(parts)
	case len(parts) == 2 && parts[0] == "api" && parts[1] == "info":
		return "info"
	case len(parts) == 2 && parts[0] == "by_id":
		return "by_id"
	}
	return "other"
}

func pathParts(path string) []string {
	return strings.Split(strings.TrimSuffix(strings.Trim(path, "/"), ".json"), "/")
}

// isListing tells whether a path is /r/NAME/SORT, or /r/NAME for what is hot.
func isListing(parts []string) bool {
	return strings.EqualFold(parts[0], "r") && (len(parts) == 2 || len(parts) == 3 && sorts[parts[2]])
}

func sortOf(parts []string) string {
	if len(parts) == 2 {
		return "hot"
	}
	return parts[2]
}

// route answers a request as things were at a moment.
func (s *Server) route(r *http.Request, at time.Time, hit *hits) reply {
	if len(r.URL.RequestURI()) > maxURI {
		return badRequest.reply()
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return notFound.reply()
	}
	parts := pathParts(r.URL.Path)
	switch kind := kindOfPath(r.URL.Path); kind {
	case "info":
		return s.serveInfo(r, at, hit)
	case "by_id":
		return s.serveByID(r, parts[1], at, hit)
	case "other":
		return notFound.reply()
	default:
		return s.serveListing(r, kind, parts[1], at, hit)
	}
}
