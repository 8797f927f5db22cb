package e2e

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/wire"
)

// The way of a newcomer: start, ask for a token, read, watch, add politics, see
// its posts, pull the plug, start again.
func TestANewcomerSeesPostsAndLosesNone(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := up(t, dir, nil)
	token := askForToken(t, s.url)
	openRoutesAndClosedOnes(t, s.url, token)
	eventually(t, "the first posts", func() bool { return s.posts(t) > 0 })

	events := watch(t, s.api)
	add := wire.NewSubreddit{Name: "politics"}
	interval, priority := 90, "fast"
	add.IntervalSeconds, add.Priority = &interval, &priority
	if _, err := s.api.AddSubreddit(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	seen := awaitSubreddit(t, events, "politics")
	eventually(t, "politics is polled", func() bool {
		p, err := s.api.Subreddit(t.Context(), "politics")
		return err == nil && p.Status.State == "polling" && p.Status.LastPollAt != nil
	})

	if err := s.stop(t, syscall.SIGKILL); err == nil {
		t.Error("a killed program ended well")
	}
	s = up(t, dir, nil)
	for id, observedAt := range seen {
		p, err := s.api.Post(t.Context(), id)
		if err != nil {
			t.Errorf("%s was in the feed and is lost: %v", id, err)
		} else if p.ObservedAt.Before(observedAt) {
			t.Errorf("%s was observed at %v and is now of %v", id, observedAt, p.ObservedAt)
		}
	}
	nothingIsStoredTwice(t, s)
	if p, err := s.api.Subreddit(t.Context(), "politics"); err != nil || p.IntervalSeconds != 90 {
		t.Errorf("politics after the restart: %+v, %v", p, err)
	}
	endsInOrder(t, s)
}

func askForToken(t *testing.T, url string) string {
	t.Helper()
	resp, body := request(t, "POST", url+"/api/token/", "", "application/json", `{"username":"admin","password":"admin"}`)
	var pair wire.TokenPair
	if err := json.Unmarshal([]byte(body), &pair); err != nil || resp.StatusCode != 200 || pair.Access == "" || pair.Refresh == "" {
		t.Fatalf("token: %d %s", resp.StatusCode, body)
	}
	return pair.Access
}

func openRoutesAndClosedOnes(t *testing.T, url, token string) {
	t.Helper()
	for _, path := range []string{"/api/posts/", "/api/stats/", "/api/subreddits/", "/api/posts", "/ws/posts/"} {
		if resp, body := request(t, "GET", url+path, "", "", ""); resp.StatusCode != 401 || !strings.Contains(body, "unauthenticated") {
			t.Errorf("%s without a token: %d %s", path, resp.StatusCode, body)
		}
		if path == "/ws/posts/" {
			continue
		}
		if resp, body := request(t, "GET", url+path, token, "", ""); resp.StatusCode != 200 {
			t.Errorf("%s with a token: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, body := request(t, "GET", url+"/api/health/", "", "", ""); resp.StatusCode != 200 || !strings.Contains(body, `"ok"`) {
		t.Errorf("health: %d %s", resp.StatusCode, body)
	}
}

// watch follows the feed until the test ends.
func watch(t *testing.T, api *client.Client) <-chan client.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	events := api.Stream(ctx, wire.Filter{})
	for e := range events {
		if _, ok := e.(client.Connected); ok {
			return events
		}
	}
	t.Fatal("the feed ended before it began")
	return nil
}

// awaitSubreddit reads the feed until a post of a subreddit comes, and gives
// when each post of the feed was observed.
func awaitSubreddit(t *testing.T, events <-chan client.Event, name string) map[string]time.Time {
	t.Helper()
	seen := map[string]time.Time{}
	timeout := time.After(patience)
	for {
		var posts []wire.Post
		select {
		case <-timeout:
			t.Fatalf("no post of %s within %s", name, patience)
		case e := <-events:
			switch e := e.(type) {
			case client.Posts:
				posts = e.Posts
			case client.Snapshot:
				posts = e.Posts
			case client.Gap:
				t.Fatalf("the feed has a gap: %+v", e)
			}
		}
		found := false
		for _, p := range posts {
			seen[p.ID] = p.ObservedAt
			found = found || p.Subreddit == name
		}
		if found {
			return seen
		}
	}
}

// nothingIsStoredTwice walks all posts: each id once, no fewer than were counted
// before.
func nothingIsStoredTwice(t *testing.T, s *system) {
	t.Helper()
	counted := s.posts(t)
	ids := map[string]bool{}
	q := client.PostsQuery{Order: "-created_at", Limit: 200}
	for {
		page, err := s.api.Posts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Results {
			if ids[p.ID] {
				t.Errorf("%s is listed twice", p.ID)
			}
			ids[p.ID] = true
		}
		if page.Next == nil {
			break
		}
		q.Cursor = *page.Next
	}
	if counted < 1 || int64(len(ids)) < counted {
		t.Errorf("%d posts are counted and %d listed", counted, len(ids))
	}
}

// endsInOrder stops with Ctrl-C's signal: exit 0, no server left behind.
func endsInOrder(t *testing.T, s *system) {
	t.Helper()
	begun := time.Now()
	if err := s.stop(t, syscall.SIGINT); err != nil {
		t.Errorf("Ctrl-C ends it with %v:\n%s", err, s.out)
	}
	t.Logf("stopped within %v", time.Since(begun))
	if left, _ := exec.Command("pgrep", "-f", s.dir).Output(); len(left) > 0 {
		t.Errorf("processes left behind: %s", left)
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".pulse", "run.toml")); err == nil {
		t.Error("run.toml is still there")
	}
}

func TestASecondUpOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := up(t, dir, nil, "--no-replica")
	out, code := run(t, dir, nil, []string{"PULSE_OPS_LISTEN=127.0.0.1:0"}, "up", "--listen", "127.0.0.1:0")
	if code != 1 || strings.Count(out, "\n") != 1 || !strings.Contains(out, "in use by process") {
		t.Errorf("exit %d: %q, want 1 and one line naming the process", code, out)
	}
	if s.setting(t, "api", "listen") == nil {
		t.Error("the refused one took the first one's run.toml")
	}
}

func TestATakenPortIsOneLine(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := folder(t)
	out, code := run(t, dir, nil, nil, "up", "--listen", l.Addr().String())
	want := "api.listen: can't listen on " + l.Addr().String() + ": bind: address already in use; choose another"
	if code != 1 || strings.Count(out, "\n") != 1 || !strings.Contains(out, want) {
		t.Errorf("exit %d: %q", code, out)
	}
	if left, _ := exec.Command("pgrep", "-f", dir).Output(); len(left) > 0 {
		t.Errorf("processes left behind: %s", left)
	}
}

func TestAnAddressThatOthersReachGetsAMadePassword(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	p := start(t, dir, nil, "up", "--no-replica", "--listen", "0.0.0.0:0")
	password := p.says(t, `user +admin, password (\S+) \(made now and shown this once\)`)
	url := p.says(t, `URL +(http://\S+)`)
	p.says(t, `Ctrl-C stops it`)
	api, err := client.New(client.Config{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	eventually(t, "log in with the made password", func() bool { return api.Login(t.Context(), "admin", password) == nil })
	if err := api.Login(t.Context(), "admin", "admin"); err == nil {
		t.Error("the default password opens an address that others reach")
	}
}

func TestWrongUsageIsNoFailure(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	misspelt := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(misspelt, []byte("[kafka]\nbrockers = []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "Usage:"},
		{[]string{"version"}, 0, "pulse "},
		{[]string{"--version"}, 0, "pulse "},
		{[]string{"nonsense"}, 2, `unknown command "nonsense"`},
		{[]string{"up", "--nonsense"}, 2, "unknown flag: --nonsense"},
		{[]string{"import"}, 2, "requires at least 1 arg"},
		{[]string{"config", "show", "--output", "xml"}, 2, "want table or json"},
		{[]string{"--config", misspelt, "config", "check"}, 1, "kafka.brockers: unknown setting, did you mean kafka.brokers?"},
		{[]string{"--config", "/nowhere.toml", "up"}, 1, "/nowhere.toml does not exist"},
		{[]string{"store"}, 1, "postgres.primary_dsn: not set"},
		{[]string{"ingest"}, 1, "reddit."},
		{[]string{"migrate", "status"}, 1, "postgres.primary_dsn: not set"},
		{[]string{"sim", "--replay", dir}, 1, "index.json"},
	}
	for _, c := range cases {
		out, code := run(t, dir, nil, []string{"PULSE_OPS_LISTEN=127.0.0.1:0"}, c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("pulse %v: exit %d: %q, want %d and %q", c.args, code, out, c.code, c.want)
		}
	}
}
