package app

import (
	"testing"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
)

// offline is a model with posts and no server: its commands are never run.
func offline(t testing.TB, count int, st start) *Model {
	t.Helper()
	api, err := client.New(client.Config{BaseURL: "http://127.0.0.1:9"})
	if err != nil {
		t.Fatal(err)
	}
	s := session.New(session.Config{Client: api, Now: now})
	var posts []wire.Post
	for i := range count {
		posts = append(posts, clienttest.Post(i))
	}
	s.Feed().Put(posts)
	m := newModel(t.Context(), theme.New(true), s, st)
	m.at = onFeed
	m.feed.Refresh()
	return m
}
