package app

import (
	"context"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/tui/screen"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
)

// view is a screen as the root sees it.
type view interface {
	Update(tea.Msg) tea.Cmd
	View(w, h int) []string
	Bindings() []key.Binding
	Typing() bool
}

// place is the screen in sight.
type place int

const (
	onLogin place = iota
	onFeed
	onSubreddits
)

// Model is the root: it alone owns size, focus and the frame.
type Model struct {
	ctx     context.Context
	theme   theme.Theme
	session *session.Session
	ascii   bool
	now     func() time.Time

	at         place
	login      *screen.Login
	feed       *screen.Feed
	subreddits *screen.Subreddits
	help       bool
	begin      bool // with a token: no form first
	from       string

	width, height int
	frame         string // the last one drawn, while nothing has changed
	dirty         bool
	err           error // why the program ended, nil after a quit
}

// start is how the program begins.
type start struct {
	user  string
	token bool   // there is one
	from  string // where it came from
	ascii bool
	now   func() time.Time // nil: time.Now
}

type (
	news  struct{}
	clock struct{}
	fatal struct{ err error }
)

func newModel(ctx context.Context, t theme.Theme, s *session.Session, st start) *Model {
	if st.now == nil {
		st.now = time.Now
	}
	return &Model{
		ctx: ctx, theme: t, session: s, ascii: st.ascii, now: st.now, begin: st.token, from: st.from, dirty: true,
		login:      screen.NewLogin(ctx, t, s.Server(), st.user, s.Login),
		feed:       screen.NewFeed(t, s.Feed(), s.Now),
		subreddits: screen.NewSubreddits(ctx, t, s, s.Now),
	}
}

// Init starts the clock and the news, and the feed where there is a token.
func (m *Model) Init() tea.Cmd {
	if m.begin {
		m.session.Start(m.ctx)
		m.at = onFeed
	}
	return tea.Batch(m.awaitNews(), tick())
}

func tick() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return clock{} }) }

func (m *Model) awaitNews() tea.Cmd {
	return func() tea.Msg {
		select {
		case <-m.session.News():
			return news{}
		case <-m.ctx.Done():
			return nil
		}
	}
}

func (m *Model) current() view {
	switch m.at {
	case onFeed:
		return m.feed
	case onSubreddits:
		return m.subreddits
	default:
		return m.login
	}
}

// Update takes one message; the frame is drawn anew after it.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.dirty = true
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return m, tea.ClearScreen
	case tea.KeyMsg:
		return m, m.typed(msg)
	case clock:
		m.feed.Tick()
		m.subreddits.Tick()
		return m, tick()
	case news:
		return m, tea.Batch(m.look(), m.awaitNews())
	case screen.LoggedIn:
		m.session.Start(m.ctx)
		return m, m.show(onFeed)
	case screen.Ended:
		return m, m.logOut(msg.Reason)
	case fatal:
		m.err = msg.err
		return m, tea.Quit
	}
	// Answers go to whoever asked; the others do not know them.
	return m, tea.Batch(m.login.Update(msg), m.feed.Update(msg), m.subreddits.Update(msg))
}

// look takes over what the session has new.
func (m *Model) look() tea.Cmd {
	m.feed.Refresh()
	if link := m.session.Link(); link.State == session.LoggedOut {
		return m.logOut(link.Reason)
	}
	return nil
}

func (m *Model) logOut(reason string) tea.Cmd {
	if m.at == onLogin {
		return nil
	}
	if name, _ := m.session.Who(); name == "" && m.begin {
		reason = "the token of " + m.from + " was refused; " + reason
	}
	m.begin = false
	m.session.End()
	m.login.Say(reason)
	return m.show(onLogin)
}

func (m *Model) show(to place) tea.Cmd {
	m.help = false
	if m.at == onSubreddits && to != onSubreddits {
		m.subreddits.Hide()
	}
	if to == onSubreddits && m.at != onSubreddits {
		m.at = to
		return m.subreddits.Show()
	}
	m.at = to
	return nil
}

// typed takes keys one by one: a fast typist or a script puts several into one
// message, and the first of them may decide what the rest mean.
func (m *Model) typed(k tea.KeyMsg) tea.Cmd {
	if k.Type != tea.KeyRunes || k.Paste {
		return m.press(k)
	}
	var cmds []tea.Cmd
	for rest := k.Runes; len(rest) > 0; {
		n := 1
		if m.current().Typing() {
			n = len(rest)
		}
		one := k
		one.Runes, rest = rest[:n], rest[n:]
		cmds = append(cmds, m.press(one))
	}
	return tea.Batch(cmds...)
}

func (m *Model) press(k tea.KeyMsg) tea.Cmd {
	if key.Matches(k, keys.Kill) {
		return tea.Quit
	}
	if m.at == onLogin || m.current().Typing() {
		return m.current().Update(k)
	}
	if k.Paste {
		return nil // pasted text is no command
	}
	if m.help {
		m.help = false
		if key.Matches(k, keys.Quit) || k.String() == "esc" || key.Matches(k, keys.Help) {
			return nil
		}
	}
	switch {
	case key.Matches(k, keys.Quit):
		return tea.Quit
	case key.Matches(k, keys.Help):
		m.help = true
	case key.Matches(k, keys.Feed):
		return m.show(onFeed)
	case key.Matches(k, keys.Subreddits):
		return m.show(onSubreddits)
	case key.Matches(k, keys.Next):
		if m.at == onFeed {
			return m.show(onSubreddits)
		}
		return m.show(onFeed)
	default:
		return m.current().Update(k)
	}
	return nil
}
