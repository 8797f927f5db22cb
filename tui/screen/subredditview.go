package screen

import (
	"dev.redditpulse/shared/text"
	"dev.redditpulse/tui/theme"
	"dev.redditpulse/tui/widget"
)

// View draws the budget, the table, and below it what is asked or said.
func (s *Subreddits) View(w, h int) []string {
	var above []string
	if line, style := budgetLine(s.theme, s.budget, s.rows, s.now()); line != "" {
		above = append(above, " "+style.Paint(text.Cut(line, w-2)))
	}
	below := s.below(w)
	if len(below) > h/2 {
		below = below[:h/2]
	}
	lines := s.table.View(w, h-len(above)-len(below))
	switch {
	case len(lines) < 3:
	case !s.loaded && s.stale == "":
		lines[2] = "  " + s.theme.Faint.Paint("reading…")
	case s.loaded && len(s.rows) == 0:
		lines[2] = "  " + s.theme.Faint.Paint("no subreddit is watched yet: a adds one")
	}
	return widget.Fill(append(append(above, lines...), below...), h)
}

// below is what is known of the row at the cursor, what is asked and what is
// said.
func (s *Subreddits) below(w int) []string {
	var lines []string
	add := func(words string, style theme.Style) {
		for _, line := range widget.Wrap(words, w-2, 3) {
			lines = append(lines, " "+style.Paint(line))
		}
	}
	if row, ok := s.current(); ok && s.prompt == nil {
		if gaps := gapLine(&row); gaps != "" {
			add(gaps, s.theme.Warn)
		}
		if row.Status.LastError != "" {
			add(row.Name+": "+row.Status.LastError, s.theme.Bad)
		}
	}
	if s.stale != "" {
		add("the rows may be old: "+s.stale, s.theme.Bad)
	}
	if p := s.prompt; p != nil {
		lines = append(lines, s.theme.Faint.Paint(rule(w)))
		if p.kind == removing {
			add("remove "+p.base.Name+"? Its posts stay. y or n", s.theme.Bad)
			return lines
		}
		lines = append(lines, s.form(w)...)
	}
	switch {
	case s.busy != "":
		lines = append(lines, " "+s.theme.Faint.Paint(text.Cut("asking the server to "+s.busy+"…", w-2)))
	case s.notice != "" && s.isError:
		add(s.notice, s.theme.Bad)
	case s.notice != "":
		add(s.notice, s.theme.Good)
	}
	return lines
}

// form is the line being typed, and what is wrong with it or would come of it.
func (s *Subreddits) form(w int) []string {
	p := s.prompt
	head := "add: name, seconds, fast|medium|slow, active|paused"
	if p.kind == editing {
		head = "edit " + p.base.Name + ": name, seconds, priority, active|paused"
	}
	lines := []string{
		" " + s.theme.Head.Paint(text.Cut(head, w-2)),
		"▸ " + p.field.View(s.theme, w-3, true),
	}
	if p.fault != "" {
		for _, line := range widget.Wrap(p.fault, w-2, 3) {
			lines = append(lines, " "+s.theme.Bad.Paint(line))
		}
		return lines
	}
	if v := &s.preview; v.line != "" {
		style := s.theme.Good
		switch {
		case v.awaited:
			style = s.theme.Faint
		case !v.holds:
			style = s.theme.Warn
		}
		lines = append(lines, " "+style.Paint(text.Cut(v.line, w-2)))
	}
	return lines
}
