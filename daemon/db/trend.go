package db

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

// maxTrending bounds how many trending posts a page is chosen from. Of 200,000
// posts under watch a few thousand trend.
const maxTrending = 20_000

var (
	trendingPosts   = sql.Query("post/list_trending")
	expireTrends    = sql.Query("trend/expire")
	addBaselines    = sql.Query("baseline/add")
	baselinesSince  = sql.Query("baseline/since")
	forgetBaselines = sql.Query("baseline/forget")
)

// listTrending sorts here what the database chose: no index holds what orders
// it, and the posts that trend are few.
func (d *DB) listTrending(ctx context.Context, q pulse.PostQuery) ([]pulse.Post, pulse.ServedBy, error) {
	if _, ok := pages[q.Order]; !ok {
		return nil, pulse.Primary, pulse.InvalidField("order", "%q is unknown", q.Order)
	}
	var posts []pulse.Post
	by, err := d.read(ctx, "list trending posts", func(ctx context.Context, db querier) error {
		rows, err := db.Query(ctx, trendingPosts, append(filterArgs(q.Filter), maxTrending)...)
		if err != nil {
			return err
		}
		posts, err = pgx.CollectRows(rows, scanPost)
		return err
	})
	if err != nil {
		return nil, by, err
	}
	return pageOfSorted(posts, q), by, nil
}

// pageOfSorted is what the list statements do: posts in q's order behind its
// place, or before it, and one more than the limit.
func pageOfSorted(posts []pulse.Post, q pulse.PostQuery) []pulse.Post {
	slices.SortFunc(posts, func(a, b pulse.Post) int {
		return comparePlaces(pulse.PlaceOf(&b, q.Order), pulse.PlaceOf(&a, q.Order))
	})
	if q.After != nil {
		posts = slices.DeleteFunc(posts, func(p pulse.Post) bool {
			c := comparePlaces(pulse.PlaceOf(&p, q.Order), *q.After)
			return q.Before && c <= 0 || !q.Before && c >= 0
		})
	}
	excess := max(0, len(posts)-q.Limit-1)
	if q.Before {
		return posts[excess:]
	}
	return posts[:len(posts)-excess]
}

func comparePlaces(a, b pulse.PostPlace) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Number, b.Number), strings.Compare(a.ID, b.ID))
}

// ExpireTrends forgets that posts trend whose newest reading is older than at.
func (d *DB) ExpireTrends(ctx context.Context, at time.Time) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, expireTrends, at)
	return coded("expire trends", err)
}

// AddBaselines adds what was learnt, sorted by subreddit, age and day, to the
// stored baselines. After an error it may or may not have been added.
func (d *DB) AddBaselines(ctx context.Context, learnt []pulse.Baseline) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	n := len(learnt)
	subreddit, bucket, seconds := make([]string, n), make([]string, n), make([]string, n)
	day, comments := make([]time.Time, n), make([]int64, n)
	for i := range learnt {
		b := &learnt[i]
		subreddit[i], bucket[i], day[i], comments[i] = b.Subreddit, b.AgeBucket, b.Day, b.Comments
		seconds[i] = arrayText(b.Seconds)
	}
	_, err := d.primary.Exec(ctx, addBaselines, subreddit, bucket, day, seconds, comments)
	return coded("add baselines", err)
}

// arrayText is the text form of a Postgres array: an array of arrays must be a
// rectangle, an array of texts need not.
func arrayText(numbers []int64) string {
	text := []byte{'{'}
	for i, n := range numbers {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return string(append(text, '}'))
}

// EachBaseline gives the stored baselines of since's day and later to f, those
// of one cell behind each other. They are read from the primary.
func (d *DB) EachBaseline(ctx context.Context, since time.Time, f func(pulse.Baseline)) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, baselinesSince, since)
	if err != nil {
		return coded("read baselines", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b pulse.Baseline
		if err := rows.Scan(&b.Subreddit, &b.AgeBucket, &b.Day, &b.Seconds, &b.Comments); err != nil {
			return coded("read baselines", err)
		}
		f(b)
	}
	return coded("read baselines", rows.Err())
}

// ForgetBaselines removes the baselines of the days before day.
func (d *DB) ForgetBaselines(ctx context.Context, day time.Time) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, forgetBaselines, day)
	return coded("forget baselines", err)
}
