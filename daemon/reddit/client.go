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
)

// Bounds of one call.
const (
	MaxLimit = 100      // posts on a page, ids of an Info call
	maxBody  = 16 << 20 // bytes of an answer after decompression; a page of 100 posts has 0.5 MB
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
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	transport.MaxResponseHeaderBytes = 64 << 10
	life, end := context.WithCancel(context.Background())
	client := &Client{
		base: base, userAgent: c.UserAgent, timeout: c.Timeout, log: log, end: end,
		limit: newLimiter(c.RequestsPerMinute),
		met:   newMetrics(reg, c.RequestsPerMinute),
		http: &http.Client{
			Transport: transport,
			// A redirect is an answer ("no such community"), not a way to go: the
			// token must not travel to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	client.tokens = &tokens{
		life: life, exchange: client.exchange, now: time.Now,
		url: tokenURL.String(), id: c.ClientID, secret: c.ClientSecret,
	}
	return client, nil
}

// Close ends a token call that may be under way and closes idle connections.
// The client is of no use afterwards.
func (c *Client) Close() {
	c.end()
	c.http.CloseIdleConnections()
}

// Newest reads one page of r/subreddit/new, newest first. after continues
// behind that post's id; "" reads the newest page. limit is 1 to 100. A page
// may hold more than limit posts, and not in strict order.
//
// Errors are a *StateError when the community cannot be read, a *LimitError
// when Reddit wants fewer requests, else they may pass when tried again.
func (c *Client) Newest(ctx context.Context, subreddit string, limit int, after string) (pulse.ListingPage, error) {
	if subreddit == "" {
		return pulse.ListingPage{}, pulse.InvalidField("subreddit", "missing")
	}
	if limit < 1 || limit > MaxLimit {
		return pulse.ListingPage{}, pulse.InvalidField("limit", "want 1 to %d, got %d", MaxLimit, limit)
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if after != "" {
		query.Set("after", after)
	}
	page, err := c.listing(ctx, kindNew, "/r/"+url.PathEscape(subreddit)+"/new", query)
	if err != nil {
		return pulse.ListingPage{}, fmt.Errorf("fetch r/%s: %w", subreddit, err)
	}
	return page, nil
}

// Info reads the posts with these full names ("t3_…"), at most 100. Posts that
// Reddit no longer knows are left out of the page. Errors are those of Newest,
// without *StateError.
func (c *Client) Info(ctx context.Context, ids []string) (pulse.ListingPage, error) {
	if len(ids) == 0 {
		return pulse.ListingPage{}, nil
	}
	if len(ids) > MaxLimit {
		return pulse.ListingPage{}, pulse.InvalidField("ids", "want at most %d, got %d", MaxLimit, len(ids))
	}
	page, err := c.listing(ctx, kindInfo, "/api/info", url.Values{"id": {strings.Join(ids, ",")}})
	if err != nil {
		return pulse.ListingPage{}, fmt.Errorf("fetch %d posts by id: %w", len(ids), err)
	}
	return page, nil
}

func (c *Client) listing(ctx context.Context, k kind, path string, query url.Values) (pulse.ListingPage, error) {
	// Without it Reddit escapes titles and addresses as HTML.
	query.Set("raw_json", "1")
	a, err := c.get(ctx, k, c.base.String()+path+"?"+query.Encode())
	if err != nil {
		return pulse.ListingPage{}, err
	}
	if err := a.fault(k); err != nil {
		return pulse.ListingPage{}, err
	}
	page, err := decodeListing(a.body, string(k), a.observedAt(), a.received)
	if err != nil {
		return pulse.ListingPage{}, err
	}
	if page.Skipped > 0 {
		c.log.Warn("posts skipped that could not be read", "kind", string(k), "path", path,
			"skipped", page.Skipped, "read", len(page.Observations))
	}
	return page, nil
}

// get sends an authorised request, once more with a new token when Reddit says
// that the token is not, or no longer, good.
func (c *Client) get(ctx context.Context, k kind, target string) (*answer, error) {
	for retried := false; ; retried = true {
		token, err := c.tokens.get(ctx)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return nil, fmt.Errorf("make request: %w", err)
		}
		req.Header.Set("Authorization", "bearer "+token)
		a, err := c.exchange(ctx, k, req)
		if err != nil {
			return nil, err
		}
		if a.status != http.StatusUnauthorized {
			return a, nil
		}
		c.tokens.drop(token)
		if retried {
			return nil, errors.New("reddit refuses a token that it has just given")
		}
	}
}
