package reddit

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const agent = "linux:reddit-pulse-test:1.0 (by /u/pulse_tester)"

// newClient makes a client of the Reddit at url.
func newClient(t testing.TB, url string, change func(*Config)) *Client {
	t.Helper()
	c := Config{
		BaseURL: url, TokenURL: url + "/api/v1/access_token", ClientID: "id", ClientSecret: "secret",
		UserAgent: agent, RequestsPerMinute: 1_000_000, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&c)
	}
	client, err := New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// serve puts a handler behind a real listener.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func newSim(t testing.TB, c redditsim.Config) *redditsim.Server {
	t.Helper()
	sim, err := redditsim.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

func TestNewestReadsASubredditToItsEnd(t *testing.T) {
	t.Parallel()
	client := newClient(t, serve(t, newSim(t, redditsim.Config{Seed: 1})), nil)
	seen := map[string]bool{}
	for after := ""; ; {
		page, err := client.Newest(t.Context(), "golang", 100, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Observations {
			if seen[o.PostID] || o.Subreddit != "golang" || o.Source != "new" || time.Since(o.ObservedAt).Abs() > 5*time.Second {
				t.Fatalf("unexpected or twice: %+v", o)
			}
			seen[o.PostID] = true
			if _, err := wire.DecodeObservation(wire.EncodeObservation(&o), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if page.Skipped != 0 {
			t.Errorf("%d skipped", page.Skipped)
		}
		if after = page.After; after == "" {
			break
		}
	}
	if len(seen) < 990 {
		t.Errorf("%d posts, want about 1000", len(seen))
	}
	if got := testutil.ToFloat64(client.met.requests.WithLabelValues("token", "200")); got != 1 {
		t.Errorf("%v token calls for one client, want 1", got)
	}
	if got := testutil.ToFloat64(client.met.remaining); got < 980 || got > 990 {
		t.Errorf("budget remaining %v", got)
	}
}

func TestInfoReadsPostsByID(t *testing.T) {
	t.Parallel()
	client := newClient(t, serve(t, newSim(t, redditsim.Config{Seed: 1})), nil)
	page, err := client.Newest(t.Context(), "AskReddit+golang", 100, "")
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"t3_nosuchpost"}
	for _, o := range page.Observations[1:] {
		ids = append(ids, o.PostID)
	}
	info, err := client.Info(t.Context(), ids)
	if err != nil || len(info.Observations) != 99 || info.Observations[0].Source != "info" {
		t.Fatalf("got %d posts, %v", len(info.Observations), err)
	}
	for i, o := range info.Observations {
		if o.PostID != ids[i+1] {
			t.Fatalf("place %d: %s, want %s", i, o.PostID, ids[i+1])
		}
	}
	if page, err := client.Info(t.Context(), nil); err != nil || len(page.Observations) != 0 {
		t.Errorf("no ids: %v, %v", page, err)
	}
	if _, err := client.Info(t.Context(), make([]string, 101)); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("101 ids: %v", err)
	}
}

func TestCommunitiesThatCannotBeReadAreTold(t *testing.T) {
	t.Parallel()
	client := newClient(t, serve(t, newSim(t, redditsim.Config{})), nil)
	for name, want := range map[string]pulse.PollState{
		"private_x": pulse.Private, "quarantined_x": pulse.Quarantined, "gated_x": pulse.Gated,
		"banned_x": pulse.Banned, "missing_x": pulse.Missing, "no-valid-name": pulse.Missing, "a/b?c": pulse.Missing,
	} {
		_, err := client.Newest(t.Context(), name, 100, "")
		var state interface{ PollState() pulse.PollState }
		if !errors.As(err, &state) || state.PollState() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	for _, limit := range []int{0, -1, 101} {
		if _, err := client.Newest(t.Context(), "golang", limit, ""); pulse.CodeOf(err) != pulse.Invalid {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func TestRestartedRedditCostsOneRetry(t *testing.T) {
	t.Parallel()
	var current atomic.Pointer[redditsim.Server]
	current.Store(newSim(t, redditsim.Config{}))
	client := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		current.Load().ServeHTTP(w, r)
	})), nil)
	for range 2 {
		if _, err := client.Newest(t.Context(), "golang", 1, ""); err != nil {
			t.Fatal(err)
		}
		current.Store(newSim(t, redditsim.Config{})) // knows none of the tokens
	}
	for kind, want := range map[string]float64{"token": 2, "new": 2} {
		if got := testutil.ToFloat64(client.met.requests.WithLabelValues(kind, "200")); got != want {
			t.Errorf("%s: %v answers of 200, want %v", kind, got, want)
		}
	}
	if got := testutil.ToFloat64(client.met.requests.WithLabelValues("new", "401")); got != 1 {
		t.Errorf("%v answers of 401, want 1", got)
	}
}

func TestManyCallersShareOneTokenCall(t *testing.T) {
	t.Parallel()
	sim := newSim(t, redditsim.Config{})
	client := newClient(t, serve(t, sim), func(c *Config) { c.RequestsPerMinute = 1_000_000_000 })
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if _, err := client.Newest(t.Context(), "golang", 1, ""); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if got := testutil.ToFloat64(client.met.requests.WithLabelValues("token", "200")); got != 1 {
		t.Errorf("%v token calls, want 1", got)
	}
}

func TestUsedUpWindowStopsTheClient(t *testing.T) {
	t.Parallel()
	client := newClient(t, serve(t, newSim(t, redditsim.Config{RequestsPerWindow: 2})), nil)
	var err error
	// Two requests, or four where a window ends meanwhile.
	for n := 0; n < 5 && err == nil; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = client.Newest(ctx, "golang", 1, "")
		cancel()
	}
	var limited interface{ RetryAfter() time.Duration }
	if !errors.As(err, &limited) || limited.RetryAfter() <= 0 || limited.RetryAfter() > 10*time.Minute+time.Second {
		t.Errorf("got %v, want a limit error with the rest of the window", err)
	}
	if got := testutil.CollectAndCount(client.met.requests); got != 6 {
		t.Errorf("%d series, want the 6 from the start: nothing was sent and refused", got)
	}
}

func TestRequestsCarryWhatRedditWants(t *testing.T) {
	t.Parallel()
	sim := newSim(t, redditsim.Config{})
	var mu sync.Mutex
	var seen []string
	client := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		mu.Unlock()
		if r.UserAgent() != agent || r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("headers: %v", r.Header)
		}
		sim.ServeHTTP(w, r)
	})), nil)
	if _, err := client.Newest(t.Context(), "golang+rust", 7, "t3_1abc"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Info(t.Context(), []string{"t3_1", "t3_2"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /api/v1/access_token?", "GET /r/golang+rust/new?after=t3_1abc&limit=7&raw_json=1",
		"GET /api/info?id=t3_1%2Ct3_2&raw_json=1",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestBadConfigNamesTheSetting(t *testing.T) {
	t.Parallel()
	good := Config{
		BaseURL: "https://oauth.reddit.com/", TokenURL: "https://www.reddit.com/api/v1/access_token",
		ClientID: "id", ClientSecret: "secret", UserAgent: agent, RequestsPerMinute: 1, Timeout: time.Second,
	}
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"", func(*Config) {}},
		{"", func(c *Config) { c.UserAgent = "pulse/dev (simulator)" }},
		{"reddit.base_url", func(c *Config) { c.BaseURL = "" }},
		{"reddit.base_url", func(c *Config) { c.BaseURL = "oauth.reddit.com" }},
		{"reddit.base_url", func(c *Config) { c.BaseURL = "https://u:p@oauth.reddit.com" }},
		{"reddit.base_url", func(c *Config) { c.BaseURL = "https://oauth.reddit.com?x=1" }},
		{"reddit.token_url", func(c *Config) { c.TokenURL = "ftp://reddit.com" }},
		{"reddit.client_id", func(c *Config) { c.ClientID = "" }},
		{"reddit.client_secret", func(c *Config) { c.ClientSecret = "" }},
		{"reddit.requests_per_minute", func(c *Config) { c.RequestsPerMinute = 0 }},
		{"reddit.timeout", func(c *Config) { c.Timeout = 0 }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "" }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "  " }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "Go-http-client/2.0" }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "python-requests/2.31" }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "Mozilla/5.0 (X11)" }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "<platform>:<app ID>:<version> (by /u/<name>)" }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "linux:pulse:1.0 (by /u/YOUR_NAME)" }},
		{"reddit.user_agent", func(c *Config) { c.UserAgent = "linux:pulse:1.0\r\nX: y" }},
	} {
		config := good
		c.change(&config)
		client, err := New(config, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if client != nil {
			client.Close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want+": ")) {
			t.Errorf("%+v: got %v, want an error of %q", config, err, c.want)
		}
	}
}
