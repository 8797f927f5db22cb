package redditsim_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

func TestInProcessAnswersAreThoseOfAConnection(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	outside := siteOf(t, s.sim)
	for _, c := range []struct{ method, path, encoding string }{
		{"GET", "/r/golang/new?limit=30", ""}, {"GET", "/r/golang/new?limit=30", "gzip"}, {"HEAD", "/r/golang/hot", ""},
		{"GET", "/r/missing_x/new", ""}, {"GET", "/r/private_x/new", ""}, {"GET", "/api/info?id=x", ""},
		{"POST", "/api/v1/access_token", ""}, {"GET", "/__sim/faults", ""}, {"DELETE", "/r/golang/new", ""},
		{"GET", "/r/golang/new?x=" + strings.Repeat("y", 11_000), ""},
	} {
		header := map[string]string{"Authorization": "bearer " + s.token, "Accept-Encoding": c.encoding}
		a, aBody := s.do(c.method, c.path, "", header)
		header["Authorization"] = "bearer " + outside.token
		b, bBody := outside.do(c.method, c.path, "", header)
		for _, resp := range []*http.Response{a, b} {
			resp.Header.Del("X-Ratelimit-Used")
			resp.Header.Del("X-Ratelimit-Remaining")
			resp.Header.Del("Content-Length") // the server sends long packed bodies in chunks
		}
		if a.Status != b.Status || aBody != bBody || a.Proto != b.Proto ||
			!maps.EqualFunc(a.Header, b.Header, func(x, y []string) bool { return strings.Join(x, "|") == strings.Join(y, "|") }) {
			t.Errorf("%s %.80s: %s %v %.100q\nby connection: %s %v %.100q", c.method, c.path, a.Status, a.Header, aBody, b.Status, b.Header, bBody)
		}
	}
}

// bubble is a Reddit on the clock of a synctest bubble, and a client of it.
func bubble(t *testing.T, c redditsim.Config) (*site, *http.Client) {
	t.Helper()
	time.Sleep(time.Until(noon)) // bubbles begin in 2000, posts in 2020
	sim := newSim(t, c)
	s := &site{t: t, sim: sim, transport: sim.RoundTripper(), url: "https://oauth.reddit.test"}
	s.token = s.login()
	return s, &http.Client{Transport: s.transport, Timeout: 16 * time.Second}
}

func (s *site) request(ctx context.Context, path string) *http.Request {
	req, _ := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	req.Header.Set("User-Agent", "linux:pulse-test:1.0 (by /u/tester)")
	req.Header.Set("Authorization", "bearer "+s.token)
	return req
}

func TestADayPassesInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := bubble(t, redditsim.Config{RequestsPerWindow: 3})
		codes := map[int]int{}
		var date string
		for range 24 * 6 {
			resp, err := client.Do(s.request(t.Context(), "/r/golang/new?limit=1"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			codes[resp.StatusCode]++
			date = resp.Header.Get("Date")
			time.Sleep(10 * time.Minute)
		}
		if codes[200] != 24*6 || date != time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat) {
			t.Errorf("answers %v, the last at %s", codes, date)
		}
		if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 401 {
			t.Errorf("after a day: %d", resp.StatusCode)
		}
	})
}

func TestHangsAndSlowBodiesEndWithTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := bubble(t, redditsim.Config{})
		took := func(path string) (time.Duration, int, error) {
			start, n := time.Now(), int64(0)
			resp, err := client.Do(s.request(t.Context(), path))
			if err == nil {
				n, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			return time.Since(start), int(n), err
		}
		_, whole, _ := took("/r/golang/new")
		s.inject(`[{"kind": "slow", "takes": "10s", "count": 1}]`)
		if d, n, err := took("/r/golang/new"); err != nil || n != whole || d < 9*time.Second || d > 11*time.Second {
			t.Errorf("slow: %d of %d bytes in %s, %v", n, whole, d, err)
		}
		s.inject(`[{"kind": "slow", "count": 1}]`)
		if d, n, err := took("/r/golang/new"); !errors.Is(err, context.DeadlineExceeded) || n == 0 || n >= whole || d != 16*time.Second {
			t.Errorf("slower than the client waits: %d of %d bytes in %s, %v", n, whole, d, err)
		}
		s.inject(`[{"kind": "hang", "count": 1}]`)
		if d, _, err := took("/r/golang/new"); !errors.Is(err, context.DeadlineExceeded) || d != 16*time.Second {
			t.Errorf("hang: %s, %v", d, err)
		}
		s.inject(`[{"kind": "hang", "takes": "3s", "count": 1}]`)
		if d, _, err := took("/r/golang/new"); err == nil || d != 3*time.Second {
			t.Errorf("short hang: %s, %v", d, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.transport.RoundTrip(s.request(ctx, "/r/golang/new")); !errors.Is(err, context.Canceled) {
			t.Errorf("a request that has ended: %v", err)
		}
		if d, _, err := took("/r/golang/new"); err != nil || d != 0 {
			t.Errorf("afterwards: %s, %v", d, err)
		}
	})
}

func TestTheClockRunsFasterFromItsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := bubble(t, redditsim.Config{ClockSpeed: 600})
		start := time.Now()
		at := func() (reset string, newest, date time.Time) {
			resp, body := s.get("/r/AskReddit/new?limit=1")
			if resp.StatusCode != 200 {
				return "", newest, date
			}
			seconds := parse(t, body).posts[0]["created_utc"].(float64)
			date, _ = http.ParseTime(resp.Header.Get("Date"))
			return resp.Header.Get("X-Ratelimit-Reset"), time.Unix(int64(seconds), 0), date
		}
		at()
		time.Sleep(61500 * time.Millisecond) // 10 h, 15 min
		reset, newest, date := at()
		want := start.Add(10*time.Hour + 15*time.Minute)
		if reset != "300" || date.Sub(want).Abs() > time.Second || want.Sub(newest) > 5*time.Minute || newest.After(want) {
			t.Errorf("after 61.5 s at speed 600: reset in %s s, newest of %s, Date %s, want %s", reset, newest, date, want)
		}
		time.Sleep(83 * time.Second)
		if resp, _ := s.get("/r/golang/new"); resp.StatusCode != 401 {
			t.Errorf("a token of yesterday: %d", resp.StatusCode)
		}
	})
}
