package widget

import (
	"strings"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/theme"
)

// Column is one column of a table. Exactly one, the last, takes what is left.
type Column struct {
	Title string
	Width int  // cells; of the last column: the fewest that are worth it
	Right bool // figures
	Keep  int  // the columns of the lowest number go first where room is short
}

// Stamp changes when the cells of a row do. Rows of an equal stamp are drawn
// from memory.
type Stamp [2]uint64

// Source is the rows of a table. Keys name rows for ever; indexes only for now.
type Source interface {
	Len() int
	Key(i int) string
	Stamp(i int) Stamp
	// Row appends one cell per column, drawable, and says how the row looks.
	Row(i int, cells []string) ([]string, theme.Style)
}

// Table shows a window of a source. It holds the cursor on its row by key,
// whatever comes and goes around it.
type Table struct {
	theme   theme.Theme
	columns []Column

	src    Source
	key    string // of the row under the cursor, "" while there is none
	at     int    // its index
	top    int    // index of the first row in sight
	height int    // rows in sight
	stick  bool   // the cursor stays on the first row, whichever that is

	shown  []int // columns in sight
	widths []int
	width  int
	cache  map[string]cached
	cells  []string
}

type cached struct {
	stamp Stamp
	text  string // the cells
	line  string // the whole line, away from the cursor
}

// NewTable makes an empty table. With stick, the cursor follows the first row
// until it is moved.
func NewTable(t theme.Theme, columns []Column, stick bool) *Table {
	return &Table{theme: t, columns: columns, stick: stick, height: 1, cache: map[string]cached{}}
}

// SetSource shows other rows. The cursor stays on its row, in the same line of
// the window, or where it was if the row is gone.
func (t *Table) SetSource(src Source) {
	t.src = src
	n := src.Len()
	if n == 0 {
		t.at, t.top, t.key = 0, 0, ""
		return
	}
	if t.stick {
		t.move(0)
		return
	}
	line := t.at - t.top
	if i := t.find(t.key); i >= 0 {
		t.at = i
	}
	t.at = min(t.at, n-1)
	t.key = src.Key(t.at)
	t.top = max(0, t.at-line)
	t.scroll()
}

// find looks near the old place first: rows rarely move far.
func (t *Table) find(key string) int {
	n := t.src.Len()
	for d := 0; d < n; d++ {
		if i := t.at + d; i < n && t.src.Key(i) == key {
			return i
		}
		if i := t.at - d; i >= 0 && i < n && t.src.Key(i) == key {
			return i
		}
	}
	return -1
}

func (t *Table) move(to int) {
	if t.src == nil || t.src.Len() == 0 {
		return
	}
	t.at = max(0, min(to, t.src.Len()-1))
	t.key = t.src.Key(t.at)
	t.scroll()
}

// scroll moves the window so that the cursor is in it.
func (t *Table) scroll() {
	n := t.src.Len()
	t.top = min(t.top, t.at, max(0, n-t.height))
	t.top = max(t.top, t.at-t.height+1, 0)
}

// Step moves the cursor by rows, Page by windows.
func (t *Table) Step(n int) { t.stick = false; t.move(t.at + n) }

// Page moves the cursor by windows.
func (t *Table) Page(n int) { t.Step(n * max(1, t.height-1)) }

// First moves the cursor to the first row, and keeps it there if follow.
func (t *Table) First(follow bool) { t.stick = follow; t.move(0) }

// Last moves the cursor to the last row.
func (t *Table) Last() {
	if t.src != nil {
		t.stick = false
		t.move(t.src.Len() - 1)
	}
}

// Select puts the cursor on the row of a key as soon as there is one.
func (t *Table) Select(key string) {
	t.stick, t.key = false, key
	if t.src != nil {
		if i := t.find(key); i >= 0 {
			t.move(i)
		}
	}
}

// Pin takes the cursor off the first row's place and onto its row.
func (t *Table) Pin() { t.stick = false }

// Sticks tells whether the cursor follows the first row.
func (t *Table) Sticks() bool { return t.stick }

// Key is the row under the cursor, "" if there is none.
func (t *Table) Key() string { return t.key }

// Cursor is the index of the row under the cursor, -1 if there is none.
func (t *Table) Cursor() int {
	if t.src == nil || t.src.Len() == 0 {
		return -1
	}
	return t.at
}

// Above is how many rows are out of sight above the window.
func (t *Table) Above() int { return t.top }

// View draws the heads and the rows in exactly h lines of w cells.
func (t *Table) View(w, h int) []string {
	t.layout(w)
	lines := make([]string, 0, h)
	if h <= 0 {
		return lines
	}
	lines = append(lines, t.theme.Head.Paint(t.heads()))
	t.height = max(1, h-1)
	if t.src == nil {
		return Fill(lines, h)
	}
	if n := t.src.Len(); n > 0 {
		t.at = min(t.at, n-1)
		t.scroll()
		for i := t.top; i < n && len(lines) < h; i++ {
			lines = append(lines, t.line(i))
		}
	}
	t.forget(4 * h)
	return Fill(lines, h)
}

// layout chooses columns for a width.
func (t *Table) layout(w int) {
	if w == t.width {
		return
	}
	t.width = w
	clear(t.cache)
	t.shown = t.shown[:0]
	for i := range t.columns {
		t.shown = append(t.shown, i)
	}
	last := len(t.columns) - 1
	for {
		used := 1 + len(t.shown) - 1 // the margin and a blank between columns
		worst := -1
		for at, i := range t.shown {
			if i == last {
				continue
			}
			used += t.columns[i].Width
			if worst < 0 || t.columns[i].Keep < t.columns[t.shown[worst]].Keep {
				worst = at
			}
		}
		rest := w - used
		if rest >= t.columns[last].Width || worst < 0 {
			t.widths = t.widths[:0]
			for _, i := range t.shown[:len(t.shown)-1] {
				t.widths = append(t.widths, t.columns[i].Width)
			}
			t.widths = append(t.widths, max(0, rest))
			return
		}
		t.shown = append(t.shown[:worst], t.shown[worst+1:]...)
	}
}

func (t *Table) heads() string {
	cells := make([]string, len(t.columns))
	for i, c := range t.columns {
		cells[i] = c.Title
	}
	return " " + t.join(cells)
}

func (t *Table) join(cells []string) string {
	var b strings.Builder
	b.Grow(t.width + 32)
	for at, i := range t.shown {
		if at > 0 {
			b.WriteByte(' ')
		}
		cell := ""
		if i < len(cells) {
			cell = cells[i]
		}
		if t.columns[i].Right {
			b.WriteString(text.FitRight(cell, t.widths[at]))
		} else {
			b.WriteString(text.Fit(cell, t.widths[at]))
		}
	}
	return b.String()
}

func (t *Table) line(i int) string {
	key, stamp := t.src.Key(i), t.src.Stamp(i)
	row, ok := t.cache[key]
	if !ok || row.stamp != stamp {
		var style theme.Style
		t.cells, style = t.src.Row(i, t.cells[:0])
		row.stamp = stamp
		if len(t.cells) == 1 { // one cell is a remark over the whole line
			row.text = text.Fit(t.cells[0], t.width-1)
		} else {
			row.text = t.join(t.cells)
		}
		row.line = style.Paint(" " + row.text)
		t.cache[key] = row
	}
	if i == t.at {
		return t.theme.Cursor.Paint("▸" + row.text)
	}
	return row.line
}

// forget bounds the memory of drawn rows.
func (t *Table) forget(most int) {
	if len(t.cache) > max(most, 256) {
		clear(t.cache)
	}
}
