// Package kafkatest gives tests three real Kafka brokers that they may kill,
// freeze and start again. Only tests import it.
package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	nodes = 3
	// How long the brokers may take to serve, and one to be back in all ISRs:
	// a minute on a busy machine, of which they mostly need a sixth.
	startLimit = 2 * time.Minute
	// How long a broker may take to end after SIGTERM before it is killed.
	termLimit = 30 * time.Second
	// How often a start is repeated because a port was taken in between.
	portRaces = 3

	dirPattern = "pulse-kafkatest-"
)

// Option changes the brokers.
type Option func(*settings)

type settings struct{ properties map[string]string }

// With sets one property of all brokers, e.g. "group.min.session.timeout.ms".
func With(key, value string) Option {
	return func(s *settings) { s.properties[key] = value }
}

// Cluster is three brokers, numbered 1 to 3, each of them also a controller.
// Its methods are for one test at a time; they fail the test that they serve.
type Cluster struct {
	tb       testing.TB
	dir      string
	settings settings
	ports    *ports
	brokers  [nodes]*broker
}

// one lets only one real cluster of this process run at a time: each broker
// takes 400 MiB.
var one sync.Mutex

// Start gives this test a cluster of its own, without topics, and removes it
// after the test. It waits while another test of the process has one, and ends
// the shared one: tests of both kinds in turn are slow.
func Start(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	one.Lock()
	err := discardKept()
	var c *Cluster
	if err == nil {
		c, err = launch(opts...)
	}
	if err != nil {
		one.Unlock()
		tb.Fatalf("kafkatest: %v", err)
	}
	c.tb = tb
	tb.Cleanup(func() {
		defer one.Unlock()
		if tb.Failed() {
			tb.Log("kafkatest: " + c.lastWords())
		}
		if err := c.remove(); err != nil {
			tb.Errorf("kafkatest: %v", err)
		}
	})
	return c
}

// launch starts the brokers and waits until they serve groups.
func launch(opts ...Option) (*Cluster, error) {
	s := settings{properties: make(map[string]string)}
	for _, o := range opts {
		o(&s)
	}
	jars, err := findJars()
	if err != nil {
		return nil, err
	}
	sweep()
	for race := 1; ; race++ {
		c, err := launchOnce(s, jars)
		if err == nil {
			return c, nil
		}
		err = errors.Join(err, c.remove())
		if race == portRaces || !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

// launchOnce gives a cluster that must be removed, also with an error.
func launchOnce(s settings, jars string) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c := &Cluster{settings: s}
	var err error
	if c.dir, err = os.MkdirTemp("", dirPattern); err != nil {
		return c, err
	}
	if err := writeFile(c.path("owner"), fmt.Sprint(os.Getpid())); err != nil {
		return c, err
	}
	if c.ports, err = reservePorts(); err != nil {
		return c, err
	}
	if err := writeFile(c.path("log4j2.properties"), logging); err != nil {
		return c, err
	}
	for i := range c.brokers {
		c.brokers[i] = &broker{
			node: i + 1, dir: c.path(fmt.Sprintf("broker-%d", i+1)), jars: jars,
			logging: c.path("log4j2.properties"), address: c.ports.broker(i + 1),
		}
	}
	if err := c.format(ctx); err != nil {
		return c, err
	}
	for _, b := range c.brokers {
		if err := b.start(); err != nil {
			return c, err
		}
	}
	return c, c.awaitService(ctx)
}

// format makes the brokers' folders, at once: each takes a Java of its own.
func (c *Cluster) format(ctx context.Context) error {
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x7f // no leading dash, which the tool takes for an option
	clusterID := base64.RawURLEncoding.EncodeToString(id)
	faults := make([]error, nodes)
	var all sync.WaitGroup
	for i, b := range c.brokers {
		all.Go(func() {
			faults[i] = b.format(ctx, clusterID, c.properties(b))
		})
	}
	all.Wait()
	return errors.Join(faults...)
}

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

// remove kills the brokers and forgets everything.
func (c *Cluster) remove() error {
	for _, b := range c.brokers {
		if b != nil {
			b.end(syscall.SIGKILL)
		}
	}
	if c.ports != nil {
		c.ports.free()
	}
	if c.dir == "" {
		return nil
	}
	return os.RemoveAll(c.dir)
}

// sweep removes the folders that killed test processes have left. Their
// brokers died with them.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPattern+"*"))
	for _, dir := range left {
		owner, err := os.ReadFile(filepath.Join(dir, "owner"))
		if err != nil {
			continue // just begun
		}
		var pid int
		if _, err := fmt.Sscan(string(owner), &pid); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.RemoveAll(dir)
		}
	}
}

// lastWords is the end of every broker's log.
func (c *Cluster) lastWords() string {
	var all []string
	for _, b := range c.brokers {
		all = append(all, fmt.Sprintf("broker %d (%s):\n%s", b.node, b.state(), b.lastWords()))
	}
	return strings.Join(all, "\n")
}

// Brokers is the bootstrap list, in the order of the node numbers.
func (c *Cluster) Brokers() []string {
	var all []string
	for _, b := range c.brokers {
		all = append(all, b.address)
	}
	return all
}

// Kill is kill -9 of a broker; it returns when the process is gone.
func (c *Cluster) Kill(node int) { c.tb.Helper(); c.broker(node).end(syscall.SIGKILL) }

// Term asks a broker to stop in order, and returns when it has.
func (c *Cluster) Term(node int) {
	c.tb.Helper()
	if !c.broker(node).end(syscall.SIGTERM) {
		c.tb.Errorf("kafkatest: broker %d did not stop within %s and was killed", node, termLimit)
	}
}

// Freeze stops a broker where it stands: its connections stay and say nothing.
func (c *Cluster) Freeze(node int) { c.tb.Helper(); c.broker(node).signal(syscall.SIGSTOP) }

// Thaw lets a frozen broker go on.
func (c *Cluster) Thaw(node int) { c.tb.Helper(); c.broker(node).signal(syscall.SIGCONT) }

// Restart starts a broker that was killed or stopped, on its old data and
// address. It doesn't wait for the broker to serve: AwaitISR does.
func (c *Cluster) Restart(node int) {
	c.tb.Helper()
	b := c.broker(node)
	if b.alive() {
		c.tb.Fatalf("kafkatest: broker %d runs", node)
	}
	if err := b.start(); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
}

func (c *Cluster) broker(node int) *broker {
	c.tb.Helper()
	if node < 1 || node > nodes {
		c.tb.Fatalf("kafkatest: no broker %d", node)
	}
	return c.brokers[node-1]
}
