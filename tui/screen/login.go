package screen

import (
	"context"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// LoggedIn says that a log-in has worked.
type LoggedIn struct{}

// Ended says that the session is over: a log-in is needed, Reason says why.
type Ended struct{ Reason string }

// Login is the form for name and password.
type Login struct {
	theme  theme.Theme
	server string
	submit func(ctx context.Context, user, password string) error
	ctx    context.Context

	user, password widget.Field
	onPassword     bool // the focus
	busy           bool
	problem        string
}

type loginAnswer struct{ err error }

var loginKeys = struct{ Submit, Next, Quit key.Binding }{
	Submit: key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "log in")),
	Next:   key.NewBinding(key.WithKeys("tab", "shift+tab", "up", "down"), key.WithHelp("tab", "next field")),
	Quit:   key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "quit")),
}

// NewLogin makes the form; submit is called outside the event loop.
func NewLogin(
	ctx context.Context, t theme.Theme, server, user string,
	submit func(ctx context.Context, user, password string) error,
) *Login {
	l := &Login{ctx: ctx, theme: t, server: text.Drawable(server), submit: submit}
	l.password.Masked = true
	l.user.Set(user)
	l.onPassword = user != ""
	return l
}

// Say shows why a log-in is needed.
func (l *Login) Say(reason string) { l.problem = reason }

// Typing tells that keys are text here.
func (l *Login) Typing() bool { return true }

// Bindings are the keys that do something now.
func (l *Login) Bindings() []key.Binding {
	return []key.Binding{loginKeys.Submit, loginKeys.Next, loginKeys.Quit}
}

// Update takes keys and the answer of the server.
func (l *Login) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case loginAnswer:
		l.busy = false
		l.password.Set("")
		if msg.err != nil {
			l.problem = session.Words(msg.err)
			l.onPassword = true
			return nil
		}
		l.problem = ""
		return func() tea.Msg { return LoggedIn{} }
	case tea.KeyMsg:
		return l.press(msg)
	}
	return nil
}

func (l *Login) press(k tea.KeyMsg) tea.Cmd {
	if key.Matches(k, loginKeys.Quit) {
		return tea.Quit
	}
	if l.busy {
		return nil
	}
	field := &l.user
	if l.onPassword {
		field = &l.password
	}
	switch {
	case k.Type == tea.KeyRunes || k.Type == tea.KeySpace:
		field.Insert(string(k.Runes))
	case key.Matches(k, loginKeys.Next):
		l.onPassword = !l.onPassword
	case key.Matches(k, loginKeys.Submit):
		return l.enter()
	default:
		field.Key(k.String())
	}
	return nil
}

func (l *Login) enter() tea.Cmd {
	user, password := l.user.Value(), l.password.Value()
	switch {
	case user == "":
		l.onPassword, l.problem = false, "type the user's name"
		return nil
	case password == "":
		if l.onPassword {
			l.problem = "type the password"
		}
		l.onPassword = true
		return nil
	}
	l.busy, l.problem = true, ""
	return func() tea.Msg { return loginAnswer{l.submit(l.ctx, user, password)} }
}

// View draws the form.
func (l *Login) View(w, h int) []string {
	wide := max(1, min(40, w-14))
	row := func(label string, f *widget.Field, focused bool) string {
		mark := "  "
		if focused {
			mark = "▸ "
		}
		return mark + l.theme.Head.Paint(text.Fit(label, 10)) + f.View(l.theme, wide, focused)
	}
	lines := []string{
		"",
		"  " + l.theme.Title.Paint("Log in"),
		"",
		"  " + l.theme.Head.Paint(text.Fit("server", 10)) + text.Cut(l.server, max(1, w-13)),
		row("user", &l.user, !l.onPassword && !l.busy),
		row("password", &l.password, l.onPassword && !l.busy),
		"",
	}
	if l.busy {
		lines = append(lines, "  "+l.theme.Faint.Paint("asking the server…"))
	}
	for _, line := range widget.Wrap(l.problem, w-4, 4) {
		lines = append(lines, "  "+l.theme.Bad.Paint(line))
	}
	return widget.Fill(lines, h)
}
