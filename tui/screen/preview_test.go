package screen

import (
	"context"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/theme"
)

// slowConfig answers a preview when it is told to, or not at all.
type slowConfig struct {
	Config
	asked  chan wire.PreviewChange
	answer chan string
}

func (c *slowConfig) ReadOnly() bool            { return false }
func (c *slowConfig) Who() (string, pulse.Role) { return "olga", pulse.Operator }

func (c *slowConfig) Preview(ctx context.Context, change wire.PreviewChange) (string, bool, error) {
	c.asked <- change
	select {
	case detail := <-c.answer:
		return detail, true, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}

// within runs a command in the background and gives what comes of it.
func within(t *testing.T, cmd tea.Cmd) <-chan tea.Msg {
	t.Helper()
	if cmd == nil {
		t.Fatal("there is no command")
	}
	out := make(chan tea.Msg, 1)
	go func() { out <- cmd() }()
	return out
}

func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing within 10 s")
		panic("unreachable")
	}
}

func TestAPreviewIsGivenUpWhenTypingGoesOn(t *testing.T) {
	t.Parallel()
	c := &slowConfig{asked: make(chan wire.PreviewChange, 1), answer: make(chan string, 1)}
	s := NewSubreddits(t.Context(), theme.New(false), c, time.Now)
	press := func(text string) tea.Cmd {
		return s.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text)})
	}
	shown := func() string { return strings.Join(s.View(80, 20), "\n") }
	press("a")
	first := await(t, within(t, press("news")))
	answer := within(t, s.Update(first))
	if asked := await(t, c.asked); asked.Name != "news" || *asked.IntervalSeconds != 60 || asked.Remove {
		t.Errorf("asked for %+v", asked)
	}
	second := within(t, press(", 90")) // the server has not answered yet
	gone := await(t, answer).(previewAnswer)
	if gone.err == nil {
		t.Error("the first question goes on")
	}
	s.Update(gone)
	if strings.Contains(shown(), "preview") {
		t.Errorf("an answer to an older text is shown:\n%s", shown())
	}
	if s.Update(first) != nil {
		t.Error("an older text is asked about again")
	}
	answer = within(t, s.Update(await(t, second)))
	if asked := await(t, c.asked); *asked.IntervalSeconds != 90 {
		t.Errorf("asked for %+v", asked)
	}
	c.answer <- "44 of 84 requests a minute; every interval holds"
	s.Update(await(t, answer))
	if !strings.Contains(shown(), "then 44 of 84 requests a minute") {
		t.Errorf("the answer is not shown:\n%s", shown())
	}
	third := within(t, press("0"))
	if !strings.Contains(shown(), "then 44 of 84") {
		t.Error("the line jumps away while the next is awaited")
	}
	s.Update(tea.KeyMsg{Type: tea.KeyEsc})
	if s.Update(await(t, third)) != nil || strings.Contains(shown(), "then") {
		t.Error("a closed form is asked about")
	}
	if s.Update(tea.KeyMsg{Type: tea.KeyLeft}) != nil {
		t.Error("a cursor key asks for something")
	}
}
