package db

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

var (
	mirrorLetters   = sql.Query("deadletter/mirror")
	listLetters     = sql.Query("deadletter/list")
	getLetter       = sql.Query("deadletter/get")
	letterReasons   = sql.Query("deadletter/reasons")
	letterStates    = sql.Query("deadletter/states")
	letterOutlook   = sql.Query("deadletter/outlook")
	leaseLetters    = sql.Query("deadletter/lease")
	lettersReplayed = sql.Query("deadletter/replayed")
	releaseLetters  = sql.Query("deadletter/release")
	discardLetters  = sql.Query("deadletter/discard")
	forgetLetters   = sql.Query("deadletter/forget")
)

// MirrorDeadLetters stores letters as their topic has them, Replays being those
// before the failure. One that is mirrored changes nothing; one that failed again
// is open again. An Invalid error means that one of them cannot be stored.
func (d *DB) MirrorDeadLetters(ctx context.Context, letters []pulse.DeadLetter) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	columns, err := letterColumns(newestLetters(letters))
	if err != nil {
		return err
	}
	_, err = d.primary.Exec(ctx, mirrorLetters, columns...)
	return coded("mirror dead letters", err)
}

// newestLetters sorts letters by id and keeps of each the latest failure.
func newestLetters(letters []pulse.DeadLetter) []pulse.DeadLetter {
	letters = slices.Clone(letters)
	slices.SortStableFunc(letters, func(a, b pulse.DeadLetter) int {
		if c := strings.Compare(a.ID, b.ID); c != 0 {
			return c
		}
		return b.Replays - a.Replays
	})
	return slices.CompactFunc(letters, func(a, b pulse.DeadLetter) bool { return a.ID == b.ID })
}

func letterColumns(letters []pulse.DeadLetter) ([]any, error) {
	n := len(letters)
	var (
		id, topic, stage, class    = make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		message, group, version    = make([]string, n), make([]string, n), make([]string, n)
		partition, replays, offset = make([]int32, n), make([]int32, n), make([]int64, n)
		first, failed              = make([]time.Time, n), make([]time.Time, n)
		key, value, headers        = make([][]byte, n), make([][]byte, n), make([]*string, n)
	)
	for i := range letters {
		l := &letters[i]
		text, err := json.Marshal(append([]pulse.DeadHeader{}, l.Headers...))
		if err != nil {
			return nil, &pulse.Error{Code: pulse.Internal, Message: "mirror dead letters: encode headers", Err: err}
		}
		whole := string(text)
		id[i], topic[i], stage[i], class[i], message[i] = l.ID, l.Topic, l.Stage, l.Class, l.Message
		group[i], version[i], offset[i] = l.Group, l.AppVersion, l.Offset
		partition[i], replays[i] = int32(l.Partition), int32(l.Replays)
		first[i], failed[i] = l.FirstFailedAt, l.FailedAt
		key[i], value[i], headers[i] = append([]byte{}, l.Key...), append([]byte{}, l.Value...), &whole
	}
	return []any{id, topic, partition, offset, stage, class, message, group, version, first, failed,
		replays, key, value, headers}, nil
}

// DeadLetters gives a page without the letters' bytes, and one letter more where
// more follow.
func (d *DB) DeadLetters(ctx context.Context, q pulse.DeadQuery) ([]pulse.DeadLetter, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var after, id any
	if q.After != nil {
		after, id = q.After.FailedAt, q.After.ID
	}
	rows, err := d.primary.Query(ctx, listLetters, append(deadFilterArgs(&q.Filter), after, id, q.Limit+1)...)
	if err != nil {
		return nil, coded("list dead letters", err)
	}
	letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pulse.DeadLetter, error) { return scanLetter(row, false) })
	return letters, coded("list dead letters", err)
}

// DeadLetter gives one letter with its bytes; NotFound where there is none.
func (d *DB) DeadLetter(ctx context.Context, id string) (pulse.DeadLetter, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, getLetter, id)
	if err != nil {
		return pulse.DeadLetter{}, coded("get a dead letter", err)
	}
	letter, err := pgx.CollectExactlyOneRow(rows, scanWholeLetter)
	if err = coded("get a dead letter", err); pulse.CodeOf(err) == pulse.NotFound {
		err = notFound("dead letter", id)
	}
	return letter, err
}

func scanWholeLetter(row pgx.CollectableRow) (pulse.DeadLetter, error) { return scanLetter(row, true) }

func scanLetter(row pgx.CollectableRow, whole bool) (pulse.DeadLetter, error) {
	var l pulse.DeadLetter
	targets := []any{&l.ID, &l.State, &l.Topic, &l.Partition, &l.Offset, &l.Stage, &l.Class, &l.Message,
		&l.Group, &l.AppVersion, &l.FirstFailedAt, &l.FailedAt, &l.Replays, &l.Size, &l.ChangedBy,
		&l.ChangedAt, &l.Reason}
	if whole {
		targets = append(targets, &l.Key, &l.Value, &l.Headers)
	}
	err := row.Scan(targets...)
	l.FirstFailedAt, l.FailedAt = l.FirstFailedAt.UTC(), l.FailedAt.UTC()
	if l.ChangedAt != nil {
		*l.ChangedAt = l.ChangedAt.UTC()
	}
	return l, err
}

// DeadReasons counts the open letters that a filter chooses, whatever state it
// names, by class.
func (d *DB) DeadReasons(ctx context.Context, f pulse.DeadFilter) ([]pulse.DeadCount, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, letterReasons, deadFilterArgs(&f)[1:]...)
	if err != nil {
		return nil, coded("count dead letters", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pulse.DeadCount])
	return counts, coded("count dead letters", err)
}

// DeadStates counts all letters by state.
func (d *DB) DeadStates(ctx context.Context) (map[pulse.DeadState]int64, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, letterStates)
	if err != nil {
		return nil, coded("count dead letters", err)
	}
	counts := map[pulse.DeadState]int64{pulse.DeadOpen: 0, pulse.DeadReplayed: 0, pulse.DeadDiscarded: 0}
	var state pulse.DeadState
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
		counts[state] = n
		return nil
	})
	return counts, coded("count dead letters", err)
}

// DeadOutlook says what a replay of the chosen letters would do, or, with
// mostReplays 0, a discard.
func (d *DB) DeadOutlook(ctx context.Context, c pulse.DeadChoice, mostReplays int) (pulse.DeadOutlook, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	replay := mostReplays > 0
	if !replay {
		mostReplays = math.MaxInt32
	}
	rows, err := d.primary.Query(ctx, letterOutlook, append(choiceArgs(c), mostReplays)...)
	if err != nil {
		return pulse.DeadOutlook{}, coded("look at dead letters", err)
	}
	var out pulse.DeadOutlook
	refused, byClass := map[string]int64{}, map[string]int64{}
	var state pulse.DeadState
	var class string
	var spent, keyless bool
	var n, all int64
	_, err = pgx.ForEachRow(rows, []any{&state, &class, &spent, &keyless, &n}, func() error {
		all += n
		switch {
		case state != pulse.DeadOpen:
			refused["already "+string(state)] += n
		case replay && class == pulse.DeadForeign:
			refused["where it came from is not known"] += n
		case replay && keyless:
			refused["it has no key, which says where to"] += n
		case spent:
			refused[fmt.Sprintf("sent again %d times already", mostReplays)] += n
		default:
			out.Ready += n
			byClass[class] += n
		}
		return nil
	})
	if missing := int64(len(c.IDs)) - all; c.Filter == nil && missing > 0 {
		refused["not found"] = missing
	}
	for why, n := range refused {
		out.Refused = append(out.Refused, pulse.DeadRefusal{Why: why, Count: n})
	}
	slices.SortFunc(out.Refused, func(a, b pulse.DeadRefusal) int { return strings.Compare(a.Why, b.Why) })
	for class, n := range byClass {
		out.Reasons = append(out.Reasons, pulse.DeadCount{Class: class, Count: n})
	}
	slices.SortFunc(out.Reasons, func(a, b pulse.DeadCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Class, b.Class))
	})
	return out, coded("look at dead letters", err)
}

// LeaseDeadLetters takes at most limit of the chosen letters that may be sent
// again: open, with a key and a known origin, sent less than MaxReplays times, and
// none of except. Nobody else gets them until the lease ends, ReleaseDeadLetters
// gives them back, or MarkReplayed settles them.
func (d *DB) LeaseDeadLetters(ctx context.Context, c pulse.DeadChoice, except []string, lease time.Duration, limit int) ([]pulse.DeadLetter, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, leaseLetters, append(choiceArgs(c), pulse.MaxReplays, lease, limit, append([]string{}, except...))...)
	if err != nil {
		return nil, coded("take dead letters", err)
	}
	letters, err := pgx.CollectRows(rows, scanWholeLetter)
	return letters, coded("take dead letters", err)
}

// MarkReplayed notes that letters were sent again by somebody; each letter's
// Replays counts this time in.
func (d *DB) MarkReplayed(ctx context.Context, letters []pulse.DeadLetter, by string) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	ids, replays := make([]string, len(letters)), make([]int32, len(letters))
	for i := range letters {
		ids[i], replays[i] = letters[i].ID, int32(letters[i].Replays)
	}
	_, err := d.primary.Exec(ctx, lettersReplayed, ids, replays, by)
	return coded("mark dead letters as replayed", err)
}

// ReleaseDeadLetters ends the lease of letters that were not sent.
func (d *DB) ReleaseDeadLetters(ctx context.Context, ids []string) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, releaseLetters, ids)
	return coded("release dead letters", err)
}

// DiscardDeadLetters gives at most limit of the chosen letters that are open up,
// and says how many it were.
func (d *DB) DiscardDeadLetters(ctx context.Context, c pulse.DeadChoice, by, reason string, limit int) (int64, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	tag, err := d.primary.Exec(ctx, discardLetters, append(choiceArgs(c), by, reason, limit)...)
	return tag.RowsAffected(), coded("discard dead letters", err)
}

// ForgetDeadLetters removes letters that failed before at and are not open.
func (d *DB) ForgetDeadLetters(ctx context.Context, at time.Time) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, forgetLetters, at)
	return coded("forget dead letters", err)
}

func deadFilterArgs(f *pulse.DeadFilter) []any {
	return []any{textOrNil(string(f.State)), textOrNil(f.Topic), textOrNil(f.Stage), textOrNil(f.Class),
		timeOrNil(f.Since), timeOrNil(f.Until)}
}

func choiceArgs(c pulse.DeadChoice) []any {
	if c.Filter == nil {
		return append([]any{append([]string{}, c.IDs...)}, deadFilterArgs(&pulse.DeadFilter{})...)
	}
	return append([]any{nil}, deadFilterArgs(c.Filter)...)
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
