package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net"
	"time"

	"github.com/spf13/cobra"

	"dev.redditpulse/daemon/api"
	"dev.redditpulse/daemon/auth"
	"dev.redditpulse/daemon/feed"
	"dev.redditpulse/daemon/lifecycle"
	"dev.redditpulse/daemon/store"
	"dev.redditpulse/shared/telemetry"
)

func (sh *shell) apiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "api", Short: "Serve the REST API and the live feed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.runDaemon(cmd.Context(), "api", func(p *parts) ([]lifecycle.Service, error) {
				if err := p.checkSchema(cmd.Context()); err != nil {
					return nil, err
				}
				l, err := listen("api.listen", p.c.API.Listen)
				if err != nil {
					return nil, err
				}
				services, err := apiServices(p, l)
				if err != nil {
					return nil, errors.Join(err, l.Close())
				}
				// Without Kafka all but replays is served: the API's own health says so.
				delete(p.checks, "kafka")
				return append([]lifecycle.Service{routerService(p.dbs)}, services...), nil
			})
		},
	}
}

// apiServices serves the API on l, behind the feed that it hands sockets to.
func apiServices(p *parts, l net.Listener) ([]lifecycle.Service, error) {
	d, err := p.database()
	if err != nil {
		return nil, err
	}
	if p.c.Auth.SigningKey == "" {
		return nil, errors.New("auth.signing_key: not set, want at least 32 random bytes, e.g. from `openssl rand -base64 48`")
	}
	key := []byte(p.c.Auth.SigningKey.Reveal())
	signer, err := auth.NewSigner(key, p.c.Auth.AccessTTL, p.c.Auth.RefreshTTL, time.Now)
	if err != nil {
		return nil, err
	}
	stream := feed.New(p.c.Feed, p.cache().FeedTail(), signer, p.log.With("part", "feed"), p.reg)
	p.checks["feed"] = func(context.Context) error { return stream.Healthy() }

	kafka, err := p.bus()
	if err != nil {
		return nil, err
	}
	replayer := store.NewReplayer(d, kafka, p.c.Store.ReplayRate, p.log.With("part", "replay"))
	handler := api.New(p.c.API, api.Deps{
		Posts: d, Subreddits: d, Polling: d, Users: d, Tokens: d,
		DeadLetters: d, Replayer: replayer,
		Signer: signer, Passwords: auth.NewHasher(), Feed: stream,
		Health: p.apiHealth(), CursorKey: derive(key, "cursor"),
		RequestsPerMinute: p.c.Reddit.RequestsPerMinute, DiscoveryShare: p.c.Scheduler.DiscoveryShare,
		Version: telemetry.Version(), Log: p.log.With("part", "api"), Metrics: p.reg, Now: time.Now,
	})
	return []lifecycle.Service{
		{Name: "feed", Run: stream.Run, Ready: soon(stream.Ready)},
		serve("api", l, handler, p.c.API.ReadTimeout, p.c.API.WriteTimeout),
	}, nil
}

// soon waits for readiness a moment and then goes on without: REST serves while
// the feed's Redis is away.
func soon(ready func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_ = ready(ctx)
		return nil
	}
}

// apiHealth is the parts that the API's own health depends on.
func (p *parts) apiHealth() map[string]func(context.Context) error {
	health := map[string]func(context.Context) error{"ingest": api.Heard(p.dbs, time.Now)}
	for _, part := range []string{"primary", "redis", "feed", "kafka", "process"} {
		if check, ok := p.checks[part]; ok {
			health[part] = check
		}
	}
	if p.c.Postgres.ReplicaDSN != "" {
		health["replica"] = p.dbs.PingReplica
	}
	return health
}

// derive makes a key for one purpose out of the signing key.
func derive(key []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("pulse " + purpose))
	return mac.Sum(nil)
}
