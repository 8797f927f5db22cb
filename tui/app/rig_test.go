package app

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/text"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
)

var update = flag.Bool("update", false, "write the golden files anew")

// moment is the time of every rig, of its server too.
var moment = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

func now() time.Time { return moment }

// rig drives the model as the program does, one message at a time, on a real
// session with a server.
type rig struct {
	t    *testing.T
	srv  *clienttest.Server
	m    *Model
	msgs chan tea.Msg
	done chan struct{}
	wg   sync.WaitGroup
	quit bool
}

func newRig(t *testing.T, st start, readOnly bool) *rig {
	t.Helper()
	srv := clienttest.Start()
	t.Cleanup(srv.Close)
	srv.Greet(func(f *wire.ServerFrame) { at := moment; f.ServerTime = &at })
	api, err := client.New(client.Config{BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	s := session.New(session.Config{Client: api, ReadOnly: readOnly, Now: now})
	if st.token {
		api.SetTokens(srv.Tokens("vera"))
	}
	st.now = now
	r := &rig{t: t, srv: srv, msgs: make(chan tea.Msg), done: make(chan struct{})}
	r.m = newModel(t.Context(), theme.New(true), s, st)
	t.Cleanup(func() {
		close(r.done)
		s.Stop()
		r.wg.Wait()
	})
	r.do(r.m.Init())
	r.size(80, 24)
	return r
}

// do runs a command in the background, as the program does.
func (r *rig) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	r.wg.Go(func() {
		msg := cmd()
		if msg == nil {
			return
		}
		select {
		case r.msgs <- msg:
		case <-r.done:
		}
	})
}

func (r *rig) take(msg tea.Msg) {
	switch msg := msg.(type) {
	case tea.BatchMsg:
		for _, cmd := range msg {
			r.do(cmd)
		}
	case tea.QuitMsg:
		r.quit = true
	default:
		_, cmd := r.m.Update(msg)
		r.do(cmd)
	}
}

// until handles messages until the screen shows what is wanted.
func (r *rig) until(wanted ...string) {
	r.t.Helper()
	r.untilTrue(strings.Join(wanted, ", "), func() bool {
		screen := r.screen()
		for _, w := range wanted {
			if !strings.Contains(screen, w) {
				return false
			}
		}
		return true
	})
}

func (r *rig) untilTrue(what string, ok func() bool) {
	r.t.Helper()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case msg := <-r.msgs:
			r.take(msg)
		case <-late:
			r.t.Fatalf("no %q within 10 s on\n%s", what, r.screen())
		}
	}
}

func (r *rig) size(w, h int) { r.take(tea.WindowSizeMsg{Width: w, Height: h}) }

// screen is the frame without its styles.
func (r *rig) screen() string { return ansi.Strip(r.m.View()) }

var special = map[string]tea.KeyType{
	"enter": tea.KeyEnter, "tab": tea.KeyTab, "esc": tea.KeyEsc, "ctrl+c": tea.KeyCtrlC, "ctrl+u": tea.KeyCtrlU,
	"down": tea.KeyDown, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace,
}

// press sends keys by name; any other text as typed, in one message.
func (r *rig) press(names ...string) {
	for _, name := range names {
		if typ, ok := special[name]; ok {
			r.take(tea.KeyMsg{Type: typ})
			continue
		}
		for i, part := range strings.Split(name, " ") {
			if i > 0 {
				r.take(tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}})
			}
			if part != "" {
				r.take(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(part)})
			}
		}
	}
}

// logIn goes through the form.
func (r *rig) logIn(user string) {
	r.t.Helper()
	r.press(user, "tab", user, "enter")
	r.until("● connected", "["+"1 feed]")
}

var port = regexp.MustCompile(`127\.0\.0\.1:\d{5}`)

// golden compares the screen with testdata/name at two sizes.
func (r *rig) golden(name string) {
	r.t.Helper()
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		r.size(size[0], size[1])
		r.check(size[0], size[1])
		got := port.ReplaceAllString(r.screen(), "127.0.0.1:PORT5") + "\n"
		file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+"-"+sizeName(size)+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			r.t.Fatal(err)
		}
		if got != string(want) {
			r.t.Errorf("%s differs, -update writes it anew; got\n%s", file, got)
		}
	}
	r.size(80, 24)
}

func sizeName(s [2]int) string { return size(s[0], s[1]) }

// check is what holds for every frame at every size.
func (r *rig) check(w, h int) {
	r.t.Helper()
	frame := r.m.View()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		r.t.Fatalf("%dx%d: %d lines", w, h, len(lines))
	}
	for _, line := range lines {
		if got := text.Width(line); got > w {
			r.t.Fatalf("%dx%d: %q takes %d cells", w, h, line, got)
		}
	}
	for _, c := range ansi.Strip(frame) {
		if c != '\n' && (c < ' ' || c >= 0x7f && c <= 0x9f || c >= 0x202a && c <= 0x202e) {
			r.t.Fatalf("%dx%d: the frame has %U:\n%q", w, h, c, frame)
		}
	}
	if strings.Count(frame, "\x1b") != strings.Count(frame, "\x1b[") {
		r.t.Fatalf("%dx%d: an escape that is no style in\n%q", w, h, frame)
	}
}
