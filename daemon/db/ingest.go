package db

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

var (
	saveStatuses  = sql.Query("subreddit/save_statuses")
	addGaps       = sql.Query("subreddit/add_gaps")
	subredditGaps = sql.Query("subreddit/gaps")
	saveBudget    = sql.Query("budget/save")
	getBudget     = sql.Query("budget/get")
)

// maxRows bounds the rows of one statement, and with them the time its locks
// are held.
const maxRows = 10_000

// SaveStatuses writes how polling of each subreddit stands, by name, case
// ignored; those that are no longer configured are left out. A nil LastPollAt,
// PostsPerMinute or CoveredUntil keeps what is stored. Gaps and LastGap are not
// written here: AddGaps does. More than 10,000 are written in several steps.
func (d *DB) SaveStatuses(ctx context.Context, statuses map[string]pulse.SubredditStatus) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	for names := range slices.Chunk(slices.Sorted(maps.Keys(statuses)), maxRows) {
		if _, err := d.primary.Exec(ctx, saveStatuses, statusColumns(names, statuses)...); err != nil {
			return coded("save the subreddits' status", err)
		}
	}
	return nil
}

func statusColumns(names []string, statuses map[string]pulse.SubredditStatus) []any {
	n := len(names)
	var (
		state, lastError       = make([]string, n), make([]string, n)
		lastPoll, nextPoll     = make([]*time.Time, n), make([]*time.Time, n)
		covered                = make([]*time.Time, n)
		interval, perMinute    = make([]*float64, n), make([]*float64, n)
		ratePosts, rateMinutes = make([]float64, n), make([]float64, n)
	)
	for i, name := range names {
		s := statuses[name]
		state[i], lastError[i] = string(s.State), s.LastError
		lastPoll[i], nextPoll[i], covered[i] = s.LastPollAt, s.NextPollAt, s.CoveredUntil
		interval[i], perMinute[i] = s.EffectiveIntervalSeconds, s.PostsPerMinute
		ratePosts[i], rateMinutes[i] = s.RatePosts, s.RateMinutes
	}
	return []any{names, state, lastPoll, nextPoll, interval, perMinute, lastError, covered,
		ratePosts, rateMinutes}
}

// AddGaps records gaps; one that is recorded already, and one of a subreddit
// that is not configured, changes nothing.
func (d *DB) AddGaps(ctx context.Context, gaps []pulse.Gap) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	for some := range slices.Chunk(gaps, maxRows) {
		if _, err := d.primary.Exec(ctx, addGaps, gapColumns(some)...); err != nil {
			return coded("record gaps", err)
		}
	}
	return nil
}

func gapColumns(gaps []pulse.Gap) []any {
	n := len(gaps)
	var (
		name, reason      = make([]string, n), make([]string, n)
		from, to, noticed = make([]time.Time, n), make([]time.Time, n), make([]time.Time, n)
	)
	for i, g := range gaps {
		name[i], reason[i] = g.Subreddit, g.Reason
		from[i], to[i], noticed[i] = g.From, g.To, g.NoticedAt
	}
	return []any{name, from, to, noticed, reason}
}

// Gaps gives the newest limit gaps of a subreddit, case ignored, newest first;
// NotFound where it is not configured. They are read from the primary.
func (d *DB) Gaps(ctx context.Context, subreddit string, limit int) ([]pulse.Gap, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, subredditGaps, subreddit, limit)
	if err != nil {
		return nil, coded("list gaps", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*pulse.Gap, error) {
		var name string
		var g gapRow
		err := row.Scan(&name, &g.from, &g.to, &g.noticed, &g.reason)
		return g.gap(name), err
	})
	if err != nil {
		return nil, coded("list gaps", err)
	}
	if len(all) == 0 {
		return nil, notFound("subreddit", subreddit)
	}
	var gaps []pulse.Gap
	for _, g := range all {
		if g != nil {
			gaps = append(gaps, *g)
		}
	}
	return gaps, nil
}

// gapRow is a gap of an outer join: all nil where there is none.
type gapRow struct {
	from, to, noticed *time.Time
	reason            *string
}

func (r gapRow) gap(subreddit string) *pulse.Gap {
	if r.from == nil {
		return nil
	}
	return &pulse.Gap{Subreddit: subreddit, From: r.from.UTC(), To: r.to.UTC(),
		NoticedAt: r.noticed.UTC(), Reason: *r.reason}
}

// SaveBudget replaces the budget that was saved before.
func (d *DB) SaveBudget(ctx context.Context, b pulse.Budget) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, saveBudget, b.At, b.Allowed, b.Sent, b.Discovery, b.Refresh,
		b.Sweep, b.Factor, b.RefreshFactor, b.LivePosts, b.Window.Limit, b.Window.Used,
		timeOrNil(b.Window.ResetAt), timeOrNil(b.Window.StoppedUntil))
	return coded("save the request budget", err)
}

// LastBudget gives the budget that was saved last, from the primary; the zero
// value where none ever was.
func (d *DB) LastBudget(ctx context.Context) (pulse.Budget, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var b pulse.Budget
	var resets, stopped *time.Time
	err := d.primary.QueryRow(ctx, getBudget).Scan(&b.At, &b.Allowed, &b.Sent, &b.Discovery,
		&b.Refresh, &b.Sweep, &b.Factor, &b.RefreshFactor, &b.LivePosts, &b.Window.Limit,
		&b.Window.Used, &resets, &stopped)
	if codeOfNil(err) == pulse.NotFound {
		return pulse.Budget{}, nil
	}
	b.At, b.Window.ResetAt, b.Window.StoppedUntil = b.At.UTC(), timeOrZero(resets), timeOrZero(stopped)
	return b, coded("get the request budget", err)
}

func timeOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
