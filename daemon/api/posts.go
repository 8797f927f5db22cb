package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

type listPostsInput struct {
	Subreddit   []string          `query:"subreddit,explode" maxItems:"100" doc:"any of these; repeat it for more than one"`
	Words       string            `query:"q" maxLength:"200" doc:"all of these words in the title"`
	MinScore    optional[int64]   `query:"min_score"`
	MinVelocity optional[float64] `query:"min_velocity" doc:"points per minute"`
	Trending    bool              `query:"trending" doc:"true: only posts that trend"`
	Since       string            `query:"since" format:"date-time" doc:"observed at or after; the + of an offset is sent as %2B"`
	Until       string            `query:"until" format:"date-time" doc:"observed before"`
	Order       string            `query:"order" enum:"-observed_at,-created_at,-score,-velocity" default:"-observed_at"`
	Limit       int               `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor      string            `query:"cursor" maxLength:"200" doc:"next or previous of a page with the same filter and order"`
}

type postPage struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.Page
}

func (s *server) listPosts(ctx context.Context, in *listPostsInput) (*postPage, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		if err := s.cursors.decode(in.Cursor, &q); err != nil {
			return nil, err
		}
	}
	posts, by, err := s.Posts.ListPosts(ctx, q)
	if err != nil {
		return nil, err
	}
	return &postPage{ServedBy: string(by), Body: s.page(&q, posts)}, nil
}

// query checks what the schema cannot say.
func (in *listPostsInput) query() (pulse.PostQuery, error) {
	filter := wire.Filter{
		Subreddit: in.Subreddit, MinScore: in.MinScore.pointer(),
		MinVelocity: in.MinVelocity.pointer(), Trending: in.Trending, Q: in.Words,
	}
	if err := filter.Check(); err != nil {
		return pulse.PostQuery{}, err
	}
	q := pulse.PostQuery{Filter: filter.Domain(), Order: pulse.Order(in.Order), Limit: in.Limit}
	var err error
	if q.Filter.Since, err = bound("since", in.Since); err != nil {
		return pulse.PostQuery{}, err
	}
	if q.Filter.Until, err = bound("until", in.Until); err != nil {
		return pulse.PostQuery{}, err
	}
	if !q.Filter.Until.IsZero() && !q.Filter.Until.After(q.Filter.Since) {
		return pulse.PostQuery{}, pulse.InvalidField("until", "not later than since")
	}
	canonicalFilter(&q.Filter)
	return q, nil
}

func bound(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, pulse.InvalidField(field, "want an RFC 3339 time such as 2026-01-31T12:00:00Z")
	}
	if t = t.UTC(); t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}, pulse.InvalidField(field, "want a year from 1970 to 9998")
	}
	return t, nil
}

// canonicalFilter makes filters that mean the same the same.
func canonicalFilter(f *pulse.PostFilter) {
	f.Words = strings.Join(strings.Fields(f.Words), " ")
	names := make([]string, 0, len(f.Subreddits))
	for _, name := range f.Subreddits {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	f.Subreddits = slices.Compact(names)
	if len(f.Subreddits) == 0 {
		f.Subreddits = nil
	}
}

// page cuts the extra post off, at the end that the walk is heading for, and
// says where the neighbours are.
func (s *server) page(q *pulse.PostQuery, posts []pulse.Post) wire.Page {
	more := len(posts) > q.Limit
	if more && q.Before {
		posts = posts[len(posts)-q.Limit:]
	} else if more {
		posts = posts[:q.Limit]
	}
	page := wire.Page{Results: make([]wire.Post, 0, len(posts))}
	for i := range posts {
		page.Results = append(page.Results, wire.FromPost(&posts[i]))
	}
	if len(posts) == 0 {
		return page
	}
	first, last := &posts[0], &posts[len(posts)-1]
	if more || q.Before { // the place that a walk came from has posts behind it
		next := s.cursors.encode(q, pulse.PlaceOf(last, q.Order), false)
		page.Next = &next
	}
	if q.Before && more || !q.Before && q.After != nil {
		previous := s.cursors.encode(q, pulse.PlaceOf(first, q.Order), true)
		page.Previous = &previous
	}
	return page
}

type postInput struct {
	ID string `path:"id" doc:"Reddit's full name" example:"t3_1abcde"`
}

type postOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.Post
}

func (s *server) getPost(ctx context.Context, in *postInput) (*postOutput, error) {
	if err := checkPostID(in.ID); err != nil {
		return nil, err
	}
	post, by, err := s.Posts.GetPost(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &postOutput{ServedBy: string(by), Body: wire.FromPost(&post)}, nil
}

func checkPostID(id string) error {
	if !wire.ValidPostID(id) {
		return pulse.InvalidField("id", "no post id, want t3_ and 1 to 13 of 0-9 a-z")
	}
	return nil
}

type historyInput struct {
	ID         string `path:"id" doc:"Reddit's full name" example:"t3_1abcde"`
	Resolution string `query:"resolution" enum:"raw" default:"raw"`
	Limit      int    `query:"limit" minimum:"1" maximum:"1000" default:"500" doc:"the newest so many"`
}

type historyOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.History
}

func (s *server) postHistory(ctx context.Context, in *historyInput) (*historyOutput, error) {
	if err := checkPostID(in.ID); err != nil {
		return nil, err
	}
	readings, by, err := s.Posts.PostHistory(ctx, in.ID, in.Limit)
	if err != nil {
		return nil, err
	}
	if len(readings) == 0 { // no readings, or no such post
		if _, by, err = s.Posts.GetPost(ctx, in.ID); err != nil {
			return nil, err
		}
	}
	history := wire.History{ID: in.ID, Results: make([]wire.Reading, 0, len(readings))}
	for _, r := range readings {
		history.Results = append(history.Results, wire.Reading{
			ObservedAt: r.ObservedAt.UTC(), Score: r.Score, NumComments: r.NumComments,
			UpvoteRatio: r.UpvoteRatio, Velocity: r.Velocity,
		})
	}
	return &historyOutput{ServedBy: string(by), Body: history}, nil
}

type statsOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.Stats
}

func (s *server) stats(ctx context.Context, _ *struct{}) (*statsOutput, error) {
	stats, by, err := s.Posts.Stats(ctx)
	if err != nil {
		return nil, err
	}
	body := wire.Stats{
		Posts: stats.Posts, Subreddits: stats.Subreddits, PostsHour: stats.PostsHour,
		ObservationsHour: stats.ObservationsHour, NewestObservedAt: stats.NewestObservedAt,
		BySubreddit: make([]wire.SubredditStats, 0, len(stats.BySubreddit)),
	}
	for _, one := range stats.BySubreddit {
		body.BySubreddit = append(body.BySubreddit, wire.SubredditStats(one))
	}
	return &statsOutput{ServedBy: string(by), Body: body}, nil
}
