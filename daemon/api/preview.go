package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"dev.redditpulse/daemon/plan"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// maxPreviewBody takes the most changes, written out in full, in bytes.
	maxPreviewBody = 256 << 10
	maxPreviewRows = 1000
)

type previewInput struct {
	Body wire.PreviewRequest
}

type previewOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.Preview
}

// previewSubreddits reckons what changes would do. It changes nothing.
func (s *server) previewSubreddits(ctx context.Context, in *previewInput) (*previewOutput, error) {
	changes, err := changesOf(&in.Body)
	if err != nil {
		return nil, err
	}
	now, err := s.Subreddits.ListSubreddits(ctx)
	if err != nil {
		return nil, err
	}
	budget, err := s.Polling.LastBudget(ctx)
	if err != nil {
		return nil, err
	}
	then, err := apply(now, changes)
	if err != nil {
		return nil, err
	}
	before, after := outlooks(now, then.rows, budget, plan.Inputs{
		Allowed: float64(s.RequestsPerMinute), Share: s.DiscoveryShare,
	})
	rows := then.compare(&before, &after)
	shown := min(len(rows), maxPreviewRows)
	return &previewOutput{ServedBy: string(pulse.Primary), Body: wire.Preview{
		Now: before.load(), Then: after.load(), PromiseHolds: after.missed == 0,
		Subreddits: rows[:shown], More: len(rows) - shown, Detail: after.words(),
	}}, nil
}

// placed is a change and the field that it came in, for errors.
type placed struct {
	wire.PreviewChange
	at string // "changes[3].", "" for the one beside them
}

func changesOf(in *wire.PreviewRequest) ([]placed, error) {
	one := in.One()
	switch {
	case in.Changes == nil && one.Name == "":
		return nil, pulse.InvalidField("name", "missing; want the fields of one change, or changes")
	case in.Changes == nil:
		return []placed{{PreviewChange: one}}, nil
	case one != wire.PreviewChange{}:
		return nil, pulse.InvalidField("changes", "not together with the fields of one change beside it")
	}
	changes := make([]placed, 0, len(in.Changes))
	for i, c := range in.Changes {
		changes = append(changes, placed{c, "changes[" + strconv.Itoa(i) + "]."})
	}
	return changes, nil
}

// changedRows is all rows as they would be.
type changedRows struct {
	rows []pulse.Subreddit
	mine []pulse.Subreddit // the changed ones in the order of the changes, also those removed
}

// apply gives the rows after some changes, or the first fault of a change.
func apply(now []pulse.Subreddit, changes []placed) (changedRows, error) {
	out := changedRows{rows: slices.Clone(now)}
	at := make(map[string]int, len(now)) // place of each row, by lower-case name
	for i := range now {
		at[strings.ToLower(now[i].Name)] = i
	}
	seen := make(map[string]bool, len(changes))
	gone := map[string]bool{}
	for _, c := range changes {
		key := strings.ToLower(c.Name)
		i, there := at[key]
		row := withDefaults(c.Name, pulse.SubredditChange{})
		if there {
			row = now[i]
		}
		err := c.edit(&row)
		switch {
		case err != nil:
			return out, c.fault(err)
		case seen[key]:
			return out, pulse.InvalidField(c.at+"name", "%s is named by an earlier change already", c.Name)
		case c.Remove && !there:
			return out, pulse.InvalidField(c.at+"name", "%s is not configured, so it cannot be removed", c.Name)
		case c.Remove:
			gone[key] = true
		case there:
			out.rows[i] = row
		default:
			out.rows = append(out.rows, row)
		}
		seen[key] = true
		out.mine = append(out.mine, row)
	}
	out.rows = slices.DeleteFunc(out.rows, func(row pulse.Subreddit) bool { return gone[strings.ToLower(row.Name)] })
	return out, nil
}

// edit sets in a row what the change sets.
func (c *placed) edit(row *pulse.Subreddit) error {
	if c.Remove && (c.IntervalSeconds != nil || c.Priority != nil || c.IsActive != nil) {
		return pulse.InvalidField("remove", "not together with other settings")
	}
	if c.IntervalSeconds != nil {
		row.IntervalSeconds = *c.IntervalSeconds
	}
	if c.Priority != nil {
		row.Priority = pulse.Priority(*c.Priority)
	}
	if c.IsActive != nil {
		row.IsActive = *c.IsActive
	}
	return pulse.CheckSubreddit(*row)
}

// fault says in which change a field is wrong.
func (c *placed) fault(err error) error {
	var e *pulse.Error
	if !errors.As(err, &e) {
		return err
	}
	return &pulse.Error{Code: e.Code, Field: c.at + e.Field, Message: e.Message, Err: e.Err}
}

// compare gives the changed rows, then the others that are polled otherwise
// than before.
func (c *changedRows) compare(now, then *outlook) []wire.PreviewRow {
	rows := make([]wire.PreviewRow, 0, len(c.mine))
	mine := make(map[string]bool, len(c.mine))
	for i := range c.mine {
		mine[strings.ToLower(c.mine[i].Name)] = true
		rows = append(rows, previewRow(&c.mine[i], now, then, true))
	}
	for i := range c.rows {
		row := &c.rows[i]
		if !mine[strings.ToLower(row.Name)] && moved(now.of(row.Name), then.of(row.Name)) {
			rows = append(rows, previewRow(row, now, then, false))
		}
	}
	return rows
}

func previewRow(row *pulse.Subreddit, now, then *outlook, changed bool) wire.PreviewRow {
	effective, polled := then.effective[strings.ToLower(row.Name)]
	return wire.PreviewRow{
		Name: row.Name, IntervalSeconds: row.IntervalSeconds, Priority: string(row.Priority),
		NowEffective: now.of(row.Name), ThenEffective: then.of(row.Name),
		PromiseHolds: !polled || holds(effective, promise(row)), Changed: changed,
	}
}
