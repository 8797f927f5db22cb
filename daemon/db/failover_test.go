package db_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

// relay passes connections on to a server until it is cut.
type relay struct {
	net.Listener
	mu     sync.Mutex // covers conns
	conns  []net.Conn
	all    sync.WaitGroup
	frozen atomic.Bool
	ended  chan struct{}
}

// freeze keeps all connections open and passes nothing on any more.
func (r *relay) freeze() { r.frozen.Store(true) }

// until reads until the relay is frozen; then it waits for its end.
type until struct {
	io.Reader
	r *relay
}

func (u until) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if u.r.frozen.Load() {
		<-u.r.ended
		return 0, io.EOF
	}
	return n, err
}

func relayTo(t *testing.T, address string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, ended: make(chan struct{})}
	r.all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", address)
			if err != nil {
				in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, in, out)
			r.mu.Unlock()
			r.all.Go(func() { _, _ = io.Copy(out, until{in, r}); out.Close() })
			r.all.Go(func() { _, _ = io.Copy(in, until{out, r}); in.Close() })
		}
	})
	t.Cleanup(func() { r.cut(); r.all.Wait() })
	return r
}

// cut ends all connections and takes no more.
func (r *relay) cut() {
	r.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.ended:
	default:
		close(r.ended)
	}
	for _, c := range r.conns {
		c.Close()
	}
}

func TestAReplicaThatDiesInUseCostsNoError(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	dsn, err := url.Parse(c.ReplicaDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	r := relayTo(t, dsn.Host)
	dsn.Host = r.Addr().String()
	c.ReplicaDSN = config.Secret(dsn.String())
	d := openAt(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.Watch(ctx)
	}()
	defer func() { cancel(); <-watched }()
	eventually(t, "the replica answers", func() bool {
		_, by, err := d.Stats(t.Context())
		return err == nil && by == pulse.Replica
	})
	r.cut()
	for range 50 {
		if _, by, err := d.Stats(t.Context()); err != nil || by != pulse.Primary {
			t.Fatalf("%s answered, %v", by, err)
		}
	}
}
