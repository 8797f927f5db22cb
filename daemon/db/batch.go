package db

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

var (
	upsertPosts      = sql.Query("post/upsert")
	postsStoredAs    = sql.Query("post/stored_as")
	insertHistory    = sql.Query("history/insert")
	ensurePartitions = sql.Query("history/ensure_partitions")
	enterTrend       = sql.Query("trend/enter")
	leaveTrend       = sql.Query("trend/leave")
)

// WriteBatch stores in one transaction readings, which are sorted by post and
// time and distinct: all of them in the history, and the last of each post in
// posts unless a newer one is there. Those to announce are the ids of the posts
// that are now stored so, and repeated: the posts, as they are stored, whose very
// reading was stored before, so that a replay changed nothing.
func (d *DB) WriteBatch(ctx context.Context, readings []pulse.Post) (stored []string, repeated []pulse.Post, err error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	if err := d.ensure(ctx, d.parts.missing(readings)); err != nil {
		return nil, nil, err
	}
	newest := newestOf(readings)
	columns, err := postColumns(newest)
	if err != nil {
		return nil, nil, err
	}
	var inserted int64
	// Sent at once, the statements are one transaction without a begin and a
	// commit of their own, which would each cost a round trip.
	var batch pgx.Batch
	batch.Queue(upsertPosts, columns...).Query(func(rows pgx.Rows) error {
		var err error
		stored, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	batch.Queue(insertHistory, historyColumns(readings)...).Exec(func(ct pgconn.CommandTag) error {
		inserted = ct.RowsAffected()
		return nil
	})
	queueTrends(&batch, newest)
	err = refusedBy(coded("store a batch", d.primary.SendBatch(ctx, &batch).Close()))
	if lacksPartition(err) {
		d.parts.forget()
		return nil, nil, &pulse.Error{Code: pulse.Unavailable, Message: "store a batch", Err: err}
	}
	if err != nil {
		return nil, nil, err
	}
	d.metrics.rows.WithLabelValues("posts").Add(float64(len(stored)))
	d.metrics.rows.WithLabelValues("post_history").Add(float64(inserted))
	if len(stored) < len(newest) {
		repeated, err = d.repeated(ctx, newest, stored)
	}
	return stored, repeated, err
}

// refusedBy names what refused the data: dead letters are told apart by it.
func refusedBy(err error) error {
	var pg *pgconn.PgError
	if pulse.CodeOf(err) != pulse.Invalid || !errors.As(err, &pg) {
		return err
	}
	return &pulse.Error{
		Code: pulse.Invalid, Field: cmp.Or(pg.ConstraintName, pg.ColumnName, pg.Code), Message: "store a batch", Err: pg,
	}
}

// newestOf gives the last reading of each post.
func newestOf(readings []pulse.Post) []*pulse.Post {
	newest := make([]*pulse.Post, 0, len(readings))
	for i := range readings {
		if i+1 == len(readings) || readings[i+1].PostID != readings[i].PostID {
			newest = append(newest, &readings[i])
		}
	}
	return newest
}

// queueTrends keeps the list of what trends in step with posts.
func queueTrends(batch *pgx.Batch, newest []*pulse.Post) {
	var trending, others []string
	for _, p := range newest {
		if p.Trend != nil {
			trending = append(trending, p.PostID)
		} else {
			others = append(others, p.PostID)
		}
	}
	if len(trending) > 0 {
		batch.Queue(enterTrend, trending)
	}
	if len(others) > 0 {
		batch.Queue(leaveTrend, others)
	}
}

// repeated gives the posts that the upsert left alone because this very reading
// was stored before.
func (d *DB) repeated(ctx context.Context, newest []*pulse.Post, stored []string) ([]pulse.Post, error) {
	done := make(map[string]bool, len(stored))
	for _, id := range stored {
		done[id] = true
	}
	var ids []string
	var times []time.Time
	for _, p := range newest {
		if !done[p.PostID] {
			ids = append(ids, p.PostID)
			times = append(times, p.ObservedAt)
		}
	}
	rows, err := d.primary.Query(ctx, postsStoredAs, ids, times)
	if err != nil {
		return nil, coded("look for repeated posts", err)
	}
	posts, err := pgx.CollectRows(rows, scanPost)
	return posts, coded("look for repeated posts", err)
}

func postColumns(posts []*pulse.Post) ([]any, error) {
	n := len(posts)
	var (
		id, subreddit, title, author   = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		url, permalink, state          = make([]string, n), make([]string, n), make([]string, n)
		flair                          = make([]*string, n)
		isSelf, over18                 = make([]bool, n), make([]bool, n)
		created, observed              = make([]time.Time, n), make([]time.Time, n)
		score, comments                = make([]int64, n), make([]int64, n)
		ratio, velocity, commentsSpeed = make([]*float64, n), make([]*float64, n), make([]*float64, n)
		sentiment, trend               = make([]*float64, n), make([]*string, n)
	)
	for i, p := range posts {
		if p.Trend != nil {
			text, err := json.Marshal(p.Trend)
			if err != nil {
				return nil, &pulse.Error{Code: pulse.Internal, Message: "store a batch: encode a trend", Err: err}
			}
			whole := string(text)
			trend[i] = &whole
		}
		id[i], subreddit[i], title[i], author[i] = p.PostID, p.Subreddit, p.Title, p.Author
		url[i], permalink[i], state[i], flair[i] = p.URL, p.Permalink, string(p.State), p.Flair
		isSelf[i], over18[i] = p.IsSelf, p.Over18
		created[i], observed[i] = p.CreatedAt, p.ObservedAt
		score[i], comments[i] = p.Score, p.NumComments
		ratio[i], velocity[i], commentsSpeed[i] = p.UpvoteRatio, p.Velocity, p.CommentVelocity
		sentiment[i] = p.Sentiment
	}
	return []any{id, subreddit, title, author, url, permalink, flair, isSelf, over18, created, observed,
		score, comments, ratio, state, velocity, commentsSpeed, sentiment, trend}, nil
}

func historyColumns(posts []pulse.Post) []any {
	n := len(posts)
	var (
		id                             = make([]string, n)
		observed                       = make([]time.Time, n)
		score, comments                = make([]int64, n), make([]int64, n)
		ratio, velocity, commentsSpeed = make([]*float64, n), make([]*float64, n), make([]*float64, n)
	)
	for i := range posts {
		p := &posts[i]
		id[i], observed[i], score[i], comments[i] = p.PostID, p.ObservedAt, p.Score, p.NumComments
		ratio[i], velocity[i], commentsSpeed[i] = p.UpvoteRatio, p.Velocity, p.CommentVelocity
	}
	return []any{id, observed, score, comments, ratio, velocity, commentsSpeed}
}

// partitionSet remembers which days have their partition.
type partitionSet struct {
	mu   sync.Mutex // covers days
	days map[time.Time]bool
}

func (s *partitionSet) missing(history []pulse.Post) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing []time.Time
	for i := range history {
		day := dayOf(history[i].ObservedAt)
		if !s.days[day] && !slices.Contains(missing, day) {
			missing = append(missing, day)
		}
	}
	return missing
}

func (s *partitionSet) add(days []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.days == nil {
		s.days = map[time.Time]bool{}
	}
	for _, day := range days {
		s.days[day] = true
	}
}

func (s *partitionSet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.days = nil
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// EnsurePartitions makes the history's partitions from the day of from for so
// many days.
func (d *DB) EnsurePartitions(ctx context.Context, from time.Time, days int) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var wanted []time.Time
	for i := range days {
		wanted = append(wanted, dayOf(from).AddDate(0, 0, i))
	}
	return d.ensure(ctx, wanted)
}

func (d *DB) ensure(ctx context.Context, days []time.Time) error {
	if len(days) == 0 {
		return nil
	}
	if _, err := d.primary.Exec(ctx, ensurePartitions, days); err != nil {
		return coded("make history partitions", err)
	}
	d.parts.add(days)
	return nil
}

// lacksPartition tells whether a row found no partition: it was dropped since
// this process made it. The next try makes it again.
func lacksPartition(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && pg.TableName == "post_history"
}
