// Package client speaks to the HTTP API and to the feed of Reddit Pulse. It
// keeps the tokens, renews them once for all callers, and follows the feed over
// lost connections. It never draws, stores or decides anything.
package client

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Config is how the API is reached. Only BaseURL is needed.
type Config struct {
	BaseURL   string        // "http://host:port", a path in front of /api is kept
	Timeout   time.Duration // of one REST call with all its retries; 0: 15 s
	HTTP      *http.Client  // for REST calls; nil: one of its own
	TLS       *tls.Config   // for the feed, and for REST calls without HTTP; nil: the system's roots
	UserAgent string        // "": pulse-client
	Log       *slog.Logger  // nil: silent
}

// Client is safe for use by many goroutines at once.
type Client struct {
	base    *url.URL
	agent   string
	timeout time.Duration
	http    *http.Client
	tls     *tls.Config // never changed: each user takes a clone
	log     *slog.Logger
	backoff backoff
	now     func() time.Time
	flight  singleflight.Group

	mu       sync.Mutex // covers what follows
	tokens   wire.TokenPair
	claims   Claims    // of tokens.Access
	renewAt  time.Time // when tokens.Access is to be renewed; zero: only when refused
	ended    bool      // the server has refused the refresh token
	onTokens func(wire.TokenPair)
}

// New makes a client without a connection. A bad BaseURL is an Invalid error.
func New(c Config) (*Client, error) {
	base, err := parseBase(c.BaseURL)
	if err != nil {
		return nil, err
	}
	cl := &Client{
		base: base, agent: c.UserAgent, timeout: c.Timeout, http: c.HTTP, tls: c.TLS, log: c.Log,
		backoff: backoff{first: 250 * time.Millisecond, most: 10 * time.Second, healthy: time.Minute},
		now:     time.Now,
	}
	if cl.timeout <= 0 {
		cl.timeout = 15 * time.Second
	}
	if cl.agent == "" {
		cl.agent = "pulse-client"
	}
	if cl.log == nil {
		cl.log = slog.New(slog.DiscardHandler)
	}
	if cl.tls == nil {
		cl.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cl.http == nil {
		cl.http = &http.Client{
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
				TLSClientConfig:        cl.tls.Clone(),
				TLSHandshakeTimeout:    5 * time.Second,
				ResponseHeaderTimeout:  10 * time.Second,
				IdleConnTimeout:        60 * time.Second,
				MaxIdleConnsPerHost:    8,
				MaxResponseHeaderBytes: 64 << 10,
				ForceAttemptHTTP2:      true,
			},
			// The API answers where it is asked; a token follows nobody.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return cl, nil
}

func parseBase(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if raw != "" && !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	base, err := url.Parse(raw)
	switch {
	case err != nil, base.Hostname() == "", base.Scheme != "http" && base.Scheme != "https":
		return nil, pulse.InvalidField("server", "%q is no address of a server, want http://host:port", raw)
	case base.User != nil:
		return nil, pulse.InvalidField("server", "has a name or password in it; log in instead")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	base.RawPath, base.RawQuery, base.Fragment = "", "", ""
	return base, nil
}

// BaseURL is where the API is, without a slash at the end.
func (c *Client) BaseURL() string { return c.base.String() }

// Close drops idle connections. Streams end with their own context.
func (c *Client) Close() { c.http.CloseIdleConnections() }
