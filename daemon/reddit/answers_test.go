package reddit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
)

const recordedDir = "../../../shared/reddit-recorded"

// script answers token calls well and every other call as told.
func script(status int, header map[string]string, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Write([]byte(`{"access_token": "abc", "token_type": "bearer", "expires_in": 86400, "scope": "*"}`))
			return
		}
		w.Header()["Content-Type"] = nil
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

// inProcess answers requests by a handler, without a network.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// newest asks for the newest page of these subreddits.
func newest(names ...string) pulse.ListingQuery {
	return pulse.ListingQuery{Subreddits: names, Limit: 100}
}

func outage(err error) bool {
	var o interface{ Outage() bool }
	return errors.As(err, &o) && o.Outage()
}

// recordedBody reads a body of the recorded folder, which may be absent.
func recordedBody(t testing.TB, name string) string {
	t.Helper()
	body, err := os.ReadFile(recordedDir + "/" + name)
	if os.IsNotExist(err) {
		t.Skipf("%s is not here", recordedDir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestEveryAnswerIsUnderstood(t *testing.T) {
	t.Parallel()
	const transient = pulse.PollState("")
	jsonType := map[string]string{"Content-Type": "application/json; charset=UTF-8"}
	html := map[string]string{"Content-Type": "text/html; charset=UTF-8"}
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		state  pulse.PollState
		outage bool
		says   string
	}{
		{"private", 403, jsonType, recordedBody(t, "quoted/private_403.json"), pulse.Private, false, "the community is private"},
		{"quarantined", 403, jsonType, recordedBody(t, "quoted/quarantined_403_with_email_optin.json"), pulse.Quarantined, false, "quarantined"},
		{"quarantined, recorded", 403, jsonType, recordedBody(t, "error_403__r_tiananmenaquarefalse_top__asyncpraw_2020.json"), pulse.Quarantined, false, "quarantined"},
		{"gated", 403, jsonType, recordedBody(t, "quoted/gated_403.json"), pulse.Gated, false, "gated"},
		{"banned", 404, jsonType, recordedBody(t, "quoted/banned_404.json"), pulse.Banned, false, "banned"},
		{"invalid name", 404, jsonType, recordedBody(t, "quoted/invalid_name_404.json"), pulse.Missing, false, "no such community"},
		{"other reason", 404, jsonType, recordedBody(t, "error_404__r_TEST_SUBREDDIT_wiki_invalid__asyncpraw_2020.json"), pulse.Missing, false, "no such"},
		{"nonexistent", 302, map[string]string{"Location": "https://www.reddit.com/subreddits/search?q=x"}, "", pulse.Missing, false, "no such"},
		{"other redirect", 302, map[string]string{"Location": "https://www.reddit.com/login"}, "", transient, false, "points to"},
		{"moved", 301, jsonType, "{}", transient, false, "301"},
		{"forbidden without reason", 403, jsonType, `{"message":"Forbidden","error":403}`, transient, false, "403 Forbidden: Forbidden"},
		{"scope", 403, map[string]string{"WWW-Authenticate": `Bearer realm="reddit", error="insufficient_scope"`},
			`{"message":"Forbidden","error":403}`, transient, true, "scope"},
		{"blocked", 403, html, recordedBody(t, "quoted/blocked_403.html"), transient, true, "reddit.user_agent is blocked"},
		{"odd reason", 403, jsonType, `{"reason":17,"message":["x"],"error":"403"}`, transient, false, "403"},
		{"proxy's 404", 404, html, "<html>nginx</html>", transient, false, "404"},
		{"400 text", 400, map[string]string{"Content-Type": "text/plain"}, "Bad Request", transient, false, "400 Bad Request"},
		{"400 JSON", 400, jsonType, `{"error": 400}`, transient, false, "400"},
		{"414", 414, map[string]string{"Retry-After": "0"}, "Error: URI Too Long", transient, false, "414"},
		{"451", 451, jsonType, "", transient, false, "451"},
		{"500", 500, jsonType, `{"message":"Internal Server Error","error":500}`, transient, true, "Internal Server Error"},
		{"502 empty", 502, jsonType, "", transient, true, "502"},
		{"503 empty", 503, jsonType, "", transient, true, "503"},
		{"504 empty", 504, jsonType, "", transient, true, "504"},
		{"520 empty", 520, jsonType, "", transient, true, "520"},
		{"522 empty", 522, jsonType, "", transient, true, "522"},
		{"200 empty", 200, jsonType, "", transient, false, "not JSON"},
		{"200 HTML", 200, html, "<!doctype html><title>reddit</title>", transient, false, "not JSON"},
		{"200 truncated", 200, jsonType, `{"kind": "Listing", "data": {"children": [{"kind": "t3", "da`, transient, false, "not JSON"},
		{"200 null", 200, jsonType, "null", transient, false, "not a listing"},
		{"200 other thing", 200, jsonType, `{"kind": "t5", "data": {}}`, transient, false, "not a listing"},
		{"200 list", 200, jsonType, `[{"kind":"Listing"}]`, transient, false, "not a listing"},
		{"200 error body", 200, jsonType, `{"error": 500}`, transient, false, "not a listing"},
		{"deep", 200, jsonType, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), transient, false, "not JSON"},
		{"endless", 200, jsonType, strings.Repeat(" ", maxBody+1), transient, false, "longer than"},
		{"endless refusal", 403, jsonType, strings.Repeat(" ", maxBody+1), transient, false, "403"},
		{"408", 408, jsonType, "", transient, true, "408"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, serve(t, script(c.status, c.header, c.body)), nil)
			_, err := client.Newest(t.Context(), newest("golang"))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "fetch r/golang: ") {
				t.Errorf("got %v, want %q in it", err, c.says)
			}
			var state *StateError
			if found := errors.As(err, &state); found != (c.state != transient) || found && state.PollState() != c.state {
				t.Errorf("got %v, want state %q", err, c.state)
			}
			var limited *LimitError
			if errors.As(err, &limited) {
				t.Errorf("%v is a limit error", err)
			}
			if outage(err) != c.outage {
				t.Errorf("%v: outage %v", err, !c.outage)
			}
		})
	}
}

func TestSeveralCommunitiesAreNeverBlamedAsOne(t *testing.T) {
	t.Parallel()
	search := map[string]string{"Location": "https://www.reddit.com/subreddits/search?q=a+b"}
	html := map[string]string{"Content-Type": "text/html"}
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		group  bool
		none   bool
		outage bool
	}{
		{"one is private", 403, nil, `{"reason": "private", "message": "Forbidden", "error": 403}`, true, false, false},
		{"no reason", 403, nil, `{"message": "Forbidden", "error": 403}`, true, false, false},
		{"empty refusal", 403, nil, "", true, false, false},
		{"one is banned", 404, nil, `{"reason": "banned"}`, true, false, false},
		{"not found", 404, nil, `{"message": "Not Found", "error": 404}`, true, false, false},
		{"none is left", 302, search, "", false, true, false},
		{"blocked", 403, html, "<html>Blocked</html>", false, false, true},
		{"scope", 403, map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope"`}, "{}", false, false, true},
		{"a proxy's 404", 404, html, "<html>nginx</html>", false, false, false},
		{"bad", 200, nil, "{", false, false, false},
	} {
		client := newClient(t, serve(t, script(c.status, c.header, c.body)), nil)
		_, err := client.Newest(t.Context(), newest("golang", "rust", "zig"))
		var group interface{ Several() bool }
		var state *StateError
		if err == nil || errors.As(err, &group) != c.group || errors.As(err, &state) != c.none || outage(err) != c.outage {
			t.Errorf("%s: got %v", c.name, err)
		}
		if c.group && !group.Several() || c.none && state.PollState() != pulse.Missing {
			t.Errorf("%s: got %v", c.name, err)
		}
		if !strings.HasPrefix(err.Error(), "fetch r/golang and 2 more: ") {
			t.Errorf("%s: got %q", c.name, err)
		}
	}
}

func TestInfoNeverSpeaksOfACommunity(t *testing.T) {
	t.Parallel()
	for _, c := range []http.Handler{
		script(403, nil, `{"reason":"private"}`), script(404, nil, `{}`),
		script(302, map[string]string{"Location": "/subreddits/search?q=x"}, ""),
	} {
		_, err := newClient(t, serve(t, c), nil).Info(t.Context(), []string{"t3_1"})
		var state *StateError
		if err == nil || errors.As(err, &state) {
			t.Errorf("got %v, want an error without a state", err)
		}
	}
}

func TestTooManyRequestsSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		header  map[string]string
		body    string
		want    time.Duration // 0: to the end of the window
		blocked bool
	}{
		{"HTML, recorded", map[string]string{"Retry-After": "4", "Content-Type": "text/html"},
			recordedBody(t, "error_429__api_v1_me__prawcore_2021.html"), 4 * time.Second, true},
		{"float", map[string]string{"Retry-After": "2.5"}, "", 2500 * time.Millisecond, false},
		{"reset", map[string]string{"X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Reset": "77"}, "", 77 * time.Second, false},
		{"both", map[string]string{"Retry-After": "9", "X-Ratelimit-Reset": "77"}, "", 9 * time.Second, false},
		{"zero", map[string]string{"Retry-After": "0"}, "", time.Second, false},
		{"neither", nil, `{"message": "Too Many Requests", "error": 429}`, 0, false},
		{"nonsense", map[string]string{"Retry-After": "soon"}, "", 0, false},
		{"for ever", map[string]string{"Retry-After": "1e300"}, "", time.Hour, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(100 * time.Second) // into a window
			client := newClient(t, "https://reddit.test", func(conf *Config) { conf.Transport = inProcess{script(429, c.header, c.body)} })
			_, err := client.Newest(t.Context(), newest("golang"))
			want := c.want
			if want == 0 {
				want = 500*time.Second + slack
			}
			var limited interface {
				RetryAfter() time.Duration
				Outage() bool
			}
			if !errors.As(err, &limited) || limited.RetryAfter() < want-slack || limited.RetryAfter() > want+maxJitter || limited.Outage() != c.blocked {
				t.Errorf("%s: got %v, want %s, blocked %v", c.name, err, want, c.blocked)
			}
			if stop := time.Until(client.Window().StoppedUntil); stop != limited.RetryAfter() {
				t.Errorf("%s: the client stops for %s, and says %s", c.name, stop, limited.RetryAfter())
			}
		})
	}
}

func TestTokenFaultsAreTold(t *testing.T) {
	t.Parallel()
	const ok = `"access_token": "abc", "token_type": "bearer"`
	for _, c := range []struct {
		name   string
		status int
		body   string
		says   string // "" when it works
		lasts  time.Duration
	}{
		{"good", 200, `{` + ok + `, "expires_in": 86400}`, "", 86400*time.Second - 30*time.Second},
		{"an hour", 200, `{` + ok + `, "expires_in": 3600.0}`, "", 3570 * time.Second},
		{"short", 200, `{` + ok + `, "expires_in": 10}`, "", 9 * time.Second},
		{"no end", 200, `{` + ok + `}`, "", 54 * time.Second},
		{"absurd end", 200, `{` + ok + `, "expires_in": 1e300}`, "", 30*24*time.Hour - 30*time.Second},
		{"grant", 200, `{"error": "invalid_grant"}`, "reddit refuses: invalid_grant", 0},
		{"client", 200, `{"error": "unauthorized_client", "error_description": "Only script apps may use password auth"}`,
			"unauthorized_client: Only script apps", 0},
		{"400", 400, `{"error": 400}`, "400 Bad Request", 0},
		{"wrong secret", 401, recordedBody(t, "quoted/token_wrong_secret_401.json"), "reddit.client_secret", 0},
		{"not JSON", 200, `<html>`, "not JSON", 0},
		{"no token", 200, `{}`, "no usable access_token", 0},
		{"mistyped", 200, `{"access_token": 5}`, "no usable access_token", 0},
		{"dangerous", 200, `{"access_token": "a\r\nX: y"}`, "no usable access_token", 0},
		{"500", 500, ``, "500 Internal Server Error", 0},
		{"429", 429, `{"message": "Too Many Requests", "error": 429}`, "limit is used up", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					w.Write([]byte(`{"kind": "Listing", "data": {"children": []}}`))
					return
				}
				id, secret, _ := r.BasicAuth()
				if r.FormValue("grant_type") != "client_credentials" || id != "id" || secret != "secret" || r.UserAgent() != agent {
					t.Errorf("token call: %v %v", r.Form, r.Header)
				}
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			})), nil)
			_, err := client.Newest(t.Context(), newest("golang"))
			if c.says == "" {
				if left := time.Until(client.tokens.renewAt); err != nil || (left-c.lasts).Abs() > 2*time.Second {
					t.Errorf("got %v, renewal in %s, want %s", err, left, c.lasts)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "get access token: ") {
				t.Errorf("got %v, want %q in it", err, c.says)
			} else if outage(err) != (c.status != 429) {
				t.Errorf("%v: outage %v", err, outage(err))
			}
		})
	}
}

func TestTokenIsRenewedOnceWhenRefused(t *testing.T) {
	t.Parallel()
	page := recordedBody(t, "error_401__api_v1_me__asyncpraw_2020.html")
	var tokens, refusals atomic.Int64
	handler := func(good int64) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.Write([]byte(`{"access_token": "t` + strconv.FormatInt(tokens.Add(1), 10) + `", "expires_in": 3600}`))
				return
			}
			if r.Header.Get("Authorization") != "bearer t"+strconv.FormatInt(good, 10) {
				refusals.Add(1)
				w.Header().Set("WWW-Authenticate", `Bearer realm="reddit", error="invalid_token"`)
				w.WriteHeader(401)
				w.Write([]byte(page))
				return
			}
			w.Write([]byte(`{"kind": "Listing", "data": {"children": []}}`))
		})
	}
	if _, err := newClient(t, serve(t, handler(2)), nil).Newest(t.Context(), newest("golang")); err != nil || refusals.Load() != 1 {
		t.Errorf("second token is good: %v after %d refusals", err, refusals.Load())
	}
	tokens.Store(0)
	refusals.Store(0)
	_, err := newClient(t, serve(t, handler(9)), nil).Newest(t.Context(), newest("golang"))
	if !outage(err) || refusals.Load() != 2 || tokens.Load() != 2 {
		t.Errorf("no token is good: %v after %d refusals of %d tokens", err, refusals.Load(), tokens.Load())
	}
}

func TestHangingRedditEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	hang := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Write([]byte(`{"access_token": "abc", "expires_in": 3600}`))
			return
		}
		w.Write([]byte(`{"kind":`))
		w.(http.Flusher).Flush()
		<-let
	})
	client := newClient(t, serve(t, hang), func(c *Config) { c.Timeout = 100 * time.Millisecond })
	t.Cleanup(func() { close(let) })
	_, err := client.Newest(t.Context(), newest("golang"))
	if !outage(err) || !strings.Contains(err.Error(), "no whole answer from reddit within 100ms") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Newest(ctx, newest("golang")); !errors.Is(err, context.Canceled) || outage(err) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestUnreachableRedditIsTransient(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, "http://127.0.0.1:1", nil).Newest(t.Context(), newest("golang"))
	if !outage(err) || !strings.Contains(err.Error(), "ask reddit: ") || strings.Contains(err.Error(), "access_token\"") {
		t.Errorf("got %v", err)
	}
}

func TestRedditsClockCountsWhenOursIsWrong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 123_456_789, time.UTC)
	for _, c := range []struct {
		date string
		want time.Time
	}{
		{"", now.Truncate(time.Millisecond)},
		{"garbage", now.Truncate(time.Millisecond)},
		{now.Add(-time.Second).Format(http.TimeFormat), now.Truncate(time.Millisecond)},
		{now.Add(2 * time.Second).Format(http.TimeFormat), now.Truncate(time.Millisecond)},
		{now.Add(5 * time.Second).Format(http.TimeFormat), now.Truncate(time.Second).Add(5 * time.Second)},
		{now.Add(-time.Hour).Format(http.TimeFormat), now.Truncate(time.Second).Add(-time.Hour)},
		{now.Add(48 * time.Hour).Format(http.TimeFormat), now.Truncate(time.Millisecond)},
		{"Thu, 01 Jan 1970 00:00:00 GMT", now.Truncate(time.Millisecond)},
	} {
		a := answer{header: http.Header{"Date": {c.date}}, received: now}
		if got := a.observedAt(); !got.Equal(c.want) {
			t.Errorf("Date %q: got %s, want %s", c.date, got, c.want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, "", "", `{"kind": "Listing", "data": {"children": [{"kind": "t3", "data": {}}]}}`, 1)
	f.Add(403, "application/json", "", `{"reason": "private", "message": 5}`, 2)
	f.Add(302, "", "/subreddits/search?q=x", "", 1)
	f.Add(200, "", "", `{"access_token": "abc", "expires_in": "soon", "error": {"deep": [1]}}`, 0)
	f.Add(429, "text/html", "", "\xff<", 60)
	f.Fuzz(func(t *testing.T, status int, contentType, location, body string, names int) {
		now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		a := answer{status: status, received: now, body: []byte(body),
			header: http.Header{"Content-Type": {contentType}, "Location": {location}}}
		if err := a.fault(names); err != nil && (!utf8.ValidString(err.Error()) || len(err.Error()) > 2000) {
			t.Errorf("%q", err)
		} else if err == nil && status != 200 {
			t.Error("no error")
		}
		if value, lasts, err := a.token(); err == nil && (value == "" || lasts <= 0 || lasts > 30*24*time.Hour) {
			t.Errorf("token %q for %s", value, lasts)
		}
		if page, err := decodeListing(a.body, "new", now, now); err == nil && page.Observations == nil {
			t.Error("a page of nil")
		}
	})
}
