package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperEnv makes the test binary run one part in a process of its own, which a
// test may kill: "<part> <folder>".
const helperEnv = "EMBEDDED_TEST_HELPER"

func TestMain(m *testing.M) {
	if part := os.Getenv(helperEnv); part != "" {
		os.Exit(helper(part, os.Getenv(helperEnv+"_DIR")))
	}
	goleak.VerifyTestMain(m)
}

// ready is what the helper says when its part runs.
type ready struct {
	Addr, Replica string
	Err           string
}

// helper starts the part, says so on stdout and stops it when stdin ends.
func helper(part, dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var say ready
	var err error
	stop := func() {}
	switch part {
	case "lock":
		var l *Lock
		if l, err = LockDir(dir); err == nil {
			stop = l.Unlock
		}
	case "kafka":
		var k *Kafka
		if k, err = StartKafka(ctx, KafkaConfig{Dir: dir}); err == nil {
			say.Addr, stop = k.Brokers()[0], k.Close
		}
	case "redis":
		var r *Redis
		if r, err = StartRedis(ctx, RedisConfig{Dir: dir}); err == nil {
			say.Addr, stop = r.Addr, r.Close
		}
	case "postgres":
		var p *Postgres
		if p, err = StartPostgres(ctx, PostgresConfig{Dir: dir, Replica: true, NoSync: true}); err == nil {
			say.Addr, say.Replica = p.PrimaryDSN, p.ReplicaDSN
			stop = func() { p.Close(ctx) }
		}
	}
	if err != nil {
		say.Err = err.Error()
	}
	json.NewEncoder(os.Stdout).Encode(say)
	if err != nil {
		return 1
	}
	io.Copy(io.Discard, os.Stdin)
	stop()
	return 0
}

// child is a helper process.
type child struct {
	ready
	cmd   *exec.Cmd
	stdin io.Closer
}

// run starts a helper; with a credential it runs as that user. It ends with the
// test at the latest.
func run(t *testing.T, part, dir string, as *syscall.Credential) *child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if as != nil {
		program = copyProgram(t, program)
	}
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), helperEnv+"="+part, helperEnv+"_DIR="+dir)
	cmd.Stderr = os.Stderr
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		cmd.Env = append(cmd.Env, "HOME="+dir)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: in}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the helper for %s said nothing: %v", part, err)
	}
	if err := json.Unmarshal(line, &c.ready); err != nil {
		t.Fatalf("the helper for %s said %q: %v", part, line, err)
	}
	return c
}

func copyProgram(t *testing.T, from string) string {
	t.Helper()
	dir := openDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "helper")
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}

// kill is kill -9; it returns when the process is gone.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

func (c *child) finish(t *testing.T) {
	t.Helper()
	c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the helper ended with %v", err)
	}
}

// openDir is a folder with a space in its name that other users can come to,
// unlike t.TempDir.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pulse embedded-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a condition and fails with what was waited for.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	if !until(context.Background(), 20*time.Second, done) {
		t.Fatalf("waited in vain: %s", what)
	}
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(writeLog{t}, nil))
}

type writeLog struct{ t *testing.T }

func (w writeLog) Write(p []byte) (int, error) {
	w.t.Logf("%.500s", p)
	return len(p), nil
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
}

// nobody is a user without rights.
var nobody = &syscall.Credential{Uid: nobodyID, Gid: nobodyID}
