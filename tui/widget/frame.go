// Package widget draws pieces of a screen as lines of an exact width: tables,
// fields, frames. It keeps only what the eye needs: cursor, offset, text typed.
package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"

	"dev.redditpulse/shared/text"
)

// Frame joins lines to exactly h lines of at most w cells: what is too much is
// cut, what is missing is blank.
func Frame(lines []string, w, h int) string {
	var b strings.Builder
	b.Grow(h * (w + 16))
	for i := range h {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i >= len(lines) {
			continue
		}
		line := lines[i]
		if ansi.StringWidth(line) > w {
			line = ansi.Truncate(line, w, "")
		}
		b.WriteString(line)
	}
	return b.String()
}

// Fill makes lines exactly h long.
func Fill(lines []string, h int) []string {
	if len(lines) > h {
		return lines[:max(0, h)]
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return lines
}

// Wrap breaks drawable text into lines of at most w cells, between words where
// it can, and into at most n lines.
func Wrap(s string, w, n int) []string {
	if w <= 0 || n <= 0 {
		return nil
	}
	lines := strings.Split(ansi.Wrap(s, w, ""), "\n")
	if len(lines) > n {
		lines = lines[:n]
		lines[n-1] = text.Cut(lines[n-1]+text.Ellipsis, w)
	}
	for i, line := range lines {
		if text.Width(line) > w {
			lines[i] = text.Cut(line, w)
		}
	}
	return lines
}

// ASCII replaces what is not ASCII in a finished line by as many plain
// characters as it takes cells.
func ASCII(line string) string {
	pure := true
	for i := range len(line) {
		if line[i] >= 0x80 {
			pure = false
			break
		}
	}
	if pure {
		return line
	}
	var b strings.Builder
	for state := -1; line != ""; {
		var cluster string
		cluster, line, _, state = uniseg.FirstGraphemeClusterInString(line, state)
		switch {
		case cluster[0] < 0x80 && len(cluster) == 1:
			b.WriteString(cluster)
		case glyphs[cluster] != "":
			b.WriteString(glyphs[cluster])
		default:
			b.WriteString(strings.Repeat("?", ansi.StringWidth(cluster)))
		}
	}
	return b.String()
}

// glyphs are our own signs and their plain stand-ins, each of one cell.
var glyphs = map[string]string{"…": "~", "–": "-", "─": "-", "│": "|", "●": "*", "○": "o", "▸": ">", "•": "*", "↑": "^", "→": ">", "×": "x", "·": "-"}
