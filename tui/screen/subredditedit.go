package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
)

// press takes a key while nothing is being asked.
func (s *Subreddits) press(k tea.KeyMsg) tea.Cmd {
	if key.Matches(k, subredditKeys.Dismiss) {
		s.notice = ""
		return nil
	}
	if navigate(s.table, k, false) {
		return nil
	}
	if !key.Matches(k, subredditKeys.Add, subredditKeys.Edit, subredditKeys.Pause, subredditKeys.Remove) {
		return nil
	}
	if s.config.ReadOnly() {
		s.say("this terminal was started with --read-only", true)
		return nil
	}
	if s.busy != "" {
		s.say("wait, the server is still asked to "+s.busy, true)
		return nil
	}
	s.notice = ""
	if key.Matches(k, subredditKeys.Add) {
		s.prompt = &prompt{kind: adding, base: defaults()}
		return nil
	}
	row, ok := s.current()
	if !ok {
		s.say("there is no row to change", true)
		return nil
	}
	switch {
	case key.Matches(k, subredditKeys.Edit):
		s.prompt = &prompt{kind: editing, base: row}
		s.prompt.field.Set(formatRow(row))
	case key.Matches(k, subredditKeys.Pause):
		active := !row.IsActive
		return s.edit(row, wire.SubredditChange{IsActive: &active})
	case key.Matches(k, subredditKeys.Remove):
		s.prompt = &prompt{kind: removing, base: row}
	}
	return nil
}

func (s *Subreddits) current() (wire.Subreddit, bool) {
	if i := s.table.Cursor(); i >= 0 && i < len(s.rows) {
		return s.rows[i], true
	}
	return wire.Subreddit{}, false
}

// ask takes a key while something is being asked.
func (s *Subreddits) ask(k tea.KeyMsg) tea.Cmd {
	p := s.prompt
	if p.kind == removing {
		switch {
		case key.Matches(k, promptKeys.Yes):
			s.closePrompt()
			return s.remove(p.base)
		case key.Matches(k, promptKeys.No):
			s.closePrompt()
		}
		return nil
	}
	before := p.field.Value()
	switch {
	case k.Type == tea.KeyRunes || k.Type == tea.KeySpace:
		p.field.Insert(string(k.Runes))
		p.fault = ""
	case key.Matches(k, promptKeys.Cancel):
		s.closePrompt()
		return nil
	case key.Matches(k, promptKeys.Submit):
		return s.submit(p)
	default:
		p.field.Key(k.String())
	}
	if p.field.Value() == before {
		return nil
	}
	return s.typed()
}

// read gives the row that was typed, or what is wrong with it.
func (p *prompt) read() (wire.Subreddit, error) {
	row, err := parseRow(p.field.Value(), p.base)
	if err == nil && p.kind == editing && !pulse.SameSubreddit(row.Name, p.base.Name) {
		err = pulse.InvalidField("name", "cannot be changed, add %s and remove %s", row.Name, p.base.Name)
	}
	return row, err
}

func (s *Subreddits) submit(p *prompt) tea.Cmd {
	if s.busy != "" {
		return nil // one at a time
	}
	row, err := p.read()
	if err != nil {
		p.fault = session.Words(err)
		return nil
	}
	if p.kind == adding {
		return s.add(row)
	}
	change, differs := changed(p.base, row)
	if !differs {
		s.closePrompt()
		s.say("nothing was changed", false)
		return nil
	}
	return s.edit(p.base, change)
}

func (s *Subreddits) add(row wire.Subreddit) tea.Cmd {
	s.busy = "add " + row.Name
	return func() tea.Msg {
		added, err := s.config.Add(s.ctx, newRow(row))
		return s.settle(row.Name, row.Name+" added", &added, err)
	}
}

func (s *Subreddits) edit(base wire.Subreddit, c wire.SubredditChange) tea.Cmd {
	s.busy = "change " + base.Name
	return func() tea.Msg {
		row, err := s.config.Edit(s.ctx, base.Name, base.Version, c)
		return s.settle(base.Name, "saved: "+formatRow(row), &row, err)
	}
}

func (s *Subreddits) remove(base wire.Subreddit) tea.Cmd {
	s.busy = "remove " + base.Name
	return func() tea.Msg {
		return s.settle(base.Name, base.Name+" removed", nil, s.config.Remove(s.ctx, base.Name, base.Version))
	}
}

// settle makes the answer to a change; after a conflict with the row as it is.
func (s *Subreddits) settle(name, done string, row *wire.Subreddit, err error) changeAnswer {
	a := changeAnswer{name: name, done: done, err: err}
	switch {
	case err == nil:
		a.current = row
	case pulse.CodeOf(err) == pulse.Conflict:
		if row, err := s.config.Subreddit(s.ctx, name); err == nil {
			a.current = &row
		}
	}
	return a
}

// put shows a row as the server has it now, before the rows are read again.
func (s *Subreddits) put(name string, row *wire.Subreddit) {
	rows := slices.Clone(s.rows)
	i := slices.IndexFunc(rows, func(r wire.Subreddit) bool { return pulse.SameSubreddit(r.Name, name) })
	switch {
	case row == nil && i >= 0:
		rows = slices.Delete(rows, i, i+1)
	case row != nil && i >= 0:
		rows[i] = *row
	case row != nil:
		rows = append(rows, *row)
	}
	s.show(rows)
}

// answered shows what came of a change and reads the rows again.
func (s *Subreddits) answered(a changeAnswer) tea.Cmd {
	s.busy = ""
	if a.err == nil || a.current != nil {
		s.put(a.name, a.current)
	}
	var fault string
	switch code := pulse.CodeOf(a.err); {
	case a.err == nil:
		s.closePrompt()
		s.say(a.done, false)
		s.table.Select(strings.ToLower(a.name))
	case code == pulse.Unauthenticated:
		return ended(a.err)
	case code == pulse.Forbidden && !s.config.ReadOnly():
		_, role := s.config.Who()
		s.closePrompt()
		s.say(fmt.Sprintf("your role %s may not change subreddits (%s)", role, session.Words(a.err)), true)
	case code == pulse.Conflict && a.current != nil:
		fault = session.Words(a.err) + "; it is now " + formatRow(*a.current)
		if p := s.prompt; p != nil && p.kind == editing {
			p.base = *a.current // saving again changes the row as it is now
			fault += "; enter saves yours over it"
		}
	default:
		fault = session.Words(a.err)
	}
	switch {
	case fault != "" && s.prompt != nil:
		s.prompt.fault = fault
	case fault != "":
		s.say(fault, true)
	}
	if !s.visible {
		return nil
	}
	s.gen++
	return s.load()
}
