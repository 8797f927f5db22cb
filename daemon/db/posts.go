package db

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

// pageOf is the two statements of an order: onward and back.
type pageOf struct{ onward, back string }

var (
	pages = map[pulse.Order]pageOf{
		pulse.ByObserved: {sql.Query("post/list_observed"), sql.Query("post/list_observed_back")},
		pulse.ByCreated:  {sql.Query("post/list_created"), sql.Query("post/list_created_back")},
		pulse.ByScore:    {sql.Query("post/list_score"), sql.Query("post/list_score_back")},
		pulse.ByVelocity: {sql.Query("post/list_velocity"), sql.Query("post/list_velocity_back")},
	}
	getPost          = sql.Query("post/get")
	knownPosts       = sql.Query("post/known")
	livePosts        = sql.Query("post/list_live")
	postsByID        = sql.Query("post/by_ids")
	historyOfPost    = sql.Query("history/of_post")
	statsAll         = sql.Query("post/stats")
	statsBySubreddit = sql.Query("post/stats_by_subreddit")
)

// ListPosts gives a page in q's order and one post more where more follow. With
// q.Before the extra post, where there is one, comes first.
func (d *DB) ListPosts(ctx context.Context, q pulse.PostQuery) ([]pulse.Post, pulse.ServedBy, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	if q.Filter.Trending {
		return d.listTrending(ctx, q)
	}
	page, ok := pages[q.Order]
	if !ok {
		return nil, pulse.Primary, pulse.InvalidField("order", "%q is unknown", q.Order)
	}
	statement := page.onward
	if q.Before {
		statement = page.back
	}
	var posts []pulse.Post
	by, err := d.read(ctx, "list posts", func(ctx context.Context, db querier) error {
		rows, err := db.Query(ctx, statement, pageArgs(q)...)
		if err != nil {
			return err
		}
		posts, err = pgx.CollectRows(rows, scanPost)
		return err
	})
	if q.Before {
		slices.Reverse(posts)
	}
	return posts, by, err
}

func filterArgs(f pulse.PostFilter) []any {
	var subreddits []string
	for _, name := range f.Subreddits {
		subreddits = append(subreddits, strings.ToLower(name))
	}
	var words *string
	if f.Words != "" {
		words = &f.Words
	}
	return []any{subreddits, words, f.MinScore, f.MinVelocity, timeOrNil(f.Since), timeOrNil(f.Until)}
}

func pageArgs(q pulse.PostQuery) []any {
	var key, id any
	if q.After != nil {
		id = q.After.ID
		if q.Order == pulse.ByScore || q.Order == pulse.ByVelocity {
			key = q.After.Number
		} else {
			key = q.After.Time
		}
	}
	return append(filterArgs(q.Filter), key, id, q.Limit+1)
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func scanPost(row pgx.CollectableRow) (pulse.Post, error) {
	var p pulse.Post
	err := row.Scan(&p.PostID, &p.Subreddit, &p.Title, &p.Author, &p.URL, &p.Permalink, &p.Flair,
		&p.IsSelf, &p.Over18, &p.CreatedAt, &p.ObservedAt, &p.Score, &p.NumComments,
		&p.UpvoteRatio, &p.State, &p.Velocity, &p.CommentVelocity, &p.Sentiment, &p.Trend)
	p.CreatedAt, p.ObservedAt = p.CreatedAt.UTC(), p.ObservedAt.UTC()
	return p, err
}

// GetPost gives one post; NotFound where it is not stored.
func (d *DB) GetPost(ctx context.Context, id string) (pulse.Post, pulse.ServedBy, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var post pulse.Post
	by, err := d.read(ctx, "get a post", func(ctx context.Context, db querier) error {
		rows, err := db.Query(ctx, getPost, id)
		if err != nil {
			return err
		}
		post, err = pgx.CollectExactlyOneRow(rows, scanPost)
		return err
	})
	if pulse.CodeOf(err) == pulse.NotFound {
		err = notFound("post", id)
	}
	return post, by, err
}

// PostHistory gives the newest limit readings of a post, oldest first; none for
// a post that is not stored.
func (d *DB) PostHistory(ctx context.Context, id string, limit int) ([]pulse.Reading, pulse.ServedBy, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var readings []pulse.Reading
	by, err := d.read(ctx, "get a post's history", func(ctx context.Context, db querier) error {
		rows, err := db.Query(ctx, historyOfPost, id, limit)
		if err != nil {
			return err
		}
		readings, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (pulse.Reading, error) {
			var r pulse.Reading
			err := row.Scan(&r.ObservedAt, &r.Score, &r.NumComments, &r.UpvoteRatio, &r.Velocity)
			r.ObservedAt = r.ObservedAt.UTC()
			return r, err
		})
		return err
	})
	slices.Reverse(readings)
	return readings, by, err
}

// Stats counts what is stored.
func (d *DB) Stats(ctx context.Context) (pulse.Stats, pulse.ServedBy, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var s pulse.Stats
	by, err := d.read(ctx, "count posts", func(ctx context.Context, db querier) error {
		s = pulse.Stats{}
		err := db.QueryRow(ctx, statsAll).Scan(&s.Posts, &s.Subreddits, &s.PostsHour,
			&s.ObservationsHour, &s.NewestObservedAt)
		if err != nil {
			return err
		}
		rows, err := db.Query(ctx, statsBySubreddit)
		if err != nil {
			return err
		}
		s.BySubreddit, err = pgx.CollectRows(rows, pgx.RowToStructByPos[pulse.SubredditStats])
		return err
	})
	return s, by, err
}

// KnownPosts gives those of ids that are stored on the primary.
func (d *DB) KnownPosts(ctx context.Context, ids []string) ([]string, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, knownPosts, ids)
	if err != nil {
		return nil, coded("look for known posts", err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return known, coded("look for known posts", err)
}

// LivePosts gives the live posts made at or after since, newest first, at most
// limit: only PostID, Subreddit, State, the times, Score, NumComments and
// Velocity are set. They are read from the primary, so that none that was
// stored before is missing.
func (d *DB) LivePosts(ctx context.Context, since time.Time, limit int) ([]pulse.Post, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, livePosts, since, limit)
	if err != nil {
		return nil, coded("list live posts", err)
	}
	posts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pulse.Post, error) {
		var p pulse.Post
		err := row.Scan(&p.PostID, &p.Subreddit, &p.CreatedAt, &p.ObservedAt, &p.Score,
			&p.NumComments, &p.Velocity)
		p.State, p.CreatedAt, p.ObservedAt = pulse.Live, p.CreatedAt.UTC(), p.ObservedAt.UTC()
		return p, err
	})
	return posts, coded("list live posts", err)
}

// PostsByID gives those of ids that are stored on the primary, in any order.
func (d *DB) PostsByID(ctx context.Context, ids []string) ([]pulse.Post, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, postsByID, ids)
	if err != nil {
		return nil, coded("get posts", err)
	}
	posts, err := pgx.CollectRows(rows, scanPost)
	return posts, coded("get posts", err)
}
