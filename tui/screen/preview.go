package screen

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
)

// previewAfter is how long typing must rest before the server is asked.
const previewAfter = 300 * time.Millisecond

// preview is what the row that is being typed would do, as far as known.
type preview struct {
	gen     int                // of the text; answers to an older one are dropped
	stop    context.CancelFunc // ends the question under way, nil while there is none
	line    string             // in words, "" while nothing is known
	holds   bool
	awaited bool // line is of an older text
}

type (
	previewDue    struct{ gen int }
	previewAnswer struct {
		gen    int
		detail string
		holds  bool
		err    error
	}
)

// turn goes on to another text. The line stays until there is a newer one.
func (p *preview) turn() {
	p.gen++
	p.awaited = true
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

func (p *preview) say(line string, holds bool) { p.line, p.holds, p.awaited = line, holds, false }

// typed waits for a rest in typing.
func (s *Subreddits) typed() tea.Cmd {
	s.preview.turn()
	gen := s.preview.gen
	return tea.Tick(previewAfter, func(time.Time) tea.Msg { return previewDue{gen} })
}

// closePrompt ends what is being asked, with its preview.
func (s *Subreddits) closePrompt() {
	s.prompt = nil
	s.preview.turn()
	s.preview.say("", true)
}

// foresee asks the server what the typed row would do.
func (s *Subreddits) foresee(due previewDue) tea.Cmd {
	p := s.prompt
	if p == nil || due.gen != s.preview.gen {
		return nil
	}
	if strings.TrimSpace(p.field.Value()) == "" {
		s.preview.say("", true)
		return nil
	}
	row, err := p.read()
	if err != nil {
		s.preview.say(session.Words(err), false)
		return nil
	}
	if _, differs := changed(p.base, row); p.kind == editing && !differs {
		s.preview.say("", true)
		return nil
	}
	ctx, stop := context.WithCancel(s.ctx)
	s.preview.stop = stop
	return func() tea.Msg {
		detail, holds, err := s.config.Preview(ctx, wire.PreviewChange{
			Name: row.Name, IntervalSeconds: &row.IntervalSeconds, Priority: &row.Priority, IsActive: &row.IsActive,
		})
		return previewAnswer{due.gen, detail, holds, err}
	}
}

// foreseen shows the answer, unless typing has gone on.
func (s *Subreddits) foreseen(a previewAnswer) {
	if a.gen != s.preview.gen {
		return
	}
	s.preview.turn()
	if a.err != nil {
		s.preview.say("no preview: "+session.Words(a.err), false)
		return
	}
	s.preview.say("then "+a.detail, a.holds)
}
