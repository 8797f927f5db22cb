package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"dev.redditpulse/shared/pulse"
)

func socketDoc() huma.Operation {
	text := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	subreddit := &huma.Param{
		Name: "subreddit", In: "query", Description: "any of these; repeat it for more than one",
		Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}},
	}
	number := func(name, kind, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: kind}}
	}
	return huma.Operation{
		OperationID: "feed", Summary: "The live feed, over a WebSocket",
		Parameters: []*huma.Param{
			subreddit,
			number("min_score", huma.TypeInteger, "points"),
			number("min_velocity", huma.TypeNumber, "points per minute"),
			number("trending", huma.TypeBoolean, "true: only posts that trend"),
			text("q", "all of these words in the title"),
			text("epoch", "of the last frame seen, to resume"),
			number("after", huma.TypeInteger, "the last number seen, to resume"),
		},
		Responses: map[string]*huma.Response{
			"101": {Description: http.StatusText(http.StatusSwitchingProtocols)},
			"426": {Description: http.StatusText(http.StatusUpgradeRequired)},
		},
	}
}

// serveSocket hands an admitted request over to the feed.
func (s *server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !isUpgrade(r) {
		p := fail(http.StatusUpgradeRequired, pulse.Invalid, "this path is a WebSocket: connect to it with a WebSocket client")
		p.header.Set("Upgrade", "websocket")
		p.header.Set("Connection", "Upgrade")
		s.writeProblem(w, r, p)
		return
	}
	s.Feed.ServeWS(w, r, identity(r.Context()))
}
