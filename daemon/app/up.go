package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/telemetry"
)

// closeGrace is how long the embedded servers may take to stop. With grace it
// keeps Ctrl-C within ten seconds.
const closeGrace = 3500 * time.Millisecond

// upFlags is the flags of `pulse up`.
type upFlags struct {
	data      string
	listen    string
	noReplica bool
	simSpeed  float64
}

func (sh *shell) upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use: "up", Short: "Run all of it in one process, on embedded Kafka, Redis and Postgres", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.up(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", ".pulse", "folder of all data, kept between starts")
	flags.StringVar(&f.listen, "listen", "", "address of the API (default api.listen of the configuration)")
	flags.BoolVar(&f.noReplica, "no-replica", false, "run Postgres without a streaming replica")
	flags.Float64Var(&f.simSpeed, "sim-speed", 1, "how many times faster than life the simulated Reddit is")
	return cmd
}

// up starts everything in order and stops it in reverse.
func (sh *shell) up(ctx context.Context, f upFlags) error {
	flags := map[string]string{}
	if f.listen != "" {
		flags["api.listen"] = f.listen
	}
	loaded, err := sh.load(false, flags)
	if err != nil {
		return err
	}
	// The group of a dead terminal must not take the system down with it half
	// stopped: SIGHUP is an order to stop like the others.
	ctx, stop := signal.NotifyContext(ctx, hangup)
	defer stop()
	u := &upRun{sh: sh, flags: f, c: loaded.Config}
	err = u.run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop while starting
	}
	return errors.Join(err, u.close())
}

// upRun is one run of `pulse up`. Fields are set as the parts come up; close
// undoes what is there.
type upRun struct {
	sh    *shell
	flags upFlags
	c     config.Config
	dir   string

	logs     io.Closer
	embedded embeddedParts
	parts    *parts
	api, ops net.Listener
	sim      *redditsim.Server
	simAt    net.Listener
	password string // of admin, where it is to be shown
	welcomed bool   // everything was up
}

func (u *upRun) run(ctx context.Context) error {
	if err := u.prepare(); err != nil {
		return err
	}
	if err := u.startEmbedded(ctx); err != nil {
		return err
	}
	if err := u.startReddit(); err != nil {
		return err
	}
	if err := u.setUp(ctx); err != nil {
		return err
	}
	services, err := u.services()
	if err != nil {
		return err
	}
	if err := u.writeRunFile(); err != nil {
		return err
	}
	return lifecycle.Run(ctx, u.parts.log, grace, services...)
}

// prepare takes the data folder and the ports before anything is started.
func (u *upRun) prepare() error {
	dir, err := filepath.Abs(u.flags.data)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if err := u.embedded.lock(dir); err != nil {
		return err
	}
	u.dir = dir // ours from here on: close tidies it
	log, closer, err := u.openLog()
	if err != nil {
		return err
	}
	u.logs = closer
	u.parts = newParts(u.c, log)
	if u.api, err = listen("api.listen", u.c.API.Listen); err != nil {
		return err
	}
	if u.ops, err = listen("ops.listen", u.c.Ops.Listen); err != nil {
		return err
	}
	u.c.API.Listen = chosen(u.c.API.Listen, u.api)
	u.c.Ops.Listen = chosen(u.c.Ops.Listen, u.ops)
	fmt.Fprintf(u.sh.out, "Reddit Pulse %s, data in %s\n", telemetry.Version(), dir)
	return nil
}

// chosen is the address to tell others: with the port that the system chose
// where the setting left it open.
func chosen(address string, l net.Listener) string {
	if _, port, err := net.SplitHostPort(address); err == nil && port == "0" {
		return l.Addr().String()
	}
	return address
}

// ready prints a line for a part that is up.
func (u *upRun) ready(part, format string, args ...any) {
	fmt.Fprintf(u.sh.out, "  %-9s ready  %s\n", part, fmt.Sprintf(format, args...))
}

// startEmbedded starts Kafka, Redis and Postgres side by side and points the
// configuration at them.
func (u *upRun) startEmbedded(ctx context.Context) error {
	key, err := u.signingKey()
	if err != nil {
		return err
	}
	c := &u.c
	// Other users of this machine reach the port, too.
	c.Redis.Password = config.Secret(hex.EncodeToString(derive([]byte(key.Reveal()), "redis")))
	if err := u.embedded.start(ctx, u.dir, u); err != nil {
		return err
	}
	u.embedded.configure(c)
	if c.Auth.SigningKey == "" {
		c.Auth.SigningKey = key
	}
	u.parts.c = *c
	return nil
}

func (u *upRun) progress(text string) { fmt.Fprintf(u.sh.err, "  %s\n", text) }

// startReddit points ingestion at the built-in simulator unless the
// configuration has credentials for the real one.
func (u *upRun) startReddit() error {
	r := &u.c.Reddit
	if r.ClientID != "" {
		u.ready("reddit", "%s as %s", r.BaseURL, r.ClientID)
		return nil
	}
	sim, err := redditsim.New(redditsim.Config{Seed: 1, Speed: u.flags.simSpeed, RequestsPerWindow: 1000},
		u.parts.log.With("part", "sim"))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the simulated Reddit: %w", err)
	}
	u.sim, u.simAt = sim, l
	r.BaseURL = "http://" + l.Addr().String()
	r.TokenURL = r.BaseURL + "/api/v1/access_token"
	r.ClientID, r.ClientSecret, r.UserAgent = "simulator", "simulator", simUserAgent
	u.parts.c = u.c
	u.ready("reddit", "the built-in simulator at %s: no Reddit credentials in the configuration", r.BaseURL)
	return nil
}

// setUp brings schema, topics, the first account and the first subreddits.
func (u *upRun) setUp(ctx context.Context) error {
	if err := u.migrate(ctx); err != nil {
		return err
	}
	b, err := u.parts.bus()
	if err != nil {
		return err
	}
	topicsCtx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := b.EnsureTopics(topicsCtx, topicsOf(u.c.Kafka)); err != nil {
		return err
	}
	u.ready("topics", "3 of %d partitions", u.c.Kafka.Partitions)
	d, err := u.parts.database()
	if err != nil {
		return err
	}
	if u.password, err = ensureAdmin(ctx, d, u.c.API.Listen); err != nil {
		return err
	}
	return u.firstSubreddits(ctx, d)
}

func (u *upRun) migrate(ctx context.Context) error {
	m, err := db.OpenMigrator(u.c.Postgres.PrimaryDSN, u.parts.log)
	if err != nil {
		return err
	}
	defer m.Close()
	applied, err := m.Up(ctx)
	if err != nil {
		return err
	}
	u.ready("schema", "%d migrations applied now", len(applied))
	return nil
}

// firstSubreddits gives a new system with the simulator something to poll. With
// the real Reddit the operator chooses: each subreddit costs requests.
func (u *upRun) firstSubreddits(ctx context.Context, d *db.DB) error {
	marker := filepath.Join(u.dir, "seeded")
	if _, err := os.Stat(marker); err == nil || u.sim == nil {
		return nil
	}
	there, err := d.ListSubreddits(ctx)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		for _, name := range u.sim.Subreddits() {
			_, err := d.AddSubreddit(ctx, pulse.Subreddit{
				Name: name, IntervalSeconds: 20, Priority: pulse.Medium, IsActive: true, AddedBy: "pulse up",
			})
			if err != nil {
				return err
			}
		}
	}
	return os.WriteFile(marker, nil, 0o600)
}

// services is every daemon, in the order of their start: who takes work in
// comes last and stops first.
func (u *upRun) services() ([]lifecycle.Service, error) {
	p := u.parts
	serveAPI := func(p *parts) ([]lifecycle.Service, error) { return apiServices(p, u.api) }
	all := []lifecycle.Service{u.embedded.watch()}
	if u.sim != nil {
		all = append(all, serve("sim", u.simAt, u.sim, 10*time.Second, time.Minute))
	}
	for _, d := range []struct {
		name  string
		build func(*parts) ([]lifecycle.Service, error)
		does  string
	}{
		{"store", storeServices, "cares for the database"},
		{"process", processServices, "takes observations to the database, group " + p.c.Kafka.Group},
		{"api", serveAPI, "REST and live feed on " + p.c.API.Listen},
		{"ingest", ingestServices, "polls the subreddits"},
	} {
		services, err := d.build(p)
		if err != nil {
			return nil, err
		}
		all = append(all, services...)
		all = append(all, said(func() { u.ready(d.name, "%s", d.does) }))
	}
	all = append(all, p.opsService(u.ops), said(func() { u.ready("ops", "health and metrics on %s", p.c.Ops.Listen) }))
	return append(all, said(u.welcome)), nil
}

// said is a service that does nothing but say something when its turn comes.
func said(say func()) lifecycle.Service {
	return lifecycle.Service{
		Name:  "words",
		Run:   func(ctx context.Context) error { <-ctx.Done(); return nil },
		Ready: func(context.Context) error { say(); return nil },
	}
}

// close undoes what is there: adapters, then the embedded servers, then the
// lock.
func (u *upRun) close() error {
	var errs []error
	if u.parts != nil {
		errs = append(errs, u.parts.close())
	}
	if u.dir != "" {
		os.Remove(u.runFile())
	}
	for _, l := range []net.Listener{u.api, u.ops, u.simAt} {
		if l != nil {
			l.Close() // closed already when its service ran
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	errs = append(errs, u.embedded.close(ctx))
	if u.logs != nil {
		errs = append(errs, u.logs.Close())
	}
	if u.welcomed {
		fmt.Fprintln(u.sh.out, "stopped; the data is kept in", u.dir)
	}
	return errors.Join(errs...)
}
