package reddit

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
)

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
	if _, err := client.Newest(t.Context(), pulse.ListingQuery{Subreddits: []string{"golang", "rust"}, Limit: 7, After: "t3_1abc"}); err != nil {
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

func TestCompressedAnswersAreReadWithinBounds(t *testing.T) {
	t.Parallel()
	packed := func(size int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(`{"kind": "Listing", "data": {"children": []}}`))
		for range size / 1024 {
			z.Write(bytes.Repeat([]byte(" "), 1024))
		}
		z.Close()
		return b.Bytes()
	}
	good := packed(0)
	for _, c := range []struct {
		name string
		body []byte
		says string // "" when it works
	}{
		{"plain", good, ""},
		{"just within the bound", packed(maxBody - 1024), ""},
		{"bomb", packed(1 << 30 / 8), "longer than"},
		{"cut", good[:len(good)-10], "read answer: unexpected EOF"},
		{"not gzip", []byte("{}........................"), "read answer: gzip"},
		{"damaged", append(append(slices.Clone(good[:20]), 0xff, 0xff, 0xff), good[20:]...), "read answer: "},
	} {
		client := newClient(t, serve(t, script(200, map[string]string{"Content-Encoding": "gzip"}, string(c.body))), nil)
		_, err := client.Newest(t.Context(), newest("golang"))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || outage(err)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
}

func TestARedirectNeverGetsTheToken(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked for %s with %v", r.URL, r.Header)
	}))
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := newClient(t, serve(t, script(status, map[string]string{"Location": elsewhere + "/x"}, "")), nil)
		if _, err := client.Newest(t.Context(), newest("golang")); err == nil || !strings.Contains(err.Error(), "points to") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestABrokenConnectionIsAnOutage(t *testing.T) {
	t.Parallel()
	client := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Write([]byte(`{"access_token": "abc", "expires_in": 3600}`))
			return
		}
		panic(http.ErrAbortHandler)
	})), nil)
	if _, err := client.Newest(t.Context(), newest("golang")); !outage(err) {
		t.Errorf("got %v", err)
	}
	if got := client.Window().Used; got != 2 {
		t.Errorf("%v requests counted, want 2: the lost one may have been counted by Reddit", got)
	}
}
