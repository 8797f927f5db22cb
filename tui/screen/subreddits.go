package screen

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// Config is where the rows of the subreddits are read and changed.
type Config interface {
	Subreddits(ctx context.Context) (wire.SubredditList, error)
	Subreddit(ctx context.Context, name string) (wire.Subreddit, error)
	Add(ctx context.Context, row wire.NewSubreddit) (wire.Subreddit, error)
	Edit(ctx context.Context, name string, version int64, c wire.SubredditChange) (wire.Subreddit, error)
	Remove(ctx context.Context, name string, version int64) error
	Preview(ctx context.Context, c wire.PreviewChange) (detail string, holds bool, err error)
	ReadOnly() bool
	Who() (name string, role pulse.Role)
}

// How often the rows are read while they are in sight, and after a 429.
const (
	pollEvery  = 2 * time.Second
	pollSlowly = 15 * time.Second
)

// Subreddits is the table of what is polled, and the means to change it.
type Subreddits struct {
	ctx    context.Context
	theme  theme.Theme
	config Config
	now    func() time.Time

	table   *widget.Table
	rows    []wire.Subreddit // by name
	budget  *wire.Budget     // nil: ingestion has never said one
	loaded  bool
	stale   string // why the rows may be old, "" while they are not
	visible bool
	gen     int    // of the polling; older answers are dropped
	drawn   uint64 // how often the rows were handed to the table

	prompt  *prompt // what is being asked, nil: nothing
	preview preview // of what is typed there
	busy    string  // what the server is asked to do, "" while nothing
	notice  string  // what came of it
	isError bool
}

// prompt is the one question that is open: a line to type, or y or n.
type prompt struct {
	kind  promptKind
	base  wire.Subreddit // the row that is meant
	field widget.Field
	fault string
}

type promptKind int

const (
	adding promptKind = iota
	editing
	removing
)

type (
	rowsAnswer struct {
		gen  int
		list wire.SubredditList
		err  error
	}
	pollDue      struct{ gen int }
	changeAnswer struct {
		done    string // in words
		name    string
		err     error
		current *wire.Subreddit // the row as it is now, nil where it is gone or not known
	}
)

var subredditKeys = struct{ Add, Edit, Pause, Remove, Dismiss key.Binding }{
	Add:     key.NewBinding(key.WithKeys("a"), key.WithHelp("a", "add a subreddit")),
	Edit:    key.NewBinding(key.WithKeys("e", "enter"), key.WithHelp("e", "edit")),
	Pause:   key.NewBinding(key.WithKeys("p"), key.WithHelp("p", "pause or resume")),
	Remove:  key.NewBinding(key.WithKeys("d"), key.WithHelp("d", "remove")),
	Dismiss: key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "dismiss message")),
}

var promptKeys = struct{ Submit, Cancel, Yes, No key.Binding }{
	Submit: key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "save")),
	Cancel: key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "cancel")),
	Yes:    key.NewBinding(key.WithKeys("y"), key.WithHelp("y", "yes, remove")),
	No:     key.NewBinding(key.WithKeys("n", "esc"), key.WithHelp("n", "no")),
}

// NewSubreddits makes the screen; nothing is read before Show.
func NewSubreddits(ctx context.Context, t theme.Theme, c Config, now func() time.Time) *Subreddits {
	s := &Subreddits{ctx: ctx, theme: t, config: c, now: now}
	s.table = widget.NewTable(t, []widget.Column{
		{Title: "subreddit", Width: 21, Keep: 9},
		{Title: "every", Width: everyWide, Right: true, Keep: 7},
		{Title: "priority", Width: 8, Keep: 5},
		{Title: "active", Width: 6, Keep: 6},
		{Title: "state", Width: 11, Keep: 8},
		{Title: "polled", Width: 6, Right: true, Keep: 4},
		{Title: "new/min", Width: 7, Right: true, Keep: 3},
		{Title: "gaps", Width: 4, Right: true, Keep: 2},
		{Title: "error", Width: 4},
	}, false)
	return s
}

// Show begins to read the rows.
func (s *Subreddits) Show() tea.Cmd {
	s.visible = true
	s.gen++
	return s.load()
}

// Hide stops reading them. What was typed stays.
func (s *Subreddits) Hide() { s.visible = false; s.gen++ }

// Tick lets the ages grow.
func (s *Subreddits) Tick() { s.refresh() }

// Typing tells whether keys are text here.
func (s *Subreddits) Typing() bool { return s.prompt != nil }

// Bindings are the keys that do something now.
func (s *Subreddits) Bindings() []key.Binding {
	if p := s.prompt; p != nil {
		if p.kind == removing {
			return []key.Binding{promptKeys.Yes, promptKeys.No}
		}
		return []key.Binding{promptKeys.Submit, promptKeys.Cancel}
	}
	var b []key.Binding
	if !s.config.ReadOnly() {
		k := subredditKeys
		b = append(b, k.Add, k.Edit, k.Pause, k.Remove)
	}
	if s.notice != "" {
		b = append(b, subredditKeys.Dismiss)
	}
	return append(b, navigationKeys()...)
}

func (s *Subreddits) load() tea.Cmd {
	gen := s.gen
	return func() tea.Msg {
		list, err := s.config.Subreddits(s.ctx)
		return rowsAnswer{gen, list, err}
	}
}

// Update takes keys and the answers of the server.
func (s *Subreddits) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case rowsAnswer:
		if msg.gen == s.gen {
			return s.take(msg)
		}
	case pollDue:
		if msg.gen == s.gen && s.visible {
			return s.load()
		}
	case changeAnswer:
		return s.answered(msg)
	case previewDue:
		return s.foresee(msg)
	case previewAnswer:
		s.foreseen(msg)
	case tea.KeyMsg:
		if s.prompt != nil {
			return s.ask(msg)
		}
		return s.press(msg)
	}
	return nil
}

func (s *Subreddits) take(a rowsAnswer) tea.Cmd {
	wait := pollEvery
	switch code := pulse.CodeOf(a.err); {
	case a.err == nil:
		s.loaded, s.stale, s.budget = true, "", a.list.Budget
		s.show(a.list.Results)
	case code == pulse.Unauthenticated:
		return ended(a.err)
	case code == pulse.TooMany:
		s.stale, wait = session.Words(a.err), pollSlowly
	default:
		s.stale = session.Words(a.err)
	}
	gen := s.gen
	return tea.Tick(wait, func(time.Time) tea.Msg { return pollDue{gen} })
}

// show takes over other rows.
func (s *Subreddits) show(rows []wire.Subreddit) {
	slices.SortFunc(rows, func(a, b wire.Subreddit) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	s.rows = rows
	s.refresh()
}

func ended(err error) tea.Cmd {
	reason := session.Words(err)
	return func() tea.Msg { return Ended{Reason: reason} }
}

func (s *Subreddits) refresh() {
	s.drawn++
	s.table.SetSource(&subredditRows{rows: s.rows, now: s.now(), theme: s.theme, stamp: widget.Stamp{s.drawn}})
}

func (s *Subreddits) say(text string, isError bool) { s.notice, s.isError = text, isError }

// subredditRows is the rows of the table.
type subredditRows struct {
	rows  []wire.Subreddit
	now   time.Time
	theme theme.Theme
	stamp widget.Stamp // of all rows: there are few, and their status moves on its own
}

func (r *subredditRows) Len() int               { return len(r.rows) }
func (r *subredditRows) Key(i int) string       { return strings.ToLower(r.rows[i].Name) }
func (r *subredditRows) Stamp(int) widget.Stamp { return r.stamp }

func (r *subredditRows) Row(i int, cells []string) ([]string, theme.Style) {
	row := r.rows[i]
	style := r.theme.Row
	switch st := pulse.PollState(row.Status.State); {
	case !row.IsActive:
		style = r.theme.Offline
	case st == pulse.Polling || st == pulse.Pending || st == pulse.Paused:
	default:
		style = r.theme.Warn
	}
	polled := unknown
	if t := row.Status.LastPollAt; t != nil {
		polled = Ago(r.now, *t)
	}
	gaps := ""
	if n := row.Status.Gaps; n > 0 {
		gaps = count(n)
	}
	return append(cells, row.Name, every(&row), row.Priority, activity(row.IsActive), row.Status.State, polled,
		speed(row.Status.PostsPerMinute), gaps, row.Status.LastError), style
}
