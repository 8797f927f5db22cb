package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// postgresStartLimit covers the recovery of a server that was killed under
	// load, which reads at most max_wal_size.
	postgresStartLimit = 2 * time.Minute
	// followLimit is how long a running replica may take to begin following.
	followLimit = 20 * time.Second
)

// server is one Postgres server of a cluster.
type server struct {
	cluster *cluster
	dir     string // its data
	port    int
	proc    *process

	following               chan struct{} // closed when the replica follows its primary
	lost                    chan struct{} // closed when it said that it cannot any more
	onceFollowing, onceLost sync.Once
}

func (c *cluster) server(name string) *server {
	return &server{
		cluster: c, dir: c.path(name),
		following: make(chan struct{}), lost: make(chan struct{}),
	}
}

func (s *server) name() string { return filepath.Base(s.dir) }

func (s *server) file(name string) string { return filepath.Join(s.dir, name) }

func (s *server) dsn() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(ownerRole, s.cluster.owner),
		Host:     loopback(s.port),
		Path:     databaseName,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// start brings the server to where it takes connections.
func (s *server) start(ctx context.Context, more map[string]string) error {
	portFile := s.cluster.path(s.name() + ".port")
	var err error
	for range portRaces {
		if s.port, err = choosePort(portFile); err != nil {
			return err
		}
		if err = s.cluster.configure(s.dir, more); err != nil {
			return fmt.Errorf("configure the %s: %w", s.name(), err)
		}
		if err = s.startOnce(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
		forgetPort(portFile)
	}
	return err
}

func (s *server) startOnce(ctx context.Context) error {
	cmd := s.cluster.command("postgres", "-D", s.dir, "-c", "config_file="+s.file(confName), "-c", "port="+strconv.Itoa(s.port))
	// A fast shutdown when we die: the next start needs no recovery.
	p, err := start(cmd, openLog(s.cluster.path(s.name()+".log"), s.watch), syscall.SIGINT)
	if err != nil {
		return fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	s.proc = p
	ready := until(ctx, postgresStartLimit, func() bool { return !p.alive() || s.ready() })
	switch {
	case !p.alive() && p.log.says("Address already in use"):
		return fmt.Errorf("start the %s: %w: %w", s.name(), errPortTaken, p.ended())
	case !p.alive():
		return fmt.Errorf("start the %s: %w", s.name(), p.ended())
	case !ready:
		reason := p.log.reason()
		_ = s.stop(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("start the %s: %w", s.name(), ctx.Err())
		}
		return fmt.Errorf("start the %s: not ready after %s: %s", s.name(), postgresStartLimit, reason)
	}
	return nil
}

// ready reads the status that the server keeps in its pid file: line 1 is its
// process, line 8 its state.
func (s *server) ready() bool {
	text, err := os.ReadFile(s.file("postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(s.proc.cmd.Process.Pid) &&
		strings.TrimSpace(lines[7]) == "ready"
}

// What a replica says in its log; the words are the same from 15 to 18.
var (
	saysFollowing = "started streaming WAL from primary"
	saysLost      = []string{
		"could not start WAL streaming: ERROR",
		"has already been removed",
		"database system identifier differs",
		"is not in this server's history",
	}
	// A walsender that has not noticed yet that its receiver is gone.
	saysBusy = "is active for PID"
)

func (s *server) watch(line string) {
	if strings.Contains(line, saysFollowing) {
		s.onceFollowing.Do(func() { close(s.following) })
	}
	for _, words := range saysLost {
		if strings.Contains(line, words) && !strings.Contains(line, saysBusy) {
			s.onceLost.Do(func() { close(s.lost) })
		}
	}
}

var errStale = errors.New("the replica can no longer follow its primary")

// follow waits until the replica follows its primary.
func (s *server) follow(ctx context.Context) error {
	limit := time.NewTimer(followLimit)
	defer limit.Stop()
	select {
	case <-s.lost:
		return fmt.Errorf("%w: %s", errStale, s.proc.log.reason())
	case <-s.proc.done:
		return fmt.Errorf("%w: %w", errStale, s.proc.ended())
	case <-s.following:
		return nil
	case <-limit.C:
		return fmt.Errorf("%w: nothing received in %s: %s", errStale, followLimit, s.proc.log.reason())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends the server in order, and by force when ctx ends before.
func (s *server) stop(ctx context.Context) error {
	if s == nil || s.proc == nil {
		return nil
	}
	err := s.proc.stop(ctx,
		step{syscall.SIGINT, 20 * time.Second},
		step{syscall.SIGQUIT, 2 * time.Second},
		step{syscall.SIGKILL, time.Second})
	if err != nil {
		return fmt.Errorf("stop the %s: %w", s.name(), err)
	}
	return nil
}
