package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start gives a server and a client of it that is logged in as user.
func start(t *testing.T, user string) (*clienttest.Server, *client.Client) {
	t.Helper()
	srv := clienttest.Start()
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL)
	if user != "" {
		if err := c.Login(t.Context(), user, user); err != nil {
			t.Fatalf("log in: %v", err)
		}
	}
	return srv, c
}

func newClient(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{BaseURL: url, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Hurry()
}

func TestNewRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "ftp://x", "http://", "http://a b", "http://u:p@host", ":8080"} {
		if _, err := client.New(client.Config{BaseURL: url}); pulse.CodeOf(err) != pulse.Invalid {
			t.Errorf("New(%q) gave %v, want an invalid server", url, err)
		}
	}
	c, err := client.New(client.Config{BaseURL: "localhost:8080/pulse/"})
	if err != nil || c.BaseURL() != "http://localhost:8080/pulse" {
		t.Errorf("a bare host became %v, %v", c, err)
	}
}

func TestLoginKeepsTokensAndKnowsWho(t *testing.T) {
	t.Parallel()
	_, c := start(t, "")
	var kept []wire.TokenPair
	c.OnTokens(func(p wire.TokenPair) { kept = append(kept, p) })
	if _, err := c.Stats(t.Context()); pulse.CodeOf(err) != pulse.Unauthenticated {
		t.Errorf("without a log-in: %v, want unauthenticated", err)
	}
	err := c.Login(t.Context(), "admin", "wrong")
	if pulse.CodeOf(err) != pulse.Unauthenticated || !strings.Contains(err.Error(), "no active account") {
		t.Errorf("wrong password: %v", err)
	}
	if err := c.Login(t.Context(), "admin", "admin"); err != nil {
		t.Fatal(err)
	}
	if who := c.Claims(); who.Name != "admin" || who.Role != pulse.Admin {
		t.Errorf("claims are %+v", who)
	}
	if len(kept) != 1 || kept[0].Refresh == "" {
		t.Errorf("kept tokens: %v", kept)
	}
	if _, err := c.Stats(t.Context()); err != nil {
		t.Errorf("logged in: %v", err)
	}
	if err := c.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Stats(t.Context()); pulse.CodeOf(err) != pulse.Unauthenticated {
		t.Errorf("logged out: %v", err)
	}
}

func TestFiftyCallersRenewOnce(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "admin")
	srv.ExpireAccess()
	var wg sync.WaitGroup
	errs := make(chan error, 50)
	for range 50 {
		wg.Go(func() {
			_, err := c.Stats(t.Context())
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Errorf("a caller was refused: %v", err)
		}
	}
	if n := srv.Refreshes(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func TestTokensAreRenewedShortlyBeforeTheirEnd(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "")
	srv.SetAccessTTL(-2 * time.Second) // over as soon as it is issued
	if err := c.Login(t.Context(), "admin", "admin"); err != nil {
		t.Fatal(err)
	}
	srv.SetAccessTTL(time.Hour)
	if _, err := c.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := srv.Calls("GET /api/stats/"); n != 1 || srv.Refreshes() != 1 {
		t.Errorf("%d calls and %d refreshes, want 1 and 1", n, srv.Refreshes())
	}
}

func TestOneTokenOfEitherKindServes(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "")
	pair := srv.Tokens("olga")
	c.SetToken(pair.Access)
	if _, err := c.Stats(t.Context()); err != nil {
		t.Errorf("an access token: %v", err)
	}
	srv.ExpireAccess()
	_, err := c.Stats(t.Context())
	if pulse.CodeOf(err) != pulse.Unauthenticated || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired access token: %v, want the server's words", err)
	}
	c.SetToken(pair.Refresh)
	if _, err := c.Stats(t.Context()); err != nil || c.Claims().Name != "olga" {
		t.Errorf("a refresh token: %v, as %q", err, c.Claims().Name)
	}
	srv.ExpireAll()
	for _, call := range []string{"first", "second"} { // each caller hears the reason
		_, err := c.Stats(t.Context())
		if pulse.CodeOf(err) != pulse.Unauthenticated || !strings.Contains(err.Error(), "log in again") {
			t.Errorf("the %s call of a dead session: %v", call, err)
		}
	}
	c.SetToken("rubbish")
	if _, err := c.Stats(t.Context()); pulse.CodeOf(err) != pulse.Unauthenticated {
		t.Errorf("rubbish: %v", err)
	}
}

func TestSubredditsRoundTrip(t *testing.T) {
	t.Parallel()
	_, c := start(t, "olga")
	ctx := t.Context()
	ninety, fast := 90, "fast"
	row, err := c.AddSubreddit(ctx, wire.NewSubreddit{Name: "politics", IntervalSeconds: &ninety, Priority: &fast})
	if err != nil || row.Version != 1 || !row.IsActive {
		t.Fatalf("add: %+v, %v", row, err)
	}
	if _, err := c.AddSubreddit(ctx, wire.NewSubreddit{Name: "politics"}); pulse.CodeOf(err) != pulse.Conflict {
		t.Errorf("add again: %v, want conflict", err)
	}
	off := false
	if row, err = c.EditSubreddit(ctx, "politics", 1, wire.SubredditChange{IsActive: &off}); err != nil || row.IsActive {
		t.Errorf("edit: %+v, %v", row, err)
	}
	if _, err := c.EditSubreddit(ctx, "politics", 1, wire.SubredditChange{}); pulse.CodeOf(err) != pulse.Conflict {
		t.Errorf("edit of an old version: %v, want conflict", err)
	}
	five := 5
	_, err = c.EditSubreddit(ctx, "politics", 2, wire.SubredditChange{IntervalSeconds: &five})
	var e *pulse.Error
	if !errors.As(err, &e) || e.Code != pulse.Invalid || e.Field != "interval_seconds" {
		t.Errorf("edit to 5 s: %v, want the field named", err)
	}
	if list, err := c.Subreddits(ctx); err != nil || len(list.Results) != 1 || list.Budget != nil {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := c.RemoveSubreddit(ctx, "politics", 2); err != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := c.Subreddit(ctx, "politics"); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("removed: %v, want not found", err)
	}
}

func TestPreviewGapsAndBudget(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	ctx := t.Context()
	srv.PutSubreddit(wire.Subreddit{Name: "politics", IntervalSeconds: 60, Priority: "fast", IsActive: true, Version: 1})
	srv.SetBudget(&wire.Budget{Allowed: 84, Discovery: 1})
	if list, err := c.Subreddits(ctx); err != nil || list.Budget == nil || list.Budget.Allowed != 84 {
		t.Errorf("list: %+v, %v", list, err)
	}
	ten := 10
	p, err := c.Preview(ctx, wire.PreviewChange{Name: "golang"}, wire.PreviewChange{Name: "Politics", IntervalSeconds: &ten})
	if err != nil || p.Now.Total != 1 || p.Then.Total != 7 || !p.PromiseHolds || p.Detail == "" {
		t.Errorf("preview: %+v, %v", p, err)
	}
	five := 5
	_, err = c.Preview(ctx, wire.PreviewChange{Name: "golang", IntervalSeconds: &five})
	var e *pulse.Error
	if !errors.As(err, &e) || e.Field != "interval_seconds" {
		t.Errorf("preview of 5 s: %v, want the field named", err)
	}
	if gaps, err := c.Gaps(ctx, "politics", 0); err != nil || len(gaps) != 0 {
		t.Errorf("gaps: %v, %v", gaps, err)
	}
	srv.PutGaps("politics", wire.Gap{Reason: "b"}, wire.Gap{Reason: "a"})
	if gaps, err := c.Gaps(ctx, "Politics", 1); err != nil || len(gaps) != 1 || gaps[0].Reason != "b" {
		t.Errorf("the newest gap: %v, %v", gaps, err)
	}
	if _, err := c.Gaps(ctx, "nobody", 1); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("gaps of nobody: %v, want not found", err)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "vera")
	srv.Publish(clienttest.Post(1), clienttest.Post(2))
	page, err := c.Posts(t.Context(), client.PostsQuery{Order: pulse.ByCreated, Limit: 10})
	if err != nil || len(page.Results) != 2 {
		t.Errorf("posts: %v, %v", page, err)
	}
	if p, err := c.Post(t.Context(), clienttest.Post(1).ID); err != nil || p.Score != 1 {
		t.Errorf("post: %+v, %v", p, err)
	}
	if h, err := c.History(t.Context(), clienttest.Post(1).ID); err != nil || len(h.Results) != 1 {
		t.Errorf("history: %+v, %v", h, err)
	}
	if h, err := c.Health(t.Context()); err != nil || h.Status != "ok" {
		t.Errorf("health: %+v, %v", h, err)
	}
	_, err = c.AddSubreddit(t.Context(), wire.NewSubreddit{Name: "politics"})
	if pulse.CodeOf(err) != pulse.Forbidden || !strings.Contains(err.Error(), "viewer") {
		t.Errorf("a viewer adds: %v, want forbidden", err)
	}
}

func TestAnswersOfAllKindsBecomeErrorsWithACode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		code   pulse.Code
		words  string
	}{
		"plain 502":         {502, "<html>", pulse.Unavailable, "bad gateway"},
		"429":               {429, "", pulse.TooMany, "too many requests"},
		"problem":           {422, `{"code":"invalid","detail":"d","errors":[{"field":"limit","message":"want 1 to 200"}]}`, pulse.Invalid, "limit: want 1 to 200"},
		"unknown code":      {500, `{"code":"<odd>","detail":"d"}`, pulse.Internal, "d"},
		"problem of a list": {500, `[1]`, pulse.Internal, "internal server error"},
		"redirect":          {302, "", pulse.Unavailable, "is it Reddit Pulse?"},
		"not JSON":          {200, "<html>", pulse.Unavailable, "cannot be read"},
		"odd status":        {799, "", pulse.Internal, "status 799"},
		"deep":              {200, strings.Repeat("[", 20000), pulse.Unavailable, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer srv.Close()
			cl := newClient(t, srv.URL)
			cl.SetToken("a.b.c")
			_, err := cl.Stats(t.Context())
			if pulse.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
				t.Errorf("gave %v (%s), want %q (%s)", err, pulse.CodeOf(err), c.words, c.code)
			}
			var refusal *client.Refusal
			if c.status >= 300 && (!errors.As(err, &refusal) || refusal.RetryAfter != 7*time.Second) {
				t.Errorf("the refusal is %+v", refusal)
			}
		})
	}
}

func TestNoServerIsSaidInWords(t *testing.T) {
	t.Parallel()
	srv := clienttest.Start()
	url := srv.URL
	srv.Close()
	err := newClient(t, url).Login(t.Context(), "a", "b")
	var e *pulse.Error
	if !errors.As(err, &e) || e.Code != pulse.Unavailable || e.Message != "no answer from "+url+": connection refused" {
		t.Errorf("gave %v", err)
	}
}

func TestASilentServerRunsOutOfTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	c, err := client.New(client.Config{BaseURL: srv.URL, Timeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Login(context.Background(), "a", "b")
	if pulse.CodeOf(err) != pulse.Unavailable || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("gave %v", err)
	}
}
