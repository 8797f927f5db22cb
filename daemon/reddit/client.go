// Package reddit is the client of Reddit's API: app-only OAuth, listings and
// /api/info turned into observations. It knows how Reddit says no, and never
// decides when or how often to ask: that is the scheduler's.
package reddit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Bounds of one call.
const (
	MaxLimit   = 100  // posts on a page, ids of an Info call
	MaxNames   = 60   // subreddits that should share a listing; more than mostNames are refused
	MaxAddress = 2000 // bytes of path and query; Reddit serves 2,500 and refuses 8,000
	mostNames  = 100
	maxBody    = 16 << 20 // bytes of an answer after decompression; a page of 100 posts has 0.5 MB
)

// Client talks to one Reddit as one application. It is safe for concurrent use;
// all its calls share one token and one request budget.
type Client struct {
	base      *url.URL
	userAgent string
	timeout   time.Duration
	http      *http.Client
	tokens    *tokens
	limit     *limiter
	met       *metrics
	log       *slog.Logger
	end       context.CancelFunc
}

// New makes a client without talking to Reddit yet. Its errors are Invalid and
// name the setting.
func New(c Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	base, tokenURL, err := c.check()
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	met := newMetrics(reg, c.RequestsPerMinute)
	client := &Client{
		base: base, userAgent: c.UserAgent, timeout: c.Timeout, log: log, end: end,
		limit: newLimiter(c.RequestsPerMinute, met), met: met,
		http: &http.Client{
			Transport: c.transport(),
			// A redirect is an answer ("no such community"), not a way to go: the
			// token must not travel to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	client.tokens = &tokens{
		life: life, ask: client.askToken, now: time.Now,
		url: tokenURL.String(), id: c.ClientID, secret: c.ClientSecret,
	}
	return client, nil
}

// Close ends a token call that may be under way, sends those away who wait for
// their turn and closes idle connections. The client is of no use afterwards.
func (c *Client) Close() {
	c.end()
	c.limit.close()
	c.http.CloseIdleConnections()
}

// Newest reads one page of the newest posts of q's subreddits, which share the
// listing /r/a+b+c/new: newest first, but not in strict order, and more than
// q.Limit of them where Reddit adds some. Of several subreddits Reddit leaves
// out, without a word, those that do not exist or are banned.
//
// Errors tell what they are by methods, wherever in the chain they stand:
//
//   - PollState() pulse.PollState: the community cannot be read (*StateError).
//     Asked for several, it means that none exists.
//   - Several() bool: one or more of several cannot be read (*GroupError); ask
//     for parts of them.
//   - RetryAfter() time.Duration: nothing can be sent for so long (*LimitError).
//     That comes at once when ctx ends before.
//   - Outage() bool: whether Reddit as a whole does not answer us (*OutageError,
//     and a *LimitError that says so).
//
// An error with pulse.Invalid is about q, one of ctx about the caller. All others
// are about one bad answer, and may pass when tried again.
func (c *Client) Newest(ctx context.Context, q pulse.ListingQuery) (pulse.ListingPage, error) {
	if err := checkQuery(q); err != nil {
		return pulse.ListingPage{}, err
	}
	query := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	if q.After != "" {
		query.Set("after", q.After)
	}
	r := request{kind: kindNew, class: discovery, names: len(q.Subreddits)}
	switch {
	case q.Urgent:
		r.class = urgent
	case q.Spare:
		r.class = refresh
	}
	// The names have no character that an address would escape.
	page, err := c.listing(ctx, r, "/r/"+strings.Join(q.Subreddits, "+")+"/new", query)
	if err != nil {
		return pulse.ListingPage{}, fmt.Errorf("fetch %s: %w", listed(q.Subreddits), err)
	}
	return page, nil
}

func checkQuery(q pulse.ListingQuery) error {
	if len(q.Subreddits) == 0 || len(q.Subreddits) > mostNames {
		return pulse.InvalidField("subreddits", "want 1 to %d, got %d", mostNames, len(q.Subreddits))
	}
	for i, name := range q.Subreddits {
		row := pulse.Subreddit{Name: name, IntervalSeconds: pulse.MinInterval, Priority: pulse.Fast}
		if pulse.CheckSubreddit(row) != nil {
			return pulse.InvalidField(fmt.Sprintf("subreddits[%d]", i), "want a subreddit's name without r/, e.g. politics")
		}
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		return pulse.InvalidField("limit", "want 1 to %d, got %d", MaxLimit, q.Limit)
	}
	if q.After != "" && !wire.ValidPostID(q.After) {
		return pulse.InvalidField("after", "want a post's full name, e.g. t3_1abc2d")
	}
	return nil
}

// listed names a listing in an error.
func listed(names []string) string {
	if len(names) == 1 {
		return "r/" + names[0]
	}
	return fmt.Sprintf("r/%s and %d more", names[0], len(names)-1)
}

// Info reads the posts with these full names ("t3_…"), at most 100. Posts that
// Reddit no longer knows are left out of the page. It goes only while the budget
// has some to spare. Errors are those of Newest, without *StateError and
// *GroupError.
func (c *Client) Info(ctx context.Context, ids []string) (pulse.ListingPage, error) {
	if len(ids) == 0 {
		return pulse.ListingPage{}, nil
	}
	if len(ids) > MaxLimit {
		return pulse.ListingPage{}, pulse.InvalidField("ids", "want at most %d, got %d", MaxLimit, len(ids))
	}
	r := request{kind: kindInfo, class: refresh}
	page, err := c.listing(ctx, r, "/api/info", url.Values{"id": {strings.Join(ids, ",")}})
	if err != nil {
		return pulse.ListingPage{}, fmt.Errorf("fetch %d posts by id: %w", len(ids), err)
	}
	return page, nil
}

// request is what a listing is asked for.
type request struct {
	kind  kind
	class class
	names int // of subreddits; 0 when posts are asked for by id
}

func (c *Client) listing(ctx context.Context, r request, path string, query url.Values) (pulse.ListingPage, error) {
	// Without it Reddit escapes titles and addresses as HTML.
	query.Set("raw_json", "1")
	address := path + "?" + query.Encode()
	if n := len(c.base.EscapedPath()) + len(address); n > MaxAddress {
		return pulse.ListingPage{}, pulse.InvalidField("address", "want at most %d bytes, ask for less at once: got %d", MaxAddress, n)
	}
	a, err := c.get(ctx, r, c.base.String()+address)
	if err != nil {
		return pulse.ListingPage{}, err
	}
	if err := a.fault(r.names); err != nil {
		return pulse.ListingPage{}, err
	}
	page, err := decodeListing(a.body, string(r.kind), a.observedAt(), a.received)
	if err != nil {
		return pulse.ListingPage{}, err
	}
	page.At = a.observedAt()
	if page.Skipped > 0 {
		c.log.Warn("posts skipped that could not be read", "kind", string(r.kind), "path", path,
			"skipped", page.Skipped, "read", len(page.Observations))
	}
	return page, nil
}

// get sends an authorised request, once more with a new token when Reddit says
// that the token is not, or no longer, good.
func (c *Client) get(ctx context.Context, r request, target string) (*answer, error) {
	for refused := false; ; {
		token, t, err := c.admit(ctx, r.class)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			t.back()
			return nil, fmt.Errorf("make request: %w", err)
		}
		req.Header.Set("Authorization", "bearer "+token)
		a, err := c.exchange(ctx, t, r.kind, req)
		if err != nil {
			return nil, err
		}
		if a.status != http.StatusUnauthorized {
			return a, nil
		}
		c.tokens.drop(token)
		if refused {
			return nil, &OutageError{Err: errors.New("reddit refuses a token that it has just given")}
		}
		refused = true
	}
}

// admit gives a token and the turn to use it.
func (c *Client) admit(ctx context.Context, first class) (string, *turn, error) {
	for late := false; ; late = true {
		// A token call waits for its own turn, and longer than ctx may last.
		if err := c.limit.within(ctx, first); err != nil {
			return "", nil, err
		}
		token, err := c.tokens.get(ctx)
		if err != nil {
			return "", nil, err
		}
		t, err := c.limit.wait(ctx, first)
		if err != nil {
			return "", nil, err
		}
		if current, ok := c.tokens.current(); late || ok && current == token {
			return token, t, nil
		}
		t.back() // the token ended while we waited
	}
}

// askToken sends a token call when its turn has come.
func (c *Client) askToken(ctx context.Context, req *http.Request) (*answer, error) {
	t, err := c.limit.wait(ctx, urgent)
	if err != nil {
		return nil, err
	}
	return c.exchange(ctx, t, kindToken, req)
}

// Window says how we stand with Reddit's limit: what Restore needs in the next
// life of the process.
func (c *Client) Window() pulse.Window { return c.limit.window() }

// Restore goes on where another life of the process, or another process, left
// off. Call it before the first request, and again whenever the polling is taken
// over from another process: even an empty w, or one that is some seconds old,
// keeps the bound of requests in any 600 s. What w does not know of can cost one
// refused request at most: until its answer is here, no other is sent.
func (c *Client) Restore(w pulse.Window) { c.limit.restore(w) }

// Allowed is how many requests a minute can be sent lastingly: by the
// configuration, and by what Reddit last said that its limit is. A little of the
// configured number is set apart for bursts.
func (c *Client) Allowed() float64 { return c.limit.allowed() * time.Minute.Seconds() }

// Sent is how many requests a minute were sent over the last ten minutes.
func (c *Client) Sent() float64 { return c.limit.sent() / window.Minutes() }
