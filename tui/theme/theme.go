// Package theme is how things look: semantic styles as ready escape sequences.
// No colour is named anywhere else. It asks the terminal nothing.
package theme

import "github.com/charmbracelet/lipgloss"

// Bubble Tea asks the terminal for its background while it is imported and
// waits seconds for an answer that may never come. Stating a background first
// stops that, and this package is initialised first: its import path sorts
// before github.com/charmbracelet/bubbletea and it needs nothing but lipgloss.
// The colours here are the terminal's own sixteen, which suit any background.
var _ = assumeBackground()

func assumeBackground() bool {
	lipgloss.SetHasDarkBackground(true)
	return true
}

// Style is how a piece of text looks. The zero value changes nothing.
type Style struct{ open string }

// Paint gives s in this style. s must have no escape sequences of its own.
func (s Style) Paint(text string) string {
	if s.open == "" || text == "" {
		return text
	}
	return s.open + text + reset
}

const reset = "\x1b[0m"

// Theme is the style of everything that is drawn, by meaning.
type Theme struct {
	Title   Style // the product's name
	Tab     Style // the screen in sight
	Faint   Style // what may be overlooked
	Head    Style // column heads, labels
	Row     Style
	Cursor  Style // the row or field that keys act on
	Good    Style
	Warn    Style
	Bad     Style
	GapRow  Style // a hole in the feed
	Offline Style // a row that takes no part: paused, removed
}

// New is the theme, with colours or with bold, faint and reverse alone.
func New(colour bool) Theme {
	t := Theme{
		Title: Style{"\x1b[1m"}, Tab: Style{"\x1b[1;7m"}, Faint: Style{"\x1b[2m"}, Head: Style{"\x1b[1m"},
		Cursor: Style{"\x1b[7m"}, Bad: Style{"\x1b[1m"}, Warn: Style{"\x1b[1m"},
		GapRow: Style{"\x1b[1m"}, Offline: Style{"\x1b[2m"},
	}
	if !colour {
		return t
	}
	t.Title = Style{"\x1b[1;36m"}
	t.Good = Style{"\x1b[32m"}
	t.Warn = Style{"\x1b[33m"}
	t.Bad = Style{"\x1b[1;31m"}
	t.GapRow = Style{"\x1b[33m"}
	return t
}

// Colourful tells from the environment whether colours are wanted.
func Colourful(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}
