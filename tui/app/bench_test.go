package app

import (
	"testing"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
	"dev.redditpulse/tui/theme"
)

// benchModel is a feed of 10,000 posts without a server.
func benchModel(b *testing.B) *Model {
	b.Helper()
	api, err := client.New(client.Config{BaseURL: "http://127.0.0.1:9"})
	if err != nil {
		b.Fatal(err)
	}
	s := session.New(session.Config{Client: api, Now: now})
	var posts []wire.Post
	for i := range session.MaxPosts {
		posts = append(posts, clienttest.Post(i))
	}
	s.Feed().Put(posts)
	m := newModel(b.Context(), theme.New(true), s, start{now: now})
	m.at = onFeed
	m.feed.Refresh()
	return m
}
