package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
)

// TestMain makes the test binary a program that panics where a test wants one.
func TestMain(m *testing.M) {
	where := os.Getenv("PULSE_TUI_TEST_PANIC")
	if where == "" {
		time.Local = time.UTC // of the golden files
		code := m.Run()
		_ = os.RemoveAll(binaryDir)
		os.Exit(code)
	}
	err := show(context.Background(), Process{Stdin: os.Stdin, Stdout: os.Stdout}, func(panicked func(error)) *Model {
		return broken(where, panicked)
	})
	fmt.Println(err)
	os.Exit(exitFailed)
}

// broken is a model that panics in the event loop or in the session.
func broken(where string, panicked func(error)) *Model {
	api, err := client.New(client.Config{BaseURL: "http://127.0.0.1:9"})
	if err != nil {
		panic(err)
	}
	api.SetToken("a.b.c")
	armed := false
	s := session.New(session.Config{Client: api, Panicked: panicked, Now: func() time.Time {
		if armed {
			panic("the clock is broken") // the session asks it when a connection fails
		}
		return time.Now()
	}})
	m := newModel(context.Background(), theme.New(true), s, start{token: where == "session"})
	if where == "update" {
		m.at, m.feed = onFeed, nil
	}
	armed = true
	return m
}

// terminal is a program on a pseudo terminal that answers no query.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	tty    *os.File
	before *term.State
	began  time.Time
	enter  func(string) // types on it

	mu  sync.Mutex
	out bytes.Buffer
	eof chan struct{}
}

func onTerminal(t *testing.T, env []string, name string, args ...string) *terminal {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(ptmx, &pty.Winsize{Rows: 60, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, tty: tty, before: before, eof: make(chan struct{}), began: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	x.cmd = exec.CommandContext(ctx, name, args...)
	x.cmd.Env = append([]string{"TERM=xterm-256color", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	x.cmd.Dir = t.TempDir()
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = tty, tty, tty
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(x.eof)
		buf := make([]byte, 64<<10)
		for {
			n, err := ptmx.Read(buf)
			x.mu.Lock()
			x.out.Write(buf[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		tty.Close()
		ptmx.Close()
		<-x.eof
	})
	x.enter = func(s string) {
		if _, err := ptmx.WriteString(s); err != nil {
			t.Error(err)
		}
	}
	return x
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

// until waits for output and says how long after the start it came.
func (x *terminal) until(want string) time.Duration {
	x.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !strings.Contains(x.text(), want) {
		select {
		case <-tick.C:
		case <-late:
			x.t.Fatalf("no %q on the terminal, but\n%q", want, x.text())
		}
	}
	return time.Since(x.began)
}

// ended waits for the program's end and checks that the terminal is as before.
func (x *terminal) ended(code int) {
	x.t.Helper()
	err := x.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		x.t.Fatal(err)
	}
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		x.t.Errorf("exit code %d, want %d:\n%s", got, code, x.text())
	}
	after, err := term.GetState(int(x.tty.Fd()))
	if err != nil {
		x.t.Fatal(err)
	}
	if !reflect.DeepEqual(after, x.before) {
		x.t.Error("the terminal is not in the mode it was in")
	}
	x.until("\x1b[?1049l") // no alternate screen
	x.until("\x1b[?25h")   // a cursor
}

// binaryDir holds the program that built has built.
var binaryDir string

var built = sync.OnceValues(func() (string, error) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "pulse-tui-test"); err != nil {
		return "", err
	}
	bin := filepath.Join(binaryDir, "pulse-tui")
	out, err := exec.Command("go", "build", "-o", bin, "dev.redditpulse/tui").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return bin, nil
})

func binary(t *testing.T) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// nowhere is an address that nobody answers at.
const nowhere = "--server=http://127.0.0.1:9"

func TestFirstFrameNeedsNoAnswerOfTheTerminal(t *testing.T) {
	bin := binary(t)
	x := onTerminal(t, nil, bin, nowhere)
	took := x.until("Log in")
	t.Logf("first frame after %s", took)
	// Whoever waits for an answer waits five seconds.
	if took > 2*time.Second {
		t.Errorf("the first frame took %s", took)
	}
	for _, query := range []string{"\x1b]11;?", "\x1b]10;?", "\x1b[6n", "\x1b[c", "\x1b[>"} {
		if strings.Contains(x.text(), query) {
			t.Errorf("the terminal was asked %q", query)
		}
	}
	x.enter("\x03")
	x.ended(0)
}

func TestVersionAndHelpWriteNoEscapes(t *testing.T) {
	bin := binary(t)
	for _, args := range [][]string{{"--version"}, {"--help"}, {"version"}, {"--nonsense"}} {
		x := onTerminal(t, nil, bin, args...)
		_ = x.cmd.Wait()
		x.until("pulse-tui")
		if text := x.text(); strings.Contains(text, "\x1b") {
			t.Errorf("%s wrote %q", args, text)
		}
	}
}

func TestTheTerminalIsRestored(t *testing.T) {
	bin := binary(t)
	for name, end := range map[string]func(*terminal){
		"esc":     func(x *terminal) { x.enter("\x1b") },
		"SIGTERM": func(x *terminal) { _ = x.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(x *terminal) { _ = x.cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			x := onTerminal(t, nil, bin, nowhere)
			x.until("Log in")
			end(x)
			x.ended(0)
		})
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"update", "session"} {
		t.Run("panic in the "+where, func(t *testing.T) {
			x := onTerminal(t, []string{"PULSE_TUI_TEST_PANIC=" + where}, self, nowhere)
			x.ended(1)
			x.until("panic")
		})
	}
}

func TestNoColour(t *testing.T) {
	x := onTerminal(t, []string{"NO_COLOR=1"}, binary(t), nowhere)
	x.until("Log in")
	x.enter("\x03")
	x.ended(0)
	for _, part := range strings.Split(x.text(), "\x1b[")[1:] {
		sgr, _, ok := strings.Cut(part, "m")
		for code := range strings.SplitSeq(sgr, ";") {
			if ok && len(code) == 2 && (code[0] == '3' || code[0] == '4') {
				t.Fatalf("a colour in spite of NO_COLOR: %q", sgr)
			}
		}
	}
}

func TestWithoutATerminal(t *testing.T) {
	out, err := exec.Command(binary(t), nowhere).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "needs a terminal") {
		t.Errorf("gave %v: %s", err, out)
	}
}
