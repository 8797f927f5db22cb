package text

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Ellipsis stands where text was cut. It takes one cell.
const Ellipsis = "…"

// Width is how many cells a terminal needs for s. Colours take none. It is the
// only measure of width: whatever draws uses it.
func Width(s string) int {
	if plain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// Fit gives s in exactly that many cells: padded with spaces behind, or cut
// with an ellipsis. It gives "" for no or fewer cells.
func Fit(s string, cells int) string {
	s, room := cut(s, cells)
	return s + spaces(room)
}

// FitRight is Fit with the padding in front, for figures.
func FitRight(s string, cells int) string {
	s, room := cut(s, cells)
	return spaces(room) + s
}

// Cut shortens s to at most that many cells.
func Cut(s string, cells int) string {
	s, _ = cut(s, cells)
	return s
}

// cut shortens s to at most that many cells and tells how many are left over.
func cut(s string, cells int) (string, int) {
	if cells <= 0 {
		return "", 0
	}
	width := Width(s)
	if width > cells {
		s = ansi.Truncate(s, cells, Ellipsis)
		width = Width(s)
	}
	return s, max(0, cells-width)
}

const blank = "                                                                                "

func spaces(n int) string {
	if n <= len(blank) {
		return blank[:n]
	}
	return strings.Repeat(" ", n)
}
