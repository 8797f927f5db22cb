// Package e2e tests the built programs from outside, as their users meet them.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"dev.redditpulse/shared/client"
)

// patience is how long anything may take before a test gives up.
const patience = 2 * time.Minute

var programs = struct {
	dir        string
	pulse, tui string
}{}

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pulse e2e ") // with spaces, as users' folders have
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// The database's user, where the tests run as root, must reach its folder.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	programs.dir, programs.pulse, programs.tui = dir, filepath.Join(dir, "pulse"), filepath.Join(dir, "pulse-tui")
	for program, pkg := range map[string]string{programs.pulse: "./daemon", programs.tui: "./tui"} {
		build := exec.Command("go", "build", raceFlag, "-o", program, pkg)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// process is a running program.
type process struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when it has ended
	err  error         // set before done closes
}

// output collects what a program prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs pulse in a folder of its own, or a given one.
func start(t testing.TB, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(programs.pulse, args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), append([]string{"PULSE_OPS_LISTEN=127.0.0.1:0"}, env...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(20 * time.Second):
			p.signal(syscall.SIGKILL)
			<-p.done
		}
		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Errorf("pulse %v has a data race", args)
		}
		if t.Failed() {
			t.Logf("pulse %v printed:\n%s", args, p.out)
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// stop sends a signal and waits for the end.
func (p *process) stop(t testing.TB, s syscall.Signal) error {
	t.Helper()
	p.signal(s)
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		t.Fatalf("still running after %v", s)
		return nil
	}
}

// says waits until the program has printed a match and gives its first group.
func (p *process) says(t testing.TB, pattern string) string {
	t.Helper()
	expr := regexp.MustCompile(pattern)
	var found []string
	eventually(t, fmt.Sprintf("the program says %q", pattern), func() bool {
		found = expr.FindStringSubmatch(p.out.String())
		select {
		case <-p.done:
			if found == nil {
				t.Fatalf("ended (%v) before it said %q:\n%s", p.err, pattern, p.out)
			}
		default:
		}
		return found != nil
	})
	return found[len(found)-1]
}

// run runs pulse to its end and gives what it printed and its exit code.
func run(t testing.TB, dir string, in io.Reader, env []string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs.pulse, args...)
	cmd.Dir, cmd.Stdin, cmd.Env = dir, in, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("pulse %v: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// folder makes a folder for one system: reachable for the database's user, with
// a space in its name, and removed only when the servers in it have ended.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(programs.dir, "my system ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// system is a running `pulse up`.
type system struct {
	*process
	dir string
	url string
	api *client.Client // logged in as admin
}

// up starts a system on free ports and logs in.
func up(t testing.TB, dir string, env []string, args ...string) *system {
	t.Helper()
	p := start(t, dir, env, append([]string{"up", "--listen", "127.0.0.1:0"}, args...)...)
	s := &system{process: p, dir: dir, url: p.says(t, `URL +(http://\S+)`)}
	p.says(t, `Ctrl-C stops it`)
	api, err := client.New(client.Config{BaseURL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	eventually(t, "log in", func() bool { return api.Login(t.Context(), "admin", "admin") == nil })
	s.api = api
	return s
}

// setting reads a setting of the running system from its run.toml.
func (s *system) setting(t testing.TB, section, key string) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, ".pulse", "run.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all[section][key]
}

// posts is how many posts the system has.
func (s *system) posts(t testing.TB) int64 {
	t.Helper()
	stats, err := s.api.Stats(t.Context())
	if err != nil {
		return -1
	}
	return stats.Posts
}

// request sends a bare HTTP request, as curl does.
func request(t testing.TB, method, url, token, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// interrupt is what Ctrl-C sends.
const interrupt = syscall.SIGINT

// freeAddress is an address that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually waits for what another process makes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		<-time.After(50 * time.Millisecond)
	}
}
