package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// PostsQuery is one page of posts. The zero value is the first page of all.
type PostsQuery struct {
	wire.Filter
	Since  time.Time   // zero: no bound
	Until  time.Time   // zero: no bound
	Order  pulse.Order // "": by observation
	Limit  int         // 1 to 200; 0: the server's default
	Cursor string      // from Next or Previous of a page
}

func (q *PostsQuery) values() url.Values {
	v := filterValues(&q.Filter)
	if !q.Since.IsZero() {
		v.Set("since", wire.FormatTime(q.Since))
	}
	if !q.Until.IsZero() {
		v.Set("until", wire.FormatTime(q.Until))
	}
	if q.Order != "" {
		v.Set("order", string(q.Order))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Cursor != "" {
		v.Set("cursor", q.Cursor)
	}
	return v
}

// filterValues is a filter as the query of both the list and the feed.
func filterValues(f *wire.Filter) url.Values {
	v := url.Values{}
	for _, name := range f.Subreddit {
		v.Add("subreddit", name)
	}
	if f.MinScore != nil {
		v.Set("min_score", strconv.FormatInt(*f.MinScore, 10))
	}
	if f.MinVelocity != nil {
		v.Set("min_velocity", strconv.FormatFloat(*f.MinVelocity, 'g', -1, 64))
	}
	if f.Trending {
		v.Set("trending", "true")
	}
	if f.Q != "" {
		v.Set("q", f.Q)
	}
	return v
}

// Posts gives one page of posts.
func (c *Client) Posts(ctx context.Context, q PostsQuery) (wire.Page, error) {
	return get[wire.Page](ctx, c, "/api/posts/", q.values())
}

// Post gives one post, NotFound where there is none.
func (c *Client) Post(ctx context.Context, id string) (wire.Post, error) {
	return get[wire.Post](ctx, c, "/api/posts/"+url.PathEscape(id)+"/", nil)
}

// History gives the readings of a post, oldest first.
func (c *Client) History(ctx context.Context, id string) (wire.History, error) {
	return get[wire.History](ctx, c, "/api/posts/"+url.PathEscape(id)+"/history/", nil)
}

// Stats counts what is stored.
func (c *Client) Stats(ctx context.Context) (wire.Stats, error) {
	return get[wire.Stats](ctx, c, "/api/stats/", nil)
}

// Health says how the system is. It needs no token, and a system that is not
// well is an answer, not an error.
func (c *Client) Health(ctx context.Context) (wire.Health, error) {
	var out wire.Health
	err := c.call(ctx, request{method: http.MethodGet, path: "/api/health/", out: &out, open: true,
		also: http.StatusServiceUnavailable})
	return out, err
}

// Subreddits lists the watched subreddits and what polling them costs.
func (c *Client) Subreddits(ctx context.Context) (wire.SubredditList, error) {
	return get[wire.SubredditList](ctx, c, "/api/subreddits/", nil)
}

// Subreddit gives one row, NotFound where there is none.
func (c *Client) Subreddit(ctx context.Context, name string) (wire.Subreddit, error) {
	return get[wire.Subreddit](ctx, c, subredditPath(name), nil)
}

// AddSubreddit adds a row; Conflict where it is there already.
func (c *Client) AddSubreddit(ctx context.Context, s wire.NewSubreddit) (wire.Subreddit, error) {
	var out wire.Subreddit
	err := c.call(ctx, request{method: http.MethodPost, path: "/api/subreddits/", body: s, out: &out})
	return out, err
}

// EditSubreddit changes the fields of a row that are set in change; Conflict
// where the row is no longer of that version.
func (c *Client) EditSubreddit(
	ctx context.Context, name string, version int64, change wire.SubredditChange,
) (wire.Subreddit, error) {
	var out wire.Subreddit
	err := c.call(ctx, request{
		method: http.MethodPatch, path: subredditPath(name), header: ifMatch(version), body: change, out: &out,
	})
	return out, err
}

// RemoveSubreddit removes a row; Conflict where it is no longer of that version.
func (c *Client) RemoveSubreddit(ctx context.Context, name string, version int64) error {
	return c.call(ctx, request{method: http.MethodDelete, path: subredditPath(name), header: ifMatch(version)})
}

// Preview says what changes would do to the request budget. It changes nothing.
func (c *Client) Preview(ctx context.Context, changes ...wire.PreviewChange) (wire.Preview, error) {
	var out wire.Preview
	err := c.call(ctx, request{
		method: http.MethodPost, path: "/api/subreddits/preview/",
		body: wire.PreviewOf(changes...), out: &out,
	})
	return out, err
}

// Gaps gives the newest gaps of a subreddit, newest first; NotFound where it is
// not watched. At most 1,000; limit 0 is the server's default.
func (c *Client) Gaps(ctx context.Context, name string, limit int) ([]wire.Gap, error) {
	query := url.Values{}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	list, err := get[wire.GapList](ctx, c, subredditPath(name)+"gaps/", query)
	return list.Results, err
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var out T
	err := c.call(ctx, request{method: http.MethodGet, path: path, query: query, out: &out})
	return out, err
}

func subredditPath(name string) string { return "/api/subreddits/" + url.PathEscape(name) + "/" }

func ifMatch(version int64) http.Header {
	return http.Header{"If-Match": {fmt.Sprintf(`"v%d"`, version)}}
}
