package widget

import (
	"strings"

	"github.com/rivo/uniseg"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/theme"
)

// maxTyped bounds what a field takes, in characters.
const maxTyped = 1024

// Field is one line of typed text. The zero value is an empty field.
type Field struct {
	Masked bool // show dots: a password
	chars  []string
	at     int // the cursor stands before chars[at]
}

// Value is what was typed.
func (f *Field) Value() string { return strings.Join(f.chars, "") }

// Set replaces the text and puts the cursor behind it.
func (f *Field) Set(s string) {
	f.chars, f.at = nil, 0
	f.Insert(s)
}

// Insert types or pastes text at the cursor. What cannot be drawn is left out;
// a password is taken as it is but for line ends.
func (f *Field) Insert(s string) {
	if f.Masked {
		s = strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(strings.ToValidUTF8(s, ""))
	} else {
		s = text.Drawable(s)
	}
	for state := -1; s != "" && len(f.chars) < maxTyped; {
		var char string
		char, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
		f.chars = append(f.chars[:f.at:f.at], append([]string{char}, f.chars[f.at:]...)...)
		f.at++
	}
}

// Key does what an editing key means and tells whether it means anything.
func (f *Field) Key(name string) bool {
	switch name {
	case "left", "ctrl+b":
		f.at = max(0, f.at-1)
	case "right", "ctrl+f":
		f.at = min(len(f.chars), f.at+1)
	case "home", "ctrl+a":
		f.at = 0
	case "end", "ctrl+e":
		f.at = len(f.chars)
	case "backspace", "ctrl+h":
		if f.at > 0 {
			f.chars = append(f.chars[:f.at-1], f.chars[f.at:]...)
			f.at--
		}
	case "delete", "ctrl+d":
		if f.at < len(f.chars) {
			f.chars = append(f.chars[:f.at], f.chars[f.at+1:]...)
		}
	case "ctrl+u":
		f.chars, f.at = f.chars[f.at:], 0
	case "ctrl+k":
		f.chars = f.chars[:f.at]
	default:
		return false
	}
	return true
}

// View draws the field in exactly w cells, with its cursor if focused.
func (f *Field) View(t theme.Theme, w int, focused bool) string {
	if w <= 0 {
		return ""
	}
	shown := make([]string, len(f.chars))
	for i, c := range f.chars {
		if f.Masked {
			c = "•"
		}
		shown[i] = c
	}
	// Scroll so that the cursor, which takes a cell, is in sight.
	from, used := f.at, 1
	if f.at < len(shown) {
		used = text.Width(shown[f.at])
	}
	for from > 0 && used+text.Width(shown[from-1]) <= w {
		from--
		used += text.Width(shown[from])
	}
	before := strings.Join(shown[from:f.at], "")
	under, after := " ", ""
	if f.at < len(shown) {
		under, after = shown[f.at], strings.Join(shown[f.at+1:], "")
	}
	if !focused {
		return text.Fit(strings.Join(shown[from:], ""), w)
	}
	rest := w - text.Width(before) - text.Width(under)
	return before + t.Cursor.Paint(under) + text.Fit(after, rest)
}
