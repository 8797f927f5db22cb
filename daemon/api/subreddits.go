package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// What POST fills in.
const (
	defaultInterval = 60 // seconds
	defaultPriority = pulse.Medium
)

type subredditListOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.SubredditList
}

func (s *server) listSubreddits(ctx context.Context, _ *struct{}) (*subredditListOutput, error) {
	rows, err := s.Subreddits.ListSubreddits(ctx)
	if err != nil {
		return nil, err
	}
	list := wire.SubredditList{Results: make([]wire.Subreddit, 0, len(rows))}
	for i := range rows {
		list.Results = append(list.Results, wire.FromSubreddit(&rows[i]))
	}
	budget, err := s.Polling.LastBudget(ctx)
	if err != nil {
		return nil, err
	}
	list.Budget = wire.FromBudget(&budget)
	return &subredditListOutput{ServedBy: string(pulse.Primary), Body: list}, nil
}

type subredditInput struct {
	Name string `path:"name" doc:"without r/, case ignored" example:"politics"`
}

type subredditOutput struct {
	ServedBy string `header:"X-Served-By"`
	ETag     string `header:"ETag" doc:"what If-Match takes"`
	Location string `header:"Location"`
	Body     wire.Subreddit
}

func answerRow(row *pulse.Subreddit) *subredditOutput {
	return &subredditOutput{ServedBy: string(pulse.Primary), ETag: etag(row.Version), Body: wire.FromSubreddit(row)}
}

func (s *server) getSubreddit(ctx context.Context, in *subredditInput) (*subredditOutput, error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	row, err := s.Subreddits.GetSubreddit(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return answerRow(&row), nil
}

type gapsInput struct {
	Name  string `path:"name" doc:"without r/, case ignored" example:"politics"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"the newest so many"`
}

type gapsOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.GapList
}

func (s *server) listGaps(ctx context.Context, in *gapsInput) (*gapsOutput, error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	gaps, err := s.Polling.Gaps(ctx, in.Name, in.Limit)
	if err != nil {
		return nil, err
	}
	list := wire.GapList{Results: make([]wire.Gap, 0, len(gaps))}
	for i := range gaps {
		list.Results = append(list.Results, wire.FromGap(&gaps[i]))
	}
	return &gapsOutput{ServedBy: string(pulse.Primary), Body: list}, nil
}

type addSubredditInput struct {
	Body wire.NewSubreddit
}

func (s *server) addSubreddit(ctx context.Context, in *addSubredditInput) (*subredditOutput, error) {
	row := withDefaults(in.Body.Name, pulse.SubredditChange{
		IntervalSeconds: in.Body.IntervalSeconds,
		Priority:        (*pulse.Priority)(in.Body.Priority), IsActive: in.Body.IsActive,
	})
	row.AddedBy = identity(ctx).Name
	if err := pulse.CheckSubreddit(row); err != nil {
		return nil, err
	}
	stored, err := s.Subreddits.AddSubreddit(ctx, row)
	if pulse.CodeOf(err) == pulse.Conflict {
		return nil, s.conflict(ctx, row.Name, err, "this subreddit is configured already; change it with PATCH")
	}
	if err != nil {
		return nil, err
	}
	out := answerRow(&stored)
	out.Location = "/api/subreddits/" + stored.Name + "/"
	return out, nil
}

type changeSubredditInput struct {
	Name    string `path:"name" doc:"without r/, case ignored" example:"politics"`
	IfMatch string `header:"If-Match" doc:"the ETag of the row that the change is meant for, or *"`
	Body    wire.SubredditChange
}

func (s *server) changeSubreddit(ctx context.Context, in *changeSubredditInput) (*subredditOutput, error) {
	if in.Body == (wire.SubredditChange{}) {
		return nil, pulse.InvalidField("body", "changes nothing, want interval_seconds, priority or is_active")
	}
	return s.editSubreddit(ctx, in)
}

func (s *server) replaceSubreddit(ctx context.Context, in *changeSubredditInput) (*subredditOutput, error) {
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"interval_seconds", in.Body.IntervalSeconds != nil},
		{"priority", in.Body.Priority != nil},
		{"is_active", in.Body.IsActive != nil},
	} {
		if !field.given {
			return nil, pulse.InvalidField(field.name, "missing; PUT wants all settings, PATCH some")
		}
	}
	return s.editSubreddit(ctx, in)
}

func (s *server) editSubreddit(ctx context.Context, in *changeSubredditInput) (*subredditOutput, error) {
	if in.IfMatch == "" {
		return nil, fail(http.StatusPreconditionRequired, pulse.Invalid,
			"If-Match: missing, want the ETag of the row that you have read, or *",
			wire.ProblemField{Field: "If-Match", Message: "missing"})
	}
	version, err := parseIfMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	change := pulse.SubredditChange{
		IntervalSeconds: in.Body.IntervalSeconds,
		Priority:        (*pulse.Priority)(in.Body.Priority), IsActive: in.Body.IsActive,
	}
	if err := pulse.CheckSubreddit(withDefaults(in.Name, change)); err != nil {
		return nil, err
	}
	row, err := s.Subreddits.EditSubreddit(ctx, in.Name, version, change)
	if pulse.CodeOf(err) == pulse.Conflict {
		return nil, conflictWith(&row, "the row has changed since it was read; current is how it stands")
	}
	if err != nil {
		return nil, err
	}
	return answerRow(&row), nil
}

type removeSubredditInput struct {
	Name    string `path:"name" doc:"without r/, case ignored" example:"politics"`
	IfMatch string `header:"If-Match" doc:"the ETag of the row to remove; left out or *: any"`
}

func (s *server) removeSubreddit(ctx context.Context, in *removeSubredditInput) (*struct{}, error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	version := int64(0)
	if in.IfMatch != "" {
		var err error
		if version, err = parseIfMatch(in.IfMatch); err != nil {
			return nil, err
		}
	}
	err := s.Subreddits.RemoveSubreddit(ctx, in.Name, version)
	if pulse.CodeOf(err) == pulse.Conflict {
		return nil, s.conflict(ctx, in.Name, err, "the row has changed since it was read; current is how it stands")
	}
	return nil, err
}

// conflict is a 409 with the row as it stands, if it still does.
func (s *server) conflict(ctx context.Context, name string, cause error, detail string) error {
	row, err := s.Subreddits.GetSubreddit(ctx, name)
	switch {
	case pulse.CodeOf(err) == pulse.NotFound:
		return cause
	case err != nil:
		return err
	}
	return conflictWith(&row, detail)
}

func conflictWith(row *pulse.Subreddit, detail string) *problem {
	p := fail(http.StatusConflict, pulse.Conflict, detail)
	current := wire.FromSubreddit(row)
	p.Current = &current
	p.header.Set("ETag", etag(row.Version))
	return p
}

func withDefaults(name string, c pulse.SubredditChange) pulse.Subreddit {
	row := pulse.Subreddit{
		Name: name, IntervalSeconds: defaultInterval, Priority: defaultPriority, IsActive: true,
	}
	if c.IntervalSeconds != nil {
		row.IntervalSeconds = *c.IntervalSeconds
	}
	if c.Priority != nil {
		row.Priority = *c.Priority
	}
	if c.IsActive != nil {
		row.IsActive = *c.IsActive
	}
	return row
}

func checkName(name string) error {
	return pulse.CheckSubreddit(withDefaults(name, pulse.SubredditChange{}))
}

func etag(version int64) string { return `"v` + strconv.FormatInt(version, 10) + `"` }

// parseIfMatch gives the version that a change is meant for, 0 for any. A weak
// tag counts too: a proxy that compresses weakens ours on the way.
func parseIfMatch(value string) (int64, error) {
	value = strings.TrimSpace(value)
	if value == "*" {
		return 0, nil
	}
	tag := strings.TrimPrefix(value, "W/")
	if digits, ok := strings.CutPrefix(tag, `"v`); ok {
		if digits, ok = strings.CutSuffix(digits, `"`); ok {
			if version, err := strconv.ParseInt(digits, 10, 64); err == nil && version > 0 {
				return version, nil
			}
		}
	}
	return 0, pulse.InvalidField("If-Match", `want one ETag as a GET gave it, such as "v3", or *`)
}
