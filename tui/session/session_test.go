package session_test

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, readOnly bool) (*clienttest.Server, *session.Session) {
	t.Helper()
	srv := clienttest.Start()
	t.Cleanup(srv.Close)
	api, err := client.New(client.Config{BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	s := session.New(session.Config{Client: api, ReadOnly: readOnly})
	t.Cleanup(s.Stop)
	return srv, s
}

// await waits for news until ok.
func await(t *testing.T, s *session.Session, what string, ok func() bool) {
	t.Helper()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-s.News():
		case <-late:
			t.Fatalf("%s: not within 10 s; the link is %+v", what, s.Link())
		}
	}
}

func is(s *session.Session, state session.LinkState) func() bool {
	return func() bool { return s.Link().State == state }
}

func TestSessionFollowsTheFeedOverALostConnection(t *testing.T) {
	t.Parallel()
	srv, s := open(t, false)
	srv.Publish(clienttest.Post(1))
	if err := s.Login(t.Context(), "vera", "vera"); err != nil {
		t.Fatal(err)
	}
	if name, role := s.Who(); name != "vera" || role != pulse.Viewer {
		t.Errorf("logged in as %s, %s", name, role)
	}
	s.Start(t.Context())
	await(t, s, "first post", func() bool { return s.Feed().View().Posts == 1 })
	await(t, s, "connected", is(s, session.Connected))
	if note := s.Link().Note; note != "" {
		t.Errorf("the first connection says %q", note)
	}

	srv.SetStatus(503)
	srv.Drop()
	await(t, s, "reconnecting", is(s, session.Reconnecting))
	if l := s.Link(); l.Reason == "" || l.RetryAt.IsZero() {
		t.Errorf("the link is %+v", l)
	}
	if s.Feed().View().Posts != 1 {
		t.Error("what was there is gone")
	}
	srv.Publish(clienttest.Post(2))
	srv.SetStatus(0)
	await(t, s, "the missed post", func() bool { return s.Feed().View().Posts == 2 })
	await(t, s, "connected again", is(s, session.Connected))
	if note := s.Link().Note; !strings.Contains(note, "replayed") {
		t.Errorf("back, it says %q", note)
	}

	srv.Lose(5)
	srv.Drop()
	await(t, s, "a gap", func() bool { return len(s.Feed().View().Rows) == 3 })
}

func TestAnExpiredSessionNeedsALogInAndGoesOn(t *testing.T) {
	t.Parallel()
	srv, s := open(t, false)
	if err := s.Login(t.Context(), "vera", "vera"); err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	await(t, s, "connected", is(s, session.Connected))
	srv.ExpireAll()
	srv.CloseWith(wire.CloseToken, "")
	await(t, s, "logged out", is(s, session.LoggedOut))
	if l := s.Link(); !strings.Contains(l.Reason, "log in again") {
		t.Errorf("the reason is %q", l.Reason)
	}
	srv.Publish(clienttest.Post(1))
	if err := s.Login(t.Context(), "vera", "vera"); err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	await(t, s, "what was missed", func() bool { return s.Feed().View().Posts == 1 })
}

func TestHostileTextIsCleanBeforeItIsKept(t *testing.T) {
	t.Parallel()
	srv, s := open(t, false)
	p := clienttest.Post(1)
	evil := "\x1b]0;owned\x07\u202e\u009b2J" + strings.Repeat("Z\u0300\u0300\u0300", 30_000)
	p.Title, p.Author, p.Subreddit, p.URL, p.Permalink, p.State, p.Flair = evil, evil, evil, evil, evil, evil, &evil
	p.Trend = &pulse.Trend{Reason: evil}
	srv.Publish(p)
	srv.PutSubreddit(wire.Subreddit{Name: evil, Priority: evil, AddedBy: evil,
		Status: wire.SubredditStatus{State: evil, LastError: evil, LastGap: &wire.Gap{Reason: evil}}})
	if err := s.Login(t.Context(), "olga", "olga"); err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	await(t, s, "the post", func() bool { return s.Feed().View().Posts == 1 })
	got := s.Feed().View().Rows[0].Post
	list, err := s.Subreddits(t.Context())
	if err != nil || len(list.Results) != 1 {
		t.Fatalf("rows: %v, %v", list, err)
	}
	r := list.Results[0]
	for i, text := range []string{
		got.Title, got.Author, got.Subreddit, got.URL, got.Permalink, got.State, got.Flair, got.Trend,
		r.Name, r.Priority, r.AddedBy, r.Status.State, r.Status.LastError, r.Status.LastGap.Reason,
	} {
		if len(text) > 8000 || strings.ContainsFunc(text, unicode.IsControl) || strings.ContainsRune(text, '\u202e') {
			t.Errorf("text %d is %.60q of %d bytes", i, text, len(text))
		}
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	t.Parallel()
	srv, s := open(t, true)
	if err := s.Login(t.Context(), "admin", "admin"); err != nil {
		t.Fatal(err)
	}
	srv.PutSubreddit(wire.Subreddit{Name: "politics", Version: 1})
	_, addErr := s.Add(t.Context(), wire.NewSubreddit{Name: "news"})
	_, editErr := s.Edit(t.Context(), "politics", 1, wire.SubredditChange{})
	for _, err := range []error{addErr, editErr, s.Remove(t.Context(), "politics", 1)} {
		if pulse.CodeOf(err) != pulse.Forbidden {
			t.Errorf("a change gave %v", err)
		}
	}
	if n := srv.Calls("POST /api/subreddits/") + srv.Calls("PATCH /api/subreddits/politics/") +
		srv.Calls("DELETE /api/subreddits/politics/"); n != 0 {
		t.Errorf("%d changes reached the server", n)
	}
}

func TestWordsOfErrors(t *testing.T) {
	t.Parallel()
	srv, s := open(t, false)
	if got := session.Words(s.Login(t.Context(), "vera", "no")); got != "the server says: no active account with these credentials" {
		t.Errorf("a refusal is %q", got)
	}
	srv.Close()
	if got, want := session.Words(s.Login(t.Context(), "vera", "vera")), "no answer from "+srv.URL+": "; !strings.HasPrefix(got, want) {
		t.Errorf("no server is %q, want %s…", got, want)
	}
	if got := session.Words(context.Canceled); got != "context canceled" {
		t.Errorf("any error is %q", got)
	}
}

func TestNewsComeAtABearableRate(t *testing.T) {
	t.Parallel()
	srv, s := open(t, false)
	if err := s.Login(t.Context(), "vera", "vera"); err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	await(t, s, "connected", is(s, session.Connected))
	began, n := time.Now(), 0
	go func() {
		for i := range 1000 {
			srv.Publish(clienttest.Post(i))
		}
	}()
	await(t, s, "all posts", func() bool { n++; return s.Feed().View().Posts == 1000 })
	if most := int(time.Since(began)/(100*time.Millisecond)) + 3; n > most {
		t.Errorf("%d news in %s, want at most %d", n, time.Since(began), most)
	}
}

func TestAPanicInTheSessionIsReported(t *testing.T) {
	t.Parallel()
	told := make(chan error, 8)
	s := session.New(session.Config{Panicked: func(err error) { told <- err }}) // no client: any use panics
	s.Start(t.Context())
	select {
	case err := <-told:
		if !strings.Contains(err.Error(), "panic") {
			t.Errorf("told %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nobody was told")
	}
	s.Stop()
}
