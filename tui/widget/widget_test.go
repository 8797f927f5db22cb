package widget_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// list is rows of a key each; a second cell repeats it.
type list []string

func (l list) Len() int               { return len(l) }
func (l list) Key(i int) string       { return l[i] }
func (l list) Stamp(int) widget.Stamp { return widget.Stamp{} }
func (l list) Row(i int, cells []string) ([]string, theme.Style) {
	return append(cells, fmt.Sprint(i), l[i]), theme.Style{}
}

func numbered(from, to int) list {
	var l list
	for i := from; i >= to; i-- {
		l = append(l, fmt.Sprintf("row%03d", i))
	}
	return l
}

func table(stick bool) *widget.Table {
	return widget.NewTable(theme.New(false), []widget.Column{
		{Title: "n", Width: 4, Right: true, Keep: 1}, {Title: "key", Width: 6},
	}, stick)
}

func TestTableHoldsTheCursorOnItsRow(t *testing.T) {
	t.Parallel()
	tb := table(true)
	tb.SetSource(numbered(50, 0))
	tb.View(20, 11)
	tb.Step(5)
	if tb.Key() != "row045" {
		t.Fatalf("the cursor is on %s", tb.Key())
	}
	before := slices.IndexFunc(tb.View(20, 11), func(l string) bool { return strings.Contains(l, "row045") })
	tb.SetSource(numbered(60, 0)) // ten new rows on top
	lines := tb.View(20, 11)
	if after := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "▸") }); after != before ||
		!strings.Contains(lines[after], "row045") {
		t.Errorf("the cursor moved from line %d to %d:\n%s", before, after, strings.Join(lines, "\n"))
	}
	tb.SetSource(append(numbered(60, 46), numbered(44, 0)...)) // its row is gone
	if tb.Key() != "row044" {
		t.Errorf("without its row the cursor is on %s", tb.Key())
	}
	tb.First(true)
	tb.SetSource(numbered(70, 0))
	if tb.Key() != "row070" || !tb.Sticks() || tb.Above() != 0 {
		t.Errorf("following, the cursor is on %s, %d above", tb.Key(), tb.Above())
	}
	tb.Last()
	if tb.Key() != "row000" || tb.Sticks() {
		t.Errorf("last is %s", tb.Key())
	}
	tb.SetSource(list{})
	if tb.Cursor() != -1 || tb.Key() != "" {
		t.Errorf("an empty table has a cursor at %d", tb.Cursor())
	}
}

func TestTableMovesStayInside(t *testing.T) {
	t.Parallel()
	tb := table(false)
	for _, do := range []func(){
		func() { tb.Step(1) }, func() { tb.Page(-1) }, tb.Last, func() { tb.First(true) }, func() { tb.Select("x") },
	} {
		do() // without a source
	}
	tb.SetSource(numbered(9, 0))
	tb.View(20, 5)
	tb.Page(1)
	tb.Page(1)
	tb.Page(99)
	if tb.Cursor() != 9 {
		t.Errorf("far down the cursor is at %d", tb.Cursor())
	}
	tb.Page(-99)
	tb.Step(-1)
	if tb.Cursor() != 0 {
		t.Errorf("far up the cursor is at %d", tb.Cursor())
	}
	tb.Select("row003")
	if tb.Cursor() != 6 {
		t.Errorf("selected, the cursor is at %d", tb.Cursor())
	}
}

func TestTableLinesHaveTheirWidth(t *testing.T) {
	t.Parallel()
	for w := range 60 {
		tb := table(true)
		tb.SetSource(list{"日本語のとても長い題名です", "b", "❤👍🇩🇪"})
		for _, h := range []int{0, 1, 2, 3, 10} {
			lines := tb.View(w, h)
			if len(lines) != h {
				t.Fatalf("%dx%d: %d lines", w, h, len(lines))
			}
			for _, line := range lines {
				if got := text.Width(line); w > 8 && line != "" && got != w {
					t.Fatalf("%dx%d: %q has %d cells", w, h, line, got)
				}
			}
		}
	}
}

func TestTableGivesUpColumnsWhereRoomIsShort(t *testing.T) {
	t.Parallel()
	tb := table(true)
	tb.SetSource(list{"abcdef"})
	if head := tb.View(12, 2)[0]; !strings.Contains(head, " n ") {
		t.Errorf("12 cells show %q", head)
	}
	if head := tb.View(11, 2)[0]; strings.Contains(head, " n ") {
		t.Errorf("11 cells still show %q", head)
	}
}

func TestFrameIsExact(t *testing.T) {
	t.Parallel()
	frame := widget.Frame([]string{"日本語", "\x1b[1mbold and long\x1b[0m", "c", "too much"}, 5, 3)
	lines := strings.Split(frame, "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if text.Width(line) > 5 {
			t.Errorf("%q is too wide", line)
		}
	}
	if !strings.HasSuffix(lines[1], "\x1b[0m") {
		t.Errorf("%q does not end its style", lines[1])
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		w, n int
		want []string
	}{
		{"one two three", 8, 5, []string{"one two", "three"}},
		{"one two three", 7, 1, []string{"one tw…"}},
		{"unbreakable", 4, 9, []string{"unbr", "eaka", "ble"}},
		{"", 4, 9, []string{""}},
		{"x", 0, 9, nil},
	} {
		if got := widget.Wrap(c.in, c.w, c.n); !slices.Equal(got, c.want) {
			t.Errorf("Wrap(%q, %d, %d) = %q, want %q", c.in, c.w, c.n, got, c.want)
		}
	}
}

func TestASCIIKeepsTheWidth(t *testing.T) {
	t.Parallel()
	in := "\x1b[1m▸ 日本 – é…\x1b[0m"
	if got := widget.ASCII(in); got != "\x1b[1m> ???? - ?~\x1b[0m" {
		t.Errorf("gave %q", got)
	}
}

func TestFieldEdits(t *testing.T) {
	t.Parallel()
	var f widget.Field
	f.Insert("polítics\x1b[2J\n")
	f.Key("home")
	f.Insert("r/")
	f.Key("right")
	f.Key("delete")
	f.Key("end")
	f.Key("backspace")
	if got := f.Value(); got != "r/plítics[2J" {
		t.Errorf("value is %q", got)
	}
	f.Key("ctrl+u")
	if f.Value() != "" || f.Key("f5") {
		t.Errorf("emptied, the value is %q", f.Value())
	}
	f.Insert(strings.Repeat("x", 5000))
	if n := len(f.Value()); n != 1024 {
		t.Errorf("a long paste kept %d characters", n)
	}
	pass := widget.Field{Masked: true}
	pass.Insert("s\tecret\r\n")
	if view := pass.View(theme.New(false), 12, false); pass.Value() != "s\tecret" || strings.Contains(view, "secret") {
		t.Errorf("password %q is drawn as %q", pass.Value(), view)
	}
}

func FuzzField(f *testing.F) {
	f.Add("日本\u0301語", "left", 5)
	f.Add("👨\u200d👩", "backspace", 1)
	f.Fuzz(func(t *testing.T, typed, name string, w int) {
		w %= 100
		var fd widget.Field
		fd.Insert(typed)
		fd.Key("left")
		fd.Key(name)
		fd.Insert(typed)
		for _, focused := range []bool{true, false} {
			if got := text.Width(fd.View(theme.New(true), w, focused)); w > 1 && got != w {
				t.Fatalf("%q in %d cells takes %d", fd.Value(), w, got)
			}
		}
	})
}
