package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/daemon/bus"
	"dev.redditpulse/daemon/cache"
	"dev.redditpulse/daemon/db"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/ops"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/telemetry"
)

// grace is how long a daemon may take to finish what it has begun.
const grace = 6 * time.Second

// parts is what the daemons of one process share: logger, metrics, adapters.
// An adapter is opened by the first that asks for it.
type parts struct {
	c      config.Config
	log    *slog.Logger
	reg    *prometheus.Registry
	checks map[string]ops.Check

	dbs    *db.DB
	buses  *bus.Bus
	dead   *bus.Bus // reads the dead letters, in a group of its own
	caches *cache.Cache
}

func newParts(c config.Config, log *slog.Logger) *parts {
	return &parts{c: c, log: log, reg: telemetry.NewRegistry(), checks: map[string]ops.Check{}}
}

func (p *parts) database() (*db.DB, error) {
	if p.dbs != nil {
		return p.dbs, nil
	}
	if p.c.Postgres.PrimaryDSN == "" {
		return nil, errors.New("postgres.primary_dsn: not set")
	}
	d, err := db.Open(p.c.Postgres, p.log.With("part", "db"), p.reg)
	if err != nil {
		return nil, err
	}
	p.dbs = d
	p.checks["primary"] = d.Ping
	return d, nil
}

func (p *parts) bus() (*bus.Bus, error) {
	return p.openBus(&p.buses, p.c.Kafka.Group)
}

func (p *parts) deadBus() (*bus.Bus, error) {
	return p.openBus(&p.dead, p.c.Kafka.Group+".dead")
}

func (p *parts) openBus(at **bus.Bus, group string) (*bus.Bus, error) {
	if *at != nil {
		return *at, nil
	}
	k := p.c.Kafka
	b, err := bus.Open(bus.Config{
		Brokers: k.Brokers, ClientID: "pulse", Group: group,
		SessionTimeout: k.SessionTimeout, RebalanceTimeout: k.RebalanceTimeout, Heartbeat: k.Heartbeat,
		WriteTimeout: k.WriteTimeout, FetchWait: k.FetchWait, FetchBytes: k.FetchBytes,
	}, p.log.With("part", "bus"), p.reg)
	if err != nil {
		return nil, err
	}
	*at = b
	p.checks["kafka"] = b.Ping
	return b, nil
}

func (p *parts) cache() *cache.Cache {
	if p.caches == nil {
		p.caches = cache.Open(p.c.Redis)
		p.checks["redis"] = p.caches.Ping
	}
	return p.caches
}

// close ends the adapters, those that feed others first.
func (p *parts) close() error {
	var errs []error
	for _, b := range []*bus.Bus{p.buses, p.dead} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	if p.caches != nil {
		errs = append(errs, p.caches.Close())
	}
	if p.dbs != nil {
		p.dbs.Close()
	}
	return errors.Join(errs...)
}

// serve is a service that answers on a listener.
func serve(name string, l net.Listener, h http.Handler, read, write time.Duration) lifecycle.Service {
	server := &http.Server{
		Handler: h, ReadTimeout: read, ReadHeaderTimeout: read, WriteTimeout: write,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	return lifecycle.Service{Name: name, Run: func(ctx context.Context) error {
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(l) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		ctx, cancel := context.WithTimeout(context.Background(), grace/2)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	}}
}

// listen takes an address, or says which setting to change.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("%s: can't listen on %s: %w; choose another address with %s", key, address, err, chooser(key))
	}
	return l, nil
}

// chooser names the ways to set an address.
func chooser(key string) string {
	if strings.HasPrefix(key, "--") {
		return key
	}
	return key + " in pulse.toml or PULSE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// opsService serves health and metrics on l.
func (p *parts) opsService(l net.Listener) lifecycle.Service {
	return serve("ops", l, ops.Handler(p.reg, p.checks), 5*time.Second, time.Minute)
}

// runDaemon runs a daemon of its own: health and metrics, then services, until
// ctx ends.
func (sh *shell) runDaemon(ctx context.Context, name string, build func(*parts) ([]lifecycle.Service, error)) error {
	loaded, err := sh.load(true, nil)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(sh.err, loaded.Log.Level, loaded.Log.Format)
	if err != nil {
		return err
	}
	p := newParts(loaded.Config, log.With("daemon", name))
	services, err := build(p)
	if err != nil {
		return errors.Join(err, p.close())
	}
	l, err := listen("ops.listen", loaded.Ops.Listen)
	if err != nil {
		return errors.Join(err, p.close())
	}
	p.log.Info("daemon starts", "version", telemetry.Version(), "ops", l.Addr())
	all := append([]lifecycle.Service{p.opsService(l)}, services...)
	err = lifecycle.Run(ctx, p.log, grace, all...)
	p.log.Info("daemon stopped", "err", err)
	return errors.Join(err, p.close())
}
