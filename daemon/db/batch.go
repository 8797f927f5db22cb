package db

import (
	"context"
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
)

// WriteBatch stores in one transaction the newest reading of each post
// (newest: sorted by id, one a post) and all the readings (history: sorted by
// id and time, distinct). It gives the ids in newest that are, after it, the
// newest known of their post: those to announce, also when a replay changed
// nothing.
func (d *DB) WriteBatch(ctx context.Context, newest, history []pulse.Post) ([]string, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	if err := d.ensure(ctx, d.parts.missing(history)); err != nil {
		return nil, err
	}
	var stored []string
	var inserted int64
	err := d.inTx(ctx, "store a batch", func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(upsertPosts, postColumns(newest)...).Query(func(rows pgx.Rows) error {
			var err error
			stored, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		batch.Queue(insertHistory, historyColumns(history)...).Exec(func(ct pgconn.CommandTag) error {
			inserted = ct.RowsAffected()
			return nil
		})
		return tx.SendBatch(ctx, &batch).Close()
	})
	if lacksPartition(err) {
		d.parts.forget()
		return nil, &pulse.Error{Code: pulse.Unavailable, Message: "store a batch", Err: err}
	}
	if err != nil {
		return nil, err
	}
	d.metrics.rows.WithLabelValues("posts").Add(float64(len(stored)))
	d.metrics.rows.WithLabelValues("post_history").Add(float64(inserted))
	if len(stored) == len(newest) {
		return stored, nil
	}
	return d.withReplayed(ctx, newest, stored)
}

// withReplayed adds the posts that the upsert left alone because this very
// reading was stored before.
func (d *DB) withReplayed(ctx context.Context, newest []pulse.Post, stored []string) ([]string, error) {
	done := make(map[string]bool, len(stored))
	for _, id := range stored {
		done[id] = true
	}
	var ids []string
	var times []time.Time
	for i := range newest {
		if p := &newest[i]; !done[p.PostID] {
			ids = append(ids, p.PostID)
			times = append(times, p.ObservedAt)
		}
	}
	rows, err := d.primary.Query(ctx, postsStoredAs, ids, times)
	if err != nil {
		return nil, coded("look for replayed posts", err)
	}
	replayed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, coded("look for replayed posts", err)
	}
	return append(stored, replayed...), nil
}

func postColumns(posts []pulse.Post) []any {
	n := len(posts)
	var (
		id, subreddit, title, author   = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		url, permalink, state          = make([]string, n), make([]string, n), make([]string, n)
		flair                          = make([]*string, n)
		isSelf, over18                 = make([]bool, n), make([]bool, n)
		created, observed              = make([]time.Time, n), make([]time.Time, n)
		score, comments                = make([]int64, n), make([]int64, n)
		ratio, velocity, commentsSpeed = make([]*float64, n), make([]*float64, n), make([]*float64, n)
	)
	for i := range posts {
		p := &posts[i]
		id[i], subreddit[i], title[i], author[i] = p.PostID, p.Subreddit, p.Title, p.Author
		url[i], permalink[i], state[i], flair[i] = p.URL, p.Permalink, string(p.State), p.Flair
		isSelf[i], over18[i] = p.IsSelf, p.Over18
		created[i], observed[i] = p.CreatedAt, p.ObservedAt
		score[i], comments[i] = p.Score, p.NumComments
		ratio[i], velocity[i], commentsSpeed[i] = p.UpvoteRatio, p.Velocity, p.CommentVelocity
	}
	return []any{id, subreddit, title, author, url, permalink, flair, isSelf, over18,
		created, observed, score, comments, ratio, state, velocity, commentsSpeed}
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
