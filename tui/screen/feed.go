package screen

import (
	"fmt"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// FeedStore is where the feed's rows come from.
type FeedStore interface {
	View() session.View
	Find(id string) *session.Post
}

// Feed is the live table of posts.
type Feed struct {
	theme theme.Theme
	store FeedStore
	now   func() time.Time

	table  *widget.Table
	view   session.View
	frozen bool   // rows stand still while posts go on arriving
	latest uint64 // posts that ever came, also while frozen
	newest time.Time
	posts  int
	detail bool
}

// navigation is the keys of every table.
var navigation = struct{ Down, Up, PageDown, PageUp, Top, Bottom key.Binding }{
	Down:     key.NewBinding(key.WithKeys("j", "down"), key.WithHelp("j/↓", "down")),
	Up:       key.NewBinding(key.WithKeys("k", "up"), key.WithHelp("k/↑", "up")),
	PageDown: key.NewBinding(key.WithKeys("pgdown", "ctrl+f"), key.WithHelp("pgdn", "page down")),
	PageUp:   key.NewBinding(key.WithKeys("pgup", "ctrl+b"), key.WithHelp("pgup", "page up")),
	Top:      key.NewBinding(key.WithKeys("g", "home"), key.WithHelp("g", "first")),
	Bottom:   key.NewBinding(key.WithKeys("G", "end"), key.WithHelp("G", "last")),
}

func navigationKeys() []key.Binding {
	n := navigation
	return []key.Binding{n.Down, n.Up, n.PageDown, n.PageUp, n.Top, n.Bottom}
}

// navigate moves a table's cursor if the key means that.
func navigate(t *widget.Table, k tea.KeyMsg, follow bool) bool {
	n := navigation
	switch {
	case key.Matches(k, n.Down):
		t.Step(1)
	case key.Matches(k, n.Up):
		t.Step(-1)
	case key.Matches(k, n.PageDown):
		t.Page(1)
	case key.Matches(k, n.PageUp):
		t.Page(-1)
	case key.Matches(k, n.Top):
		t.First(follow)
	case key.Matches(k, n.Bottom):
		t.Last()
	default:
		return false
	}
	return true
}

var feedKeys = struct{ Detail, Close, Freeze key.Binding }{
	Detail: key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "all of the post")),
	Close:  key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "close")),
	Freeze: key.NewBinding(key.WithKeys("f"), key.WithHelp("f", "freeze or follow")),
}

// NewFeed makes the screen over a store.
func NewFeed(t theme.Theme, store FeedStore, now func() time.Time) *Feed {
	f := &Feed{theme: t, store: store, now: now}
	f.table = widget.NewTable(t, []widget.Column{
		{Title: "score", Width: 7, Right: true, Keep: 5},
		{Title: "/min", Width: 7, Right: true, Keep: 4},
		{Title: "cmts", Width: 6, Right: true, Keep: 1},
		{Title: "age", Width: 4, Right: true, Keep: 3},
		{Title: "subreddit", Width: 16, Keep: 2},
		{Title: "title", Width: 16},
	}, true)
	f.Refresh()
	return f
}

// Refresh takes over what the store has now.
func (f *Feed) Refresh() {
	v := f.store.View()
	f.latest, f.newest, f.posts = v.Arrived, v.Newest, v.Posts
	if f.frozen {
		return
	}
	f.view = v
	f.table.SetSource(&feedRows{rows: v.Rows, now: f.now(), theme: f.theme})
}

// Tick lets the ages grow.
func (f *Feed) Tick() {
	f.table.SetSource(&feedRows{rows: f.view.Rows, now: f.now(), theme: f.theme})
}

// Posts is how many are held; Newest is when the newest was created.
func (f *Feed) Posts() (held int, newest time.Time) { return f.posts, f.newest }

// Status says in words which rows are in sight.
func (f *Feed) Status() string {
	switch {
	case f.frozen:
		return fmt.Sprintf("frozen, %d waiting", f.latest-f.view.Arrived)
	case f.table.Sticks():
		return "following"
	}
	return fmt.Sprintf("on a post, %d above", f.table.Above())
}

// Typing tells whether keys are text here.
func (f *Feed) Typing() bool { return false }

// Bindings are the keys that do something now.
func (f *Feed) Bindings() []key.Binding {
	b := []key.Binding{feedKeys.Detail, feedKeys.Freeze}
	if f.detail {
		b = append(b, feedKeys.Close)
	}
	return append(b, navigationKeys()...)
}

// Update takes keys.
func (f *Feed) Update(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyMsg)
	if !ok {
		return nil
	}
	switch {
	case key.Matches(k, feedKeys.Detail):
		f.detail = !f.detail
		f.table.Pin() // the post that is read must not slip away
	case key.Matches(k, feedKeys.Close):
		f.detail = false
	case key.Matches(k, feedKeys.Freeze):
		f.frozen = !f.frozen
		f.table.Pin()
		if !f.frozen {
			f.table.First(true)
			f.Refresh()
		}
	default:
		navigate(f.table, k, true)
	}
	return nil
}

// split is the height from which table and detail are shown together.
const split = 22

// View draws the table, the post under the cursor, or both.
func (f *Feed) View(w, h int) []string {
	if !f.detail {
		return f.body(w, h)
	}
	lines := f.describe(w)
	if h < split {
		return widget.Fill(lines, h)
	}
	below := min(len(lines)+1, h/2)
	out := widget.Fill(f.body(w, h-below), h-below)
	out = append(out, f.theme.Faint.Paint(rule(w)))
	return widget.Fill(append(out, lines...), h)
}

func (f *Feed) body(w, h int) []string {
	lines := f.table.View(w, h)
	if len(f.view.Rows) == 0 && h > 2 {
		lines[2] = "  " + f.theme.Faint.Paint("no posts yet")
	}
	return lines
}

// feedRows is a view of the feed as the rows of a table.
type feedRows struct {
	rows  []session.Row
	now   time.Time
	theme theme.Theme
}

func (r *feedRows) Len() int { return len(r.rows) }

func (r *feedRows) Key(i int) string {
	if g := r.rows[i].Gap; g != nil {
		return g.Key
	}
	return r.rows[i].ID
}

func (r *feedRows) Stamp(i int) widget.Stamp {
	if r.rows[i].Gap != nil {
		return widget.Stamp{}
	}
	return widget.Stamp{r.rows[i].Rev, uint64(r.now.Sub(r.rows[i].Created) / time.Minute)}
}

func (r *feedRows) Row(i int, cells []string) ([]string, theme.Style) {
	row := r.rows[i]
	if row.Gap != nil {
		return append(cells, gapText(row.Gap)), r.theme.GapRow
	}
	style, title := r.theme.Row, row.Title
	switch row.State {
	case "", "live":
	default:
		style, title = r.theme.Offline, "["+row.State+"] "+title
	}
	if row.Over18 {
		title = "[18+] " + title
	}
	return append(cells,
		count(row.Score), speed(row.Velocity), count(row.Comments), Age(r.now, row.Created), row.Subreddit, title,
	), style
}

func gapText(g *session.Gap) string {
	at := g.Noticed.Local().Format("15:04:05")
	switch n := g.To - g.From + 1; {
	case g.To == 0:
		return "~ " + at + " some updates were not received: the server's feed began anew"
	case n == 1:
		return "~ " + at + " 1 update was not received"
	default:
		return fmt.Sprintf("~ %s %d updates were not received", at, n)
	}
}
