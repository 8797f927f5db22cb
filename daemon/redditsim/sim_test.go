package redditsim_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

// noon is when the tests live; a fixed moment makes every answer repeatable.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// site is a simulated Reddit as a client meets it.
type site struct {
	t         *testing.T
	sim       *redditsim.Server
	transport http.RoundTripper
	url       string
	token     string
}

func newSim(t testing.TB, c redditsim.Config) *redditsim.Server {
	t.Helper()
	sim, err := redditsim.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// newSite is a Reddit behind a real listener.
func newSite(t *testing.T, c redditsim.Config, now time.Time) *site {
	t.Helper()
	if !now.IsZero() {
		c.Now = func() time.Time { return now }
	}
	return siteOf(t, newSim(t, c))
}

// inside is a Reddit without a listener, whose clock the test sets.
func inside(t *testing.T, c redditsim.Config) (s *site, now *time.Time) {
	t.Helper()
	at := noon
	c.Now = func() time.Time { return at }
	sim := newSim(t, c)
	s = &site{t: t, sim: sim, transport: sim.RoundTripper(), url: "http://reddit.test"}
	s.token = s.login()
	return s, &at
}

// siteOf puts a server behind a listener of its own.
func siteOf(t *testing.T, sim *redditsim.Server) *site {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s := &site{t: t, sim: sim, transport: plain, url: server.URL}
	s.token = s.login()
	return s
}

// plain asks for bodies as they are: to compress them all would take most of
// the tests' time.
var plain = &http.Transport{DisableCompression: true}

// do sends a request without following redirects. Headers with an empty value
// are not sent.
func (s *site) do(method, path, body string, header map[string]string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "linux:pulse-test:1.0 (by /u/tester)")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(text)
}

func (s *site) login() string {
	s.t.Helper()
	resp, body := s.do("POST", "/api/v1/access_token", "grant_type=client_credentials", map[string]string{
		"Authorization": "Basic aWQ6c2VjcmV0", "Content-Type": "application/x-www-form-urlencoded",
	})
	var token struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(body), &token); err != nil || resp.StatusCode != 200 ||
		token.TokenType != "bearer" || token.ExpiresIn != 86_400 {
		s.t.Fatalf("token call: %d %s", resp.StatusCode, body)
	}
	return token.AccessToken
}

func (s *site) get(path string) (*http.Response, string) {
	s.t.Helper()
	return s.do("GET", path, "", map[string]string{"Authorization": "bearer " + s.token})
}

// listing is a page as a client reads it; children stay as they are.
type listing struct {
	ids           []string
	raw           []string
	posts         []map[string]any
	after, before string
}

func (s *site) list(path string) listing {
	s.t.Helper()
	resp, body := s.get(path)
	if resp.StatusCode != 200 {
		s.t.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
	}
	return parse(s.t, body)
}

func parse(t *testing.T, body string) listing {
	t.Helper()
	var page struct {
		Kind string
		Data struct {
			After, Before *string
			Dist          int
			Children      []json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || page.Kind != "Listing" {
		t.Fatalf("not a listing: %v: %.200s", err, body)
	}
	if page.Data.Dist != len(page.Data.Children) {
		t.Errorf("dist %d, children %d", page.Data.Dist, len(page.Data.Children))
	}
	var l listing
	for _, raw := range page.Data.Children {
		var child struct{ Data map[string]any }
		if err := json.Unmarshal(raw, &child); err != nil {
			t.Fatal(err)
		}
		l.ids = append(l.ids, child.Data["name"].(string))
		l.posts = append(l.posts, child.Data)
		l.raw = append(l.raw, string(raw))
	}
	if page.Data.After != nil {
		l.after = *page.Data.After
	}
	if page.Data.Before != nil {
		l.before = *page.Data.Before
	}
	return l
}

func TestTokenCallAnswersAsReddit(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{}, noon)
	const basic = "Basic aWQ6c2VjcmV0"
	for _, c := range []struct {
		name, auth, form string
		status           int
		want             string
	}{
		{"no credentials", "", "grant_type=client_credentials", 401, `"error": 401`},
		{"empty secret", "Basic aWQ6", "grant_type=client_credentials", 401, `"error": 401`},
		{"no grant", basic, "", 200, `unsupported_grant_type`},
		{"unknown grant", basic, "grant_type=magic", 200, `unsupported_grant_type`},
		{"bad password", basic, "grant_type=password", 200, `invalid_grant`},
		{"bad device", basic, "grant_type=https://oauth.reddit.com/grants/installed_client&device_id=x", 200, `bad device_id`},
		{"good", basic, "grant_type=client_credentials", 200, `"token_type": "bearer"`},
		{"huge form", basic, "grant_type=" + strings.Repeat("x", 1<<20), 400, `"error": 400`},
	} {
		resp, body := s.do("POST", "/api/v1/access_token", c.form, map[string]string{
			"Authorization": c.auth, "Content-Type": "application/x-www-form-urlencoded",
		})
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: got %d %s, want %d with %s", c.name, resp.StatusCode, body, c.status, c.want)
		}
		if got := resp.Header.Get("WWW-Authenticate"); (c.status == 401) != (got == `Basic realm="reddit"`) {
			t.Errorf("%s: WWW-Authenticate %q", c.name, got)
		}
	}
}

func TestRefusalsAreThoseOfReddit(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{}, noon)
	for _, c := range []struct {
		name, path string
		header     map[string]string
		status     int
		want       string // in body, or "Name: value" of a header
	}{
		{"private", "/r/private_club/new", nil, 403, `"reason": "private"`},
		{"quarantined", "/r/quarantined_x/new", nil, 403, `"reason": "quarantined"`},
		{"gated", "/r/gated_x/new", nil, 403, `"reason": "gated"`},
		{"banned", "/r/banned_x/new", nil, 404, `"reason": "banned"`},
		{"missing", "/r/missing_x/new", nil, 302, "Location: https://www.reddit.com/subreddits/search?q=missing_x"},
		{"invalid name", "/r/no-such-name/new", nil, 404, `{"message": "Not Found", "error": 404}`},
		{"one private among many", "/r/golang+private_club/new", nil, 403, `"reason": "private"`},
		{"none left of many", "/r/banned_x+missing_y/new", nil, 404, `"error": 404`},
		{"unknown path", "/r/golang/nothing", nil, 404, `"error": 404`},
		{"no token", "/r/golang/new", map[string]string{"Authorization": ""}, 401, `"error": 401`},
		{"bad token", "/r/golang/new", map[string]string{"Authorization": "bearer x.y.z"}, 401,
			`WWW-Authenticate: Bearer realm="reddit", error="invalid_token"`},
		{"no agent", "/r/golang/new", map[string]string{"User-Agent": ""}, 429, "whoa there, pardner!"},
		{"Go's agent", "/r/golang/new", map[string]string{"User-Agent": "Go-http-client/1.1"}, 429, "<title>Blocked"},
		{"long address", "/r/golang/new?x=" + strings.Repeat("y", 8080), nil, 400, `{"message": "Bad Request", "error": 400}`},
		{"address not read", "/r/golang/new?x=" + strings.Repeat("y", 10_031), nil, 414, "Error: URI Too Long"},
		{"usual address", "/api/info?id=" + strings.Repeat("t3_x,", 270), nil, 200, `"Listing"`},
		{"none left by id", "/by_id/t3_x,t3_y", nil, 404, `{"message": "Not Found", "error": 404}`},
		{"private, ranked", "/r/private_club/hot", nil, 403, `"reason": "private"`},
	} {
		header := map[string]string{"Authorization": "bearer " + s.token}
		maps.Copy(header, c.header)
		resp, body := s.do("GET", c.path, "", header)
		text := body
		if name, _, ok := strings.Cut(c.want, ": "); ok && resp.Header.Get(name) != "" {
			text = name + ": " + resp.Header.Get(name)
		}
		if resp.StatusCode != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %d %.200s, want %d with %s", c.name, resp.StatusCode, text, c.status, c.want)
		}
	}
}

func TestWindowIsFixedAndAlignedToUnixTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{RequestsPerWindow: 3}, noon)
	now := noon.Add(590 * time.Second)
	s.sim.SetClock(func() time.Time { return now })
	for i := 1; i <= 3; i++ {
		resp, _ := s.get("/r/golang/new?limit=1")
		got := []string{
			resp.Header.Get("X-Ratelimit-Used"), resp.Header.Get("X-Ratelimit-Remaining"), resp.Header.Get("X-Ratelimit-Reset"),
		}
		if want := []string{strconv.Itoa(i), strconv.Itoa(3-i) + ".0", "10"}; resp.StatusCode != 200 || !slices.Equal(got, want) {
			t.Errorf("request %d: %d, headers %q, want %q", i, resp.StatusCode, got, want)
		}
	}
	resp, body := s.get("/r/golang/new")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "10" || resp.Header.Get("X-Ratelimit-Remaining") != "0.0" {
		t.Errorf("over the limit: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	now = noon.Add(600 * time.Second)
	if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 200 || resp.Header.Get("X-Ratelimit-Used") != "1" ||
		resp.Header.Get("X-Ratelimit-Reset") != "600" {
		t.Errorf("next window: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestLongAnswersAreCompressedForThoseWhoCanReadThem(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{}, noon)
	const path = "/r/golang/new?limit=20"
	_, want := s.get(path)
	resp, packed := s.do("GET", path, "", map[string]string{"Authorization": "bearer " + s.token, "Accept-Encoding": "gzip"})
	if resp.Header.Get("Content-Encoding") != "gzip" || len(packed) > len(want)/2 {
		t.Errorf("%d of %d bytes, headers %v", len(packed), len(want), resp.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != want {
		t.Errorf("unpacked it differs: %v", err)
	}
}

func TestTokenEndsAfterADay(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{}, noon)
	now := noon.Add(24*time.Hour - time.Second)
	s.sim.SetClock(func() time.Time { return now })
	if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 200 {
		t.Errorf("a second before its end: %d", resp.StatusCode)
	}
	now = now.Add(time.Second)
	if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 401 {
		t.Errorf("at its end: %d", resp.StatusCode)
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []redditsim.Config{
		{Speed: -1}, {Speed: 1e9}, {Speed: math.NaN()}, {RequestsPerWindow: -1}, {Replay: t.TempDir()}, {Replay: "/no/such/dir"},
		{ClockSpeed: -1}, {ClockSpeed: 1e6}, {Rates: map[string]float64{"go lang": 1}}, {Rates: map[string]float64{"golang": -1}},
		{Rates: map[string]float64{"golang": 1e9}}, {Rates: map[string]float64{"golang": math.NaN()}},
		{Rates: map[string]float64{"golang": 1, "Golang": 2}}, {Rates: map[string]float64{"golang": 1}, Replay: "x"},
		{Oddities: redditsim.Oddities{Held: 1.1}}, {Oddities: redditsim.Oddities{Lag: 2 * time.Hour}},
		{Oddities: redditsim.Oddities{Disorder: 2 * time.Hour}}, {Oddities: redditsim.Oddities{Stale: math.NaN()}},
		{Oddities: redditsim.Oddities{Removed: 0.6, Gone: 0.6}}, {Oddities: redditsim.Oddities{Fuzz: 21}},
		{Oddities: redditsim.Oddities{Stickies: 3}},
	} {
		if _, err := redditsim.New(c, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
