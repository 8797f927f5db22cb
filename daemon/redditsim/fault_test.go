package redditsim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

// inject puts faults in over HTTP and fails the test where they are refused.
func (s *site) inject(body string) {
	s.t.Helper()
	if resp, text := s.do("POST", "/__sim/faults", body, nil); resp.StatusCode != 200 {
		s.t.Fatalf("inject %s: %d %s", body, resp.StatusCode, text)
	}
}

func TestFaultsAnswerAsRedditDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   string
		status int
		body   string // "" is an empty one
		window bool   // the headers of the window are there
		header string // "Name: value" of a header; without value the header is missing
	}{
		{"429", 429, `{"message": "Too Many Requests", "error": 429}`, true, "Retry-After: 600"},
		{"429_plain", 429, `{"message": "Too Many Requests", "error": 429}`, false, "Retry-After: "},
		{"500", 500, `{"message": "Internal Server Error", "error": 500}`, false, ""},
		{"502", 502, "", false, "Content-Type: application/json; charset=UTF-8"},
		{"503", 503, "", false, ""},
		{"504", 504, "", false, ""},
		{"empty", 200, "", false, ""},
		{"html", 403, "whoa there, pardner!", false, "Content-Type: text/html; charset=UTF-8"},
		{"private", 403, `"reason": "private"`, true, ""},
		{"quarantined", 403, `"reason": "quarantined"`, true, ""},
		{"gated", 403, `"reason": "gated"`, true, ""},
		{"banned", 404, `"reason": "banned"`, true, ""},
		{"missing", 302, "", true, "Location: https://www.reddit.com/subreddits/search?q=golang"},
		{"empty_listing", 200, `"children": []`, true, ""},
		{"no_ratelimit_headers", 200, `"Listing"`, false, ""},
	} {
		s, _ := inside(t, redditsim.Config{})
		s.inject(`[{"kind": "` + c.kind + `", "path": "/r/"}]`)
		resp, body := s.get("/r/golang/new?limit=3")
		name, value, _ := strings.Cut(c.header, ": ")
		if resp.StatusCode != c.status || !strings.Contains(body, c.body) || c.body == "" && body != "" ||
			(resp.Header.Get("X-Ratelimit-Used") != "") != c.window || name != "" && resp.Header.Get(name) != value {
			t.Errorf("%s: got %d %v %.300q", c.kind, resp.StatusCode, resp.Header, body)
		}
		if resp, body := s.get("/api/info?id=t3_1"); resp.StatusCode != 200 || body == "" {
			t.Errorf("%s: beside its path: %d", c.kind, resp.StatusCode)
		}
		if got := s.sim.Faults(); len(got) != 1 || got[0].Struck != 1 {
			t.Errorf("%s: %+v, want one strike", c.kind, got)
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	_, want := s.get("/r/golang/new")
	s.inject(`[{"kind": "truncated", "count": 1}]`)
	if resp, body := s.get("/r/golang/new"); resp.StatusCode != 200 || body != want[:len(want)/2] || json.Valid([]byte(body)) {
		t.Errorf("truncated: %d, %d of %d bytes", resp.StatusCode, len(body), len(want))
	}
	// The same ways over a connection and inside the process.
	outside := siteOf(t, s.sim)
	// A transport asks again by itself when a connection breaks that it has used
	// before.
	outside.transport = &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	for _, s := range []*site{s, outside} {
		for kind, broken := range map[string]func(error) bool{
			"cut":   func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) },
			"reset": func(err error) bool { return errors.Is(err, syscall.ECONNRESET) },
		} {
			s.inject(`[{"kind": "` + kind + `", "path": "/r/golang", "count": 1}]`)
			body, err := s.try("/r/golang/new")
			if !broken(err) || kind == "cut" && len(body) != len(want)/2 {
				t.Errorf("%s: %d bytes, %v", kind, len(body), err)
			}
		}
		if body, err := s.try("/r/golang/new"); err != nil || len(body) != len(want) {
			t.Errorf("afterwards: %d bytes, %v", len(body), err)
		}
	}
	s.inject(`[{"kind": "slow", "takes": "50ms", "count": 1}]`)
	if body, err := outside.try("/r/golang/new"); err != nil || len(body) != len(want) {
		t.Errorf("slow: %d of %d bytes, %v", len(body), len(want), err)
	}
}

// try asks for a page and gives what came of it.
func (s *site) try(path string) (string, error) {
	req, _ := http.NewRequest("GET", s.url+path, nil)
	req.Header.Set("User-Agent", "linux:pulse-test:1.0 (by /u/tester)")
	req.Header.Set("Authorization", "bearer "+s.token)
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestFaultsStrikeWhereAndAsOftenAsTheyAreTold(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 1, Oddities: redditsim.NoOddities()})
	status := func(path string) int {
		resp, _ := s.get(path)
		return resp.StatusCode
	}
	s.inject(`[{"kind": "503", "subreddit": "RUST", "count": 2}]`)
	var got []int
	for _, path := range []string{"/r/golang/new", "/r/golang+rust/hot", "/api/info?id=t3_1", "/r/Rust/new", "/r/rust/new"} {
		got = append(got, status(path))
	}
	if want := []int{200, 503, 200, 503, 200}; !slices.Equal(got, want) {
		t.Errorf("by subreddit and count: %v, want %v", got, want)
	}
	// What answers keeps the ones behind it for later.
	s.inject(`[{"kind": "504", "count": 1}, {"kind": "502", "count": 1}, {"kind": "empty_listing", "count": 1}]`)
	if got := []int{status("/r/rust/new"), status("/r/rust/new")}; !slices.Equal(got, []int{504, 502}) {
		t.Errorf("in their order: %v", got)
	}
	if got := s.list("/r/rust/new"); len(got.ids) != 0 {
		t.Errorf("then a listing of %d posts, want none", len(got.ids))
	}
	s.inject(`[{"kind": "500", "for": "10m"}]`)
	before := status("/r/golang/new")
	*now = now.Add(10*time.Minute - time.Nanosecond)
	last := status("/r/golang/new")
	*now = now.Add(time.Nanosecond)
	if after := status("/r/golang/new"); before != 500 || last != 500 || after != 200 {
		t.Errorf("by time: %d, %d, then %d", before, last, after)
	}
	s.inject(`[{"kind": "502", "share": 0.3}]`)
	struck := 0
	for range 200 {
		if status("/r/golang/new?limit=1") == 502 {
			struck++
		}
	}
	states := s.sim.Faults()
	if struck < 40 || struck > 80 || len(states) != 6 || states[5].Struck != struck || !states[0].Over || !states[4].Over || states[5].Over {
		t.Errorf("by share: %d of 200, %+v", struck, states)
	}
	if resp, body := s.do("DELETE", "/__sim/faults", "", nil); resp.StatusCode != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("clear: %d %s", resp.StatusCode, body)
	}
	if got := status("/r/golang/new"); got != 200 {
		t.Errorf("cleared: %d", got)
	}
	s.inject(`[{"kind": "503"}, {"kind": "429_plain", "path": "/api/v1/access_token", "count": 1}]`)
	resp, _ := s.do("POST", "/api/v1/access_token", "grant_type=client_credentials", map[string]string{
		"Authorization": "Basic aWQ6c2VjcmV0", "Content-Type": "application/x-www-form-urlencoded",
	})
	if resp.StatusCode != 429 {
		t.Errorf("token call: %d", resp.StatusCode)
	}
	s.login() // is not struck by faults without a path
}

func TestRevokedTokenIsRefusedAndANewOneIsGood(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	if err := s.sim.Inject(redditsim.Fault{Kind: "token_revoked"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		resp, _ := s.get("/r/golang/new")
		if resp.StatusCode != 401 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "invalid_token") ||
			resp.Header.Get("X-Ratelimit-Used") != "" {
			t.Errorf("revoked: %d %v", resp.StatusCode, resp.Header)
		}
	}
	old := s.token
	s.token = s.login()
	if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 200 {
		t.Errorf("a new token: %d", resp.StatusCode)
	}
	s.token = old
	s.sim.Clear()
	if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 401 {
		t.Errorf("the old token after clearing: %d", resp.StatusCode)
	}
}

func TestAClosedCommunityTakesItsPostsAlong(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{Oddities: redditsim.NoOddities()})
	closed, open := s.list("/r/golang/new?limit=2").ids, s.list("/r/rust/new?limit=2").ids
	s.inject(`[{"kind": "private", "subreddit": "golang"}]`)
	for path, want := range map[string]int{"/r/golang/new": 403, "/r/rust+golang/new": 403, "/r/rust/new": 200, "/r/golang/hot": 403} {
		if resp, _ := s.get(path); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if got := s.list("/api/info?id=" + closed[0] + "," + open[0]); !slices.Equal(got.ids, open[:1]) {
		t.Errorf("by id: %v, want %v", got.ids, open[:1])
	}
	if got := s.sim.Faults()[0].Struck; got != 3 {
		t.Errorf("%d strikes, want the 3 listings", got)
	}
	s.sim.Clear()
	if got := s.list("/api/info?id=" + closed[0]); len(got.ids) != 1 {
		t.Error("opened again, its posts are not there")
	}
}

func TestStaleAnswersAreThoseOfHalfAMinuteAgo(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Speed: 60, Oddities: redditsim.NoOddities()})
	_, before := s.get("/r/AskReddit/new")
	*now = now.Add(30 * time.Second)
	s.inject(`[{"kind": "stale", "count": 1}]`)
	if _, got := s.get("/r/AskReddit/new"); got != before {
		t.Error("the stale page is not that of 30 s ago")
	}
	if _, got := s.get("/r/AskReddit/new"); got == before {
		t.Error("the page did not change in 30 s")
	}
}

func TestRequestsOfAnotherClientUseUpTheWindow(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{RequestsPerWindow: 100})
	s.get("/r/golang/new")
	s.inject(`[{"kind": "unknown_used", "used": 70}, {"kind": "unknown_used", "used": 500, "count": 1, "path": "/api/"}]`)
	for _, want := range []string{"72", "73"} {
		if resp, _ := s.get("/r/golang/new"); resp.Header.Get("X-Ratelimit-Used") != want {
			t.Errorf("used: %v, want %s", resp.Header, want)
		}
	}
	resp, _ := s.get("/api/info?id=t3_1")
	if resp.StatusCode != 429 || resp.Header.Get("X-Ratelimit-Used") != "100" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("used up elsewhere: %d %v", resp.StatusCode, resp.Header)
	}
	if u := s.sim.Usage()[0]; u.Requests != 4 || u.TooMany != 1 || u.Windows[0].Elsewhere != 570 {
		t.Errorf("usage: %+v", u)
	}
}

func TestBadFaultsAreRefusedByName(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	for body, want := range map[string]string{
		``:                                                                 "faults: want a JSON list",
		`{"kind": "503"}`:                                                  "faults: want a JSON list",
		`[{"kind": "503"}] x`:                                              "nothing behind it",
		`[{"kind": "503"}, {"kind": "999"}]`:                               `fault 2: kind: \"999\" is unknown, want one of 429, 429_plain, 500,`,
		`[{"share": 0.5}]`:                                                 `fault 1: kind: \"\" is unknown`,
		`[{"kind": "503", "shares": 1}]`:                                   "fault 1: shares: unknown field, want one of kind, path, subreddit, share",
		`[{"kind": "503", "Share": 1}]`:                                    "Share: unknown field",
		`[{"kind": 503}]`:                                                  "kind: want a string in quotes, got 503",
		`[{"kind": "503", "share": 0}]`:                                    "share: want a number above 0",
		`[{"kind": "503", "share": -0.1}]`:                                 "share: want above 0 to 1",
		`[{"kind": "503", "share": 1.1}]`:                                  "share: want above 0 to 1",
		`[{"kind": "503", "share": "0.1"}]`:                                "share: want a number without quotes",
		`[{"kind": "503", "share": null}]`:                                 "share: want a number without quotes",
		`[{"kind": "503", "count": 1.5}]`:                                  "count: want a number above 0",
		`[{"kind": "503", "count": -1}]`:                                   "count: want 1 to",
		`[{"kind": "503", "for": 60}]`:                                     "for: want a string in quotes",
		`[{"kind": "503", "for": "soon"}]`:                                 `for: want a duration above 0 like 90s or 10m, got \"soon\"`,
		`[{"kind": "503", "for": "-1m"}]`:                                  "for: want more than 0",
		`[{"kind": "503", "for": "9999h"}]`:                                "for: want more than 0, at most 720h0m0s",
		`[{"kind": "503", "path": "r/golang"}]`:                            "path: want the start of a path",
		`[{"kind": "503", "subreddit": "go+rs"}]`:                          "subreddit: \\\"go+rs\\\" is no name",
		`[{"kind": "503", "takes": "1s"}]`:                                 "takes: is for slow and hang only",
		`[{"kind": "slow", "takes": "1h"}]`:                                "takes: want more than 0",
		`[{"kind": "503", "used": 7}]`:                                     "used: is for unknown_used only",
		"[" + strings.Repeat(`{"kind": "503"},`, 100) + `{"kind": "503"}]`: "faults: at most 100",
		`["` + strings.Repeat("x", 70_000) + `"]`:                          "at most 65536 bytes",
	} {
		if resp, text := s.do("POST", "/__sim/faults", body, nil); resp.StatusCode != 400 || !strings.Contains(text, want) {
			t.Errorf("%.80s: got %d %s, want %s", body, resp.StatusCode, text, want)
		}
	}
	if got := s.sim.Faults(); len(got) != 0 {
		t.Errorf("of refused lists, %d faults are in", len(got))
	}
	for _, f := range []redditsim.Fault{{}, {Kind: "503", Share: -1}, {Kind: "503", Used: 1}, {Kind: "x"}} {
		if err := s.sim.Inject(f); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
	if resp, text := s.do("GET", "/__sim/nothing", "", nil); resp.StatusCode != 404 || !strings.Contains(text, "GET /__sim/ says") {
		t.Errorf("unknown page: %d %s", resp.StatusCode, text)
	}
	if _, text := s.do("GET", "/__sim", "", nil); !strings.Contains(text, "token_revoked") || !strings.Contains(text, "2026-05-04T12:00:00Z") {
		t.Errorf("help: %s", text)
	}
}

func TestFaultsThatAreOverMakeRoom(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	for i := range 300 {
		if err := s.sim.Inject(redditsim.Fault{Kind: "500", Count: 1}); err != nil {
			t.Fatalf("fault %d: %v", i+1, err)
		}
		s.get("/r/golang/new")
	}
	if got := s.sim.Faults(); len(got) > 100 || got[len(got)-1].ID != 300 {
		t.Errorf("%d faults", len(got))
	}
}

func TestFaultsAreReadFromFlags(t *testing.T) {
	t.Parallel()
	got, err := redditsim.ParseFault("kind=slow, share=0.25,count=3,for=10m,takes=2s,path=/r/,subreddit=golang")
	want := redditsim.Fault{
		Kind: "slow", Share: 0.25, Count: 3, For: 10 * time.Minute, Takes: 2 * time.Second, Path: "/r/", Subreddit: "golang",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"": "fault: want field=value pairs", "503": "fault: want field=value pairs", "kind=503,kind=500": "kind: is there twice",
		"kind=503,odds=1": "odds: unknown field", "kind=503,share=much": `share: want a number above 0, got "much"`, "share=1": "kind:",
	} {
		if _, err := redditsim.ParseFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzFaults(f *testing.F) {
	f.Add(`[{"kind": "503", "share": 0.2, "for": "10m"}]`)
	f.Add(`[{"kind": "slow", "takes": "1s", "path": "/r/", "subreddit": "golang", "count": 3}]`)
	f.Add(`kind=unknown_used,used=7`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := redditsim.ParseFaults([]byte(text))
		if one, wrong := redditsim.ParseFault(text); wrong == nil {
			list = append(list, one)
		}
		if err != nil && (err.Error() == "" || len(err.Error()) > 1000) {
			t.Errorf("error of %d bytes", len(err.Error()))
		}
		for _, fault := range list {
			if fault.Share <= 0 || fault.Share > 1 || fault.Count < 0 || fault.For < 0 ||
				!strings.Contains(redditsim.FaultKinds(), fmt.Sprintf("  %-21s ", fault.Kind)) {
				t.Errorf("%q gave %+v", text, fault)
			}
		}
	})
}
