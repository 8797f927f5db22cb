package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errPortTaken = errors.New("a port is taken")

// broker is one Java process and its folder.
type broker struct {
	node          int
	address       string
	dir           string
	jars, logging string

	mu     sync.Mutex // covers the rest
	proc   *os.Process
	done   chan struct{} // closed when proc has ended
	frozen bool
}

func (b *broker) path(name string) string { return filepath.Join(b.dir, name) }

// format writes the broker's properties and makes its data.
func (b *broker) format(ctx context.Context, clusterID, properties string) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	if err := writeFile(b.path("node.properties"), properties); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(b.jars, "*"),
		"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", b.path("node.properties"), "--ignore-formatted")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format broker %d: %w: %s", b.node, err, bytes.TrimSpace(out))
	}
	return nil
}

// start runs the process; it dies with this one.
func (b *broker) start() error {
	log, err := os.OpenFile(b.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("java", "-Xms192m", "-Xmx384m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:+ExitOnOutOfMemoryError", "-Dkafka.logs.dir="+b.dir, "-Dlog4j2.configurationFile="+b.logging,
		"-cp", filepath.Join(b.jars, "*"), "kafka.Kafka", b.path("node.properties"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test alone
	dieWithParent(cmd.SysProcAttr)
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The kernel takes the end of this thread for the end of the parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(done)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("run broker %d: %w", b.node, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proc, b.done, b.frozen = cmd.Process, done, false
	return nil
}

func (b *broker) current() (*os.Process, <-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proc, b.done, b.frozen
}

// alive is true of a frozen broker, too.
func (b *broker) alive() bool {
	proc, done, _ := b.current()
	if proc == nil {
		return false
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// answers tells whether asking the broker makes sense.
func (b *broker) answers() bool {
	_, _, frozen := b.current()
	return b.alive() && !frozen
}

func (b *broker) state() string {
	switch _, _, frozen := b.current(); {
	case !b.alive():
		return "down"
	case frozen:
		return "frozen"
	}
	return "up"
}

func (b *broker) signal(s syscall.Signal) {
	if !b.alive() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.proc.Signal(s)
	b.frozen = s == syscall.SIGSTOP
}

// end sends s and waits; it tells whether that was enough.
func (b *broker) end(s syscall.Signal) bool {
	if !b.alive() {
		return true
	}
	proc, done, _ := b.current()
	_ = proc.Signal(s)
	limit := time.NewTimer(termLimit)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		_ = proc.Kill()
		<-done
		return false
	}
}

// lastWords is the end of the log.
func (b *broker) lastWords() string {
	const most = 2000
	text, _ := os.ReadFile(b.path("log"))
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}

// ended explains a broker that went away by itself.
func (b *broker) ended() error {
	words := b.lastWords()
	if strings.Contains(words, "Address already in use") {
		return fmt.Errorf("broker %d: %w: %s", b.node, errPortTaken, words)
	}
	return fmt.Errorf("broker %d ended: %s", b.node, words)
}

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o600) }
