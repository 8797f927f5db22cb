package embedded

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// outputDelay bounds the wait for what a dead server's own children still hold.
const outputDelay = 2 * time.Second

// process is one child. It stays out of the terminal's process group, so that
// Ctrl-C reaches this process alone and the order of stopping is ours.
type process struct {
	cmd  *exec.Cmd
	log  *logFile
	done chan struct{} // closed when it has ended and its log is complete
	err  error         // how it ended; set before done closes
}

// start runs cmd, whose output goes to log. When this process dies, the kernel
// sends the child the signal dying.
func start(cmd *exec.Cmd, log *logFile, dying syscall.Signal) (*process, error) {
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = outputDelay
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr, dying)

	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		log.close()
		return nil, err
	}
	return p, nil
}

// run keeps its thread until the child has ended: the kernel takes the end of
// the thread that started a child for the end of its parent.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	p.log.close()
	close(p.done)
}

// ended explains a server that went away by itself.
func (p *process) ended() error {
	if p.err == nil {
		return fmt.Errorf("it stopped: %s", p.log.reason())
	}
	return fmt.Errorf("%w: %s", p.err, p.log.reason())
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// step is a signal and how long it may take to work.
type step struct {
	signal syscall.Signal
	wait   time.Duration
}

// stop sends the signals one after the other until the process has ended. When
// ctx ends, each one left gets a short moment only.
func (p *process) stop(ctx context.Context, steps ...step) error {
	const hurried = 300 * time.Millisecond
	for _, s := range steps {
		if !p.alive() {
			return nil
		}
		_ = p.cmd.Process.Signal(s.signal)
		wait := time.NewTimer(s.wait)
		select {
		case <-p.done:
		case <-wait.C:
		case <-ctx.Done():
			wait.Reset(min(s.wait, hurried))
			select {
			case <-p.done:
			case <-wait.C:
			}
		}
		wait.Stop()
	}
	if p.alive() {
		return fmt.Errorf("process %d does not end", p.cmd.Process.Pid)
	}
	return nil
}

// until calls done every few milliseconds until it is true, ctx ends or the
// time is over; it tells whether it became true.
func until(ctx context.Context, limit time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return done()
		}
	}
}
