package db_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

func politics() pulse.Subreddit {
	return pulse.Subreddit{Name: "politics", IntervalSeconds: 90, Priority: pulse.Fast, IsActive: true, AddedBy: "admin"}
}

func TestSubredditsAreAddedEditedAndRemovedByVersion(t *testing.T) {
	t.Parallel()
	d := open(t)
	added, err := d.AddSubreddit(t.Context(), politics())
	if err != nil || added.Version != 1 || added.Status.State != pulse.Pending {
		t.Fatalf("added %+v, %v", added, err)
	}
	same := politics()
	same.Name = "Politics"
	if current, err := d.AddSubreddit(t.Context(), same); pulse.CodeOf(err) != pulse.Conflict || current.Name != "politics" {
		t.Errorf("a second one gives %+v, %v, want a conflict with the first", current, err)
	}
	interval, off := 30, false
	edited, err := d.EditSubreddit(t.Context(), "POLITICS", 1, pulse.SubredditChange{IntervalSeconds: &interval})
	if err != nil || edited.Version != 2 || edited.IntervalSeconds != 30 || edited.Priority != pulse.Fast {
		t.Fatalf("edited %+v, %v", edited, err)
	}
	current, err := d.EditSubreddit(t.Context(), "politics", 1, pulse.SubredditChange{IsActive: &off})
	if pulse.CodeOf(err) != pulse.Conflict || current.Version != 2 || !current.IsActive {
		t.Errorf("an edit of an old version gives %+v, %v, want a conflict with the row", current, err)
	}
	if err := d.RemoveSubreddit(t.Context(), "politics", 1); pulse.CodeOf(err) != pulse.Conflict {
		t.Errorf("removing an old version gives %v, want a conflict", err)
	}
	if err := d.RemoveSubreddit(t.Context(), "politics", 0); err != nil {
		t.Error(err)
	}
	if err := d.RemoveSubreddit(t.Context(), "politics", 0); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("removing it again gives %v, want not found", err)
	}
	if _, err := d.EditSubreddit(t.Context(), "politics", 0, pulse.SubredditChange{}); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("editing it gives %v, want not found", err)
	}
}

func TestTheSchemaRefusesABadRow(t *testing.T) {
	t.Parallel()
	d := open(t)
	short := politics()
	short.IntervalSeconds = 9
	if _, err := d.AddSubreddit(t.Context(), short); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
}

func TestEveryChangeOfASubredditNotifies(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	d := openAt(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var news atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.WatchSubreddits(ctx, func() { news.Add(1) })
	}()
	defer func() { cancel(); <-done }()
	eventually(t, "listening", func() bool { return news.Load() == 1 })
	for i, statement := range []string{
		"insert into subreddit_config (name) values ('politics')",
		"update subreddit_config set interval_seconds = 30",
		"delete from subreddit_config",
	} {
		execute(t, c, statement)
		eventually(t, statement, func() bool { return news.Load() == int64(i+2) })
	}
}

func TestUsersAndTheirSessions(t *testing.T) {
	t.Parallel()
	d := open(t)
	u, err := d.AddUser(t.Context(), "Ada", pulse.Operator, "hash")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddUser(t.Context(), "ada", pulse.Viewer, "hash"); pulse.CodeOf(err) != pulse.Conflict {
		t.Errorf("the same name gives %v, want a conflict", err)
	}
	if got, err := d.UserByName(t.Context(), "ADA"); err != nil || got.ID != u.ID || got.Role != pulse.Operator {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := d.UserByName(t.Context(), "bob"); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("got %v, want not found", err)
	}
	at := time.Now().UTC().Truncate(time.Millisecond)
	token := pulse.RefreshToken{Hash: []byte("1"), Family: "f", UserID: u.ID, IssuedAt: at, ExpiresAt: at.Add(time.Hour)}
	if err := d.InsertRefresh(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := d.SetPassword(t.Context(), "ada", "other"); err != nil {
		t.Fatal(err)
	}
	if ended, err := d.FamilyRevoked(t.Context(), "f"); err != nil || !ended {
		t.Errorf("the session lives on after a change of password: %v %v", ended, err)
	}
	if err := d.SetActive(t.Context(), "bob", false); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("got %v, want not found", err)
	}
}

func TestOfManyRefreshesOneWins(t *testing.T) {
	t.Parallel()
	d := open(t)
	u, err := d.AddUser(t.Context(), "ada", pulse.Viewer, strings.Repeat("h", 10))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC().Truncate(time.Millisecond)
	token := pulse.RefreshToken{Hash: []byte("first"), Family: "f", UserID: u.ID, IssuedAt: at, ExpiresAt: at.Add(time.Hour)}
	if err := d.InsertRefresh(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	next := token
	next.Hash = []byte("second")
	var winners atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			prev, won, err := d.UseRefresh(context.Background(), token.Hash, at, next)
			if err != nil || prev.UsedAt == nil || !prev.UsedAt.Equal(at) {
				t.Errorf("prev %+v, %v", prev, err)
			}
			if won {
				winners.Add(1)
			}
		})
	}
	all.Wait()
	if winners.Load() != 1 {
		t.Errorf("%d won, want 1", winners.Load())
	}
	if _, _, err := d.UseRefresh(t.Context(), []byte("unknown"), at, next); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("got %v, want not found", err)
	}
	if err := d.RemoveExpiredTokens(t.Context(), at.Add(2*time.Hour)); err != nil {
		t.Error(err)
	}
	if ended, _ := d.FamilyRevoked(t.Context(), "f"); !ended {
		t.Error("expired tokens are still there")
	}
}
