package reddit

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	if c.RequestsPerWindow == 0 {
		c.RequestsPerWindow = 1_000_000 // no wait
	}
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
		page, err := client.Newest(t.Context(), pulse.ListingQuery{Subreddits: []string{"golang"}, Limit: 100, After: after})
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
	if got := testutil.ToFloat64(client.met.remaining); got < 999_980 || got > 999_990 {
		t.Errorf("budget remaining %v", got)
	}
}

func TestInfoReadsPostsByID(t *testing.T) {
	t.Parallel()
	client := newClient(t, serve(t, newSim(t, redditsim.Config{Seed: 1})), nil)
	page, err := client.Newest(t.Context(), newest("AskReddit", "golang"))
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
		"banned_x": pulse.Banned, "missing_x": pulse.Missing,
	} {
		_, err := client.Newest(t.Context(), newest(name))
		var state interface{ PollState() pulse.PollState }
		if !errors.As(err, &state) || state.PollState() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestBadQueriesAreRefusedUnsent(t *testing.T) {
	t.Parallel()
	client := newClient(t, "http://127.0.0.1:1", nil)
	for _, c := range []struct {
		q     pulse.ListingQuery
		field string
	}{
		{pulse.ListingQuery{Limit: 1}, "subreddits"},
		{pulse.ListingQuery{Subreddits: slices.Repeat([]string{"golang"}, 101), Limit: 1}, "subreddits"},
		{pulse.ListingQuery{Subreddits: slices.Repeat([]string{"a_name_of_21_letters_"}, 95), Limit: 1}, "address"},
		{newest("golang", "a/b?c"), "subreddits[1]"},
		{newest("golang+rust"), "subreddits[0]"},
		{newest(""), "subreddits[0]"},
		{newest("no-valid-name"), "subreddits[0]"},
		{pulse.ListingQuery{Subreddits: []string{"golang"}}, "limit"},
		{pulse.ListingQuery{Subreddits: []string{"golang"}, Limit: -1}, "limit"},
		{pulse.ListingQuery{Subreddits: []string{"golang"}, Limit: 101}, "limit"},
		{pulse.ListingQuery{Subreddits: []string{"golang"}, Limit: 1, After: "t3_&x"}, "after"},
	} {
		var invalid *pulse.Error
		if _, err := client.Newest(t.Context(), c.q); !errors.As(err, &invalid) || invalid.Code != pulse.Invalid || invalid.Field != c.field {
			t.Errorf("%+v: %v, want a fault of %s", c.q, err, c.field)
		}
	}
	if _, err := client.Info(t.Context(), slices.Repeat([]string{strings.Repeat("x", 30)}, 100)); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("long ids: %v", err)
	}
	names := slices.Repeat([]string{"a_name_of_21_letters_"}, MaxNames)
	if _, err := client.Newest(t.Context(), newest(names...)); pulse.CodeOf(err) == pulse.Invalid {
		t.Errorf("%d long names: %v", MaxNames, err)
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
		if _, err := client.Newest(t.Context(), pulse.ListingQuery{Subreddits: []string{"golang"}, Limit: 1}); err != nil {
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
			if _, err := client.Newest(t.Context(), pulse.ListingQuery{Subreddits: []string{"golang"}, Limit: 1}); err != nil {
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
		_, err = client.Newest(ctx, newest("golang"))
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

func TestWhatMayWaitWaitsForDiscovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, "https://reddit.test", func(c *Config) {
			c.RequestsPerMinute, c.Transport = 60, inProcess{script(200, nil, `{"kind": "Listing", "data": {"children": []}}`)}
		})
		order := make(chan string, 3)
		ask := func(name string, call func() (pulse.ListingPage, error)) {
			go func() {
				if page, err := call(); err != nil || page.At.IsZero() {
					t.Errorf("%s: %+v, %v", name, page, err)
				}
				order <- name
			}()
			synctest.Wait()
		}
		if _, err := client.Newest(t.Context(), newest("golang")); err != nil {
			t.Fatal(err)
		}
		spare := newest("golang")
		spare.Spare = true
		ask("info", func() (pulse.ListingPage, error) { return client.Info(t.Context(), []string{"t3_1"}) })
		ask("spare", func() (pulse.ListingPage, error) { return client.Newest(t.Context(), spare) })
		ask("new", func() (pulse.ListingPage, error) { return client.Newest(t.Context(), newest("golang", "rust")) })
		if got := []string{<-order, <-order, <-order}; !slices.Equal(got, []string{"new", "info", "spare"}) {
			t.Errorf("went as %v", got)
		}
	})
}

func TestATokenThatEndsInTheQueueIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, redditsim.Config{})
		var refused atomic.Int64
		client := newClient(t, "https://reddit.test", func(c *Config) {
			c.RequestsPerMinute = 1
			c.Transport = inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				watched := httptest.NewRecorder()
				sim.ServeHTTP(watched, r)
				if watched.Code == http.StatusUnauthorized {
					refused.Add(1)
				}
				maps.Copy(w.Header(), watched.Header())
				w.WriteHeader(watched.Code)
				w.Write(watched.Body.Bytes())
			})}
		})
		for range 2 {
			if _, err := client.Newest(t.Context(), newest("golang")); err != nil {
				t.Fatal(err)
			}
			client.limit.restore(pulse.Window{StoppedUntil: time.Now().Add(window)})
			client.tokens.renewAt = time.Now().Add(time.Minute)
		}
		if got := testutil.ToFloat64(client.met.requests.WithLabelValues("token", "200")); got != 2 || refused.Load() != 0 {
			t.Errorf("%v tokens, %d refused", got, refused.Load())
		}
	})
}

func TestCloseEndsTheWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, "https://reddit.test", func(c *Config) { c.Transport = inProcess{http.NotFoundHandler()} })
		client.Restore(pulse.Window{StoppedUntil: time.Now().Add(time.Minute)})
		ended := make(chan error)
		go func() {
			_, err := client.Info(t.Context(), []string{"t3_1"})
			ended <- err
		}()
		synctest.Wait()
		client.Close()
		if err := <-ended; err == nil || outage(err) {
			t.Errorf("got %v", err)
		}
	})
}
