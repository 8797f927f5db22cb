package e2e

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// terminal is pulse-tui in a terminal of its own, read through an emulator.
type terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	pty    *os.File
	mu     sync.Mutex // covers screen
	screen vt10x.Terminal
	ended  chan struct{}
}

func startTerminal(t testing.TB, s *system, width, height int) *terminal {
	t.Helper()
	term := &terminal{t: t, screen: vt10x.New(vt10x.WithSize(width, height)), ended: make(chan struct{})}
	term.cmd = exec.Command(programs.tui)
	term.cmd.Dir = s.dir // where .pulse/run.toml tells it the server
	term.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "PULSE_TOKEN=")
	f, err := pty.StartWithSize(term.cmd, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)})
	if err != nil {
		t.Fatal(err)
	}
	term.pty = f
	go func() {
		defer close(term.ended)
		buf := make([]byte, 32<<10)
		for {
			n, err := f.Read(buf)
			term.mu.Lock()
			_, _ = term.screen.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Signal(syscall.SIGTERM)
		_ = term.cmd.Wait()
		f.Close()
		<-term.ended
	})
	return term
}

func (m *terminal) pid() int { return m.cmd.Process.Pid }

func (m *terminal) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.screen.String()
}

func (m *terminal) types(keys string) {
	m.t.Helper()
	if _, err := m.pty.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// shows waits until the screen has a text.
func (m *terminal) shows(text string) {
	m.t.Helper()
	defer func() {
		if m.t.Failed() {
			m.t.Logf("the screen:\n%s", m.text())
		}
	}()
	eventually(m.t, "the screen shows "+text, func() bool { return strings.Contains(m.text(), text) })
}

func (m *terminal) logIn(user, password string) {
	m.t.Helper()
	m.shows("Log in")
	m.types(user + "\t")
	m.types(password + "\r")
	m.shows("[1 feed]")
}

// The way of an operator: log in, watch, add politics, see its posts; the server
// says no, goes away and comes back.
func TestAnOperatorLivesInTheTerminal(t *testing.T) {
	t.Parallel()
	s := up(t, folder(t), nil, "--listen", freeAddress(t))
	m := startTerminal(t, s, 120, 30)
	m.shows("Log in")
	m.types("admin\twrong\r")
	m.shows("the server says")
	m.types("\x7f\x7f\x7f\x7f\x7f" + "admin\r")
	m.shows("[1 feed]")
	m.shows("connected")

	m.types("2")
	m.shows("[2 subreddits]")
	m.types("a")
	m.shows("add:")
	m.types("politics, 5, fast, active\r")
	m.shows("10")
	m.types("\x15politics, 90, fast, active\r")
	m.shows("politics added")
	m.types("1")
	m.shows("politics")

	address := s.setting(t, "api", "listen").(string)
	_ = s.stop(t, syscall.SIGKILL)
	m.shows("reconnecting")
	up(t, s.dir, nil, "--listen", address)
	m.shows("● connected")
	m.types("q")
	<-m.ended
	if err := m.cmd.Wait(); err != nil {
		t.Errorf("quitting ends with %v", err)
	}
}
