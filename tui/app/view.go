package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/screen"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// The smallest window that shows anything but a request for a larger one.
const (
	minWidth  = 40
	minHeight = 10
)

// noteFor is how long a good message stays in the status bar.
const noteFor = 8 * time.Second

// View gives the frame: exactly as many lines as the window has, none wider.
func (m *Model) View() string {
	if m.dirty {
		m.frame = m.draw()
		m.dirty = false
	}
	return m.frame
}

func (m *Model) draw() string {
	w, h := m.width, m.height
	if w <= 0 || h <= 0 {
		return "" // before the first size
	}
	lines := m.lines(w, h)
	if m.ascii {
		for i := range lines {
			lines[i] = widget.ASCII(lines[i])
		}
	}
	return widget.Frame(lines, w, h)
}

func (m *Model) lines(w, h int) []string {
	if w < minWidth || h < minHeight {
		return []string{
			text.Cut("too small: "+size(w, h), w), text.Cut("needs "+size(minWidth, minHeight), w),
		}
	}
	lines := append(make([]string, 0, h), m.header(w))
	body := h - 3
	if m.help {
		bindings := append(m.current().Bindings(), m.globals()...)
		lines = append(lines, screen.Help(m.theme, bindings, w, body)...)
	} else {
		lines = append(lines, m.current().View(w, body)...)
	}
	return append(lines, m.status(w), m.hints(w))
}

func size(w, h int) string { return fmt.Sprintf("%dx%d", w, h) }

// header says what this is, which screens there are, and who is where.
func (m *Model) header(w int) string {
	parts := []piece{{" Reddit Pulse ", m.theme.Title}}
	if m.at != onLogin {
		for _, tab := range []struct {
			at    place
			label string
		}{{onFeed, "1 feed"}, {onSubreddits, "2 subreddits"}} {
			style, label := m.theme.Faint, " "+tab.label+" "
			if tab.at == m.at {
				style, label = m.theme.Tab, "["+tab.label+"]"
			}
			parts = append(parts, piece{label, style})
		}
	}
	right := strings.TrimPrefix(strings.TrimPrefix(m.session.Server(), "http://"), "https://")
	if name, role := m.session.Who(); name != "" {
		right = fmt.Sprintf("%s (%s) at %s", name, role, right)
	}
	if m.session.ReadOnly() {
		right = "read-only, " + right
	}
	return bar(parts, piece{text.Drawable(right) + " ", m.theme.Faint}, w)
}

// status says how the feed stands, in words first and colour second.
func (m *Model) status(w int) string {
	link := m.session.Link()
	now := m.now()
	var p piece
	switch link.State {
	case session.Connected:
		p = piece{"● connected", m.theme.Good}
		if link.Note != "" && now.Sub(link.NotedAt) < noteFor {
			p.text += ", " + link.Note
		}
	case session.Reconnecting:
		p = piece{"○ reconnecting in " + seconds(link.RetryAt.Sub(now)) + ": " + link.Reason, m.theme.Warn}
	case session.Offline:
		p = piece{"○ " + string(link.State) + ": " + link.Reason, m.theme.Bad}
	default:
		p = piece{"○ " + string(link.State), m.theme.Faint}
	}
	p.text = " " + p.text
	if m.at == onLogin {
		return bar([]piece{p}, piece{}, w)
	}
	held, newest := m.feed.Posts()
	right := fmt.Sprintf("%d posts", held)
	if !newest.IsZero() {
		right += ", newest " + screen.Ago(m.session.Now(), newest) + " old"
	}
	if m.at == onFeed {
		right = m.feed.Status() + ", " + right
	}
	if link.Behind > 0 {
		right = fmt.Sprintf("%d behind, ", link.Behind) + right
	}
	return bar([]piece{p}, piece{right + " ", m.theme.Row}, w)
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", max(0, int((d+time.Second-1)/time.Second)))
}

// hints are the first of the keys that do something now.
func (m *Model) hints(w int) string {
	line := " "
	globals := m.globals()
	if len(globals) > 1 {
		globals = []key.Binding{keys.Help, keys.Next, keys.Quit}
	}
	for _, b := range append(globals, m.current().Bindings()...) {
		if !b.Enabled() || b.Help().Key == "" {
			continue
		}
		hint := b.Help().Key + " " + b.Help().Desc
		if text.Width(line)+text.Width(hint)+3 > w {
			break
		}
		if line != " " {
			line += " • "
		}
		line += hint
	}
	return m.theme.Faint.Paint(line)
}

func blanks(n int) string { return strings.Repeat(" ", n) }

// piece is a text in one style.
type piece struct {
	text  string
	style theme.Style
}

// bar puts pieces at the left and one at the right into one line of w cells.
// The right one gives way first.
func bar(left []piece, right piece, w int) string {
	var b strings.Builder
	room := w
	for _, p := range left {
		cut := text.Cut(p.text, room)
		room -= text.Width(cut)
		b.WriteString(p.style.Paint(cut))
	}
	const apart = 2
	if right.text == "" || room <= apart+1 {
		return b.String()
	}
	b.WriteString(blanks(apart))
	room -= apart
	b.WriteString(right.style.Paint(text.FitRight(right.text, room)))
	return b.String()
}
