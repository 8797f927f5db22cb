package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// stopLimit bounds the cleaning up after a start that failed.
const stopLimit = 5 * time.Second

// PostgresConfig says where the servers live.
type PostgresConfig struct {
	Dir     string // made where it is missing
	Replica bool   // run a streaming replica beside the primary
	Log     *slog.Logger
	// Progress gets a line about what takes a while; nil: nobody is told.
	Progress func(string)
	// NoSync never waits for the disk: a power cut may destroy the data. For
	// tests.
	NoSync bool
}

// Postgres is a private primary and its streaming replica. The DSNs are of the
// owner of the database and hold its password.
type Postgres struct {
	PrimaryDSN string
	ReplicaDSN string // "" without a replica
	Version    string // "15.18"

	primary, replica *server // replica may be nil
	log              *slog.Logger
	died             chan struct{}
	diedOnce         sync.Once
	closing          chan struct{} // closed when Close begins
	closeOnce        sync.Once
	closeErr         error
}

// StartPostgres starts the servers on c.Dir's data, which it makes at the first
// time. The programs are those of the machine (PULSE_POSTGRES_BIN, the PATH, the
// usual folders), else they are downloaded. As root the servers run as an
// unprivileged user. On an error nothing is left running.
func StartPostgres(ctx context.Context, c PostgresConfig) (*Postgres, error) {
	p, err := startPostgres(ctx, c)
	if err == nil {
		return p, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if told := (*pulse.Error)(nil); errors.As(err, &told) {
		return nil, err
	}
	return nil, &pulse.Error{Code: pulse.Unavailable, Message: "start Postgres", Err: err}
}

func startPostgres(ctx context.Context, c PostgresConfig) (*Postgres, error) {
	say := c.Progress
	if say == nil {
		say = func(string) {}
	}
	home, err := clusterHome(ctx, c.Dir, say)
	if err != nil {
		return nil, err
	}
	cl := &cluster{home: home, acct: serverAccount(home), log: orDiscard(c.Log), say: say, noSync: c.NoSync}
	wanted, err := majorOf(cl.path(primaryName))
	if err != nil {
		return nil, fmt.Errorf("read the version of the data: %w", err)
	}
	cl.bin, err = finder{
		wanted: wanted, acct: cl.acct, say: say,
		bundle:  published(cacheDir(home)),
		folders: append([]string{""}, usual...),
	}.find(ctx)
	if err != nil {
		return nil, err
	}
	if err := cl.stopLeftovers(ctx); err != nil {
		return nil, err
	}
	if err := cl.prepare(ctx, c.Replica); err != nil {
		return nil, err
	}
	return cl.start(ctx, c.Replica)
}

// start runs the servers, making a replica anew that cannot follow.
func (c *cluster) start(ctx context.Context, replica bool) (*Postgres, error) {
	p, err := c.startServers(ctx, replica)
	if errors.Is(err, errStale) && ctx.Err() == nil {
		c.log.Warn("replica made anew", "err", err)
		c.say("the replica cannot follow any more")
		if err = c.seed(ctx); err == nil {
			p, err = c.startServers(ctx, replica)
		}
	}
	return p, err
}

// startServers leaves nothing running when it fails.
func (c *cluster) startServers(ctx context.Context, replica bool) (_ *Postgres, err error) {
	primary := c.server(primaryName)
	var follower *server
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
			defer cancel()
			err = errors.Join(err, follower.stop(ctx), primary.stop(ctx))
		}
	}()
	if err := primary.start(ctx, nil); err != nil {
		return nil, err
	}
	p := &Postgres{
		PrimaryDSN: primary.dsn(), Version: c.bin.version,
		primary: primary, log: c.log, died: make(chan struct{}), closing: make(chan struct{}),
	}
	if replica {
		follower = c.server(replicaName)
		if err := c.startReplica(ctx, follower, primary.port); err != nil {
			return nil, err
		}
		p.replica, p.ReplicaDSN = follower, follower.dsn()
	}
	p.watch()
	return p, nil
}

// startReplica gives errStale where a new copy of the primary would help.
func (c *cluster) startReplica(ctx context.Context, s *server, primaryPort int) error {
	if err := s.start(ctx, c.followSettings(primaryPort)); err != nil {
		if ctx.Err() != nil || errors.Is(err, errPortTaken) {
			return err
		}
		return fmt.Errorf("%w: %w", errStale, err)
	}
	return s.follow(ctx)
}

// Done is closed when the primary has ended by itself, not by Close. The replica
// may end: its readers have the primary, and the next start brings it back.
func (p *Postgres) Done() <-chan struct{} { return p.died }

// Close stops the replica and then the primary, in order while ctx lasts and by
// force after that. Again it gives the same answer.
func (p *Postgres) Close(ctx context.Context) error {
	p.closeOnce.Do(func() {
		close(p.closing)
		p.closeErr = errors.Join(p.replica.stop(ctx), p.primary.stop(ctx))
	})
	return p.closeErr
}

// watch follows the servers for as long as they live.
func (p *Postgres) watch() {
	for _, s := range []*server{p.primary, p.replica} {
		if s == nil {
			continue
		}
		go func() {
			lost := s.lost
			for {
				select {
				case <-lost:
					lost = nil
					p.markStale(s)
				case <-s.proc.done:
					p.ended(s)
					return
				}
			}
		}()
	}
}

// markStale leaves the replica serving what it has, which its readers judge by
// its age, and has it made anew at the next start.
func (p *Postgres) markStale(s *server) {
	p.log.Warn("replica cannot follow, it is made anew at the next start", "err", s.proc.log.reason())
	mark := s.cluster.path(staleName)
	if err := os.WriteFile(mark, nil, ownerOnlyFile); err != nil {
		p.log.Error("mark of a stale replica not written", "err", err)
	}
}

func (p *Postgres) ended(s *server) {
	select {
	case <-p.closing:
	default:
		p.log.Error("postgres server ended by itself", "server", s.name(), "err", s.proc.ended())
		if s == p.primary {
			p.diedOnce.Do(func() { close(p.died) })
		}
	}
}
