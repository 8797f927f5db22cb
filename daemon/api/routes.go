package api

import (
	"net/http"

	"dev.redditpulse/shared/pulse"
)

// anyone marks a route that needs no token.
const anyone pulse.Role = ""

// route is one entry of the surface.
type route struct {
	method string
	path   string     // as in the OpenAPI document; served with and without the last slash
	role   pulse.Role // the least that may; anyone: open
	mount  mount      // adds the handler and its documentation
}

type mount func(s *server, r route)

// routes is the whole surface: nothing else is reachable. HEAD is served
// wherever GET is, OPTIONS everywhere.
func (s *server) routes() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		viewer, operator = pulse.Viewer, pulse.Operator
	)
	return []route{
		{post, "/api/token/", anyone, operation("logIn", "Log in", s.logIn)},
		{post, "/api/token/refresh/", anyone, operation("refresh", "Exchange a refresh token", s.refresh)},
		{post, "/api/token/verify/", anyone, operation("verify", "Check an access token", s.verify)},
		{post, "/api/token/revoke/", anyone, operation("revoke", "Log out: end a refresh token's family", s.revoke)},

		{get, "/api/health/", anyone, plain(s.healthDoc(), s.serveHealth)},
		{get, "/api/openapi.json", anyone, plain(specDoc(), s.serveSpec)},

		{get, "/api/posts/", viewer, operation("listPosts", "Posts, filtered and ordered", s.listPosts)},
		{get, "/api/posts/{id}/", viewer, operation("getPost", "One post", s.getPost)},
		{get, "/api/posts/{id}/history/", viewer, operation("postHistory", "A post's readings, oldest first", s.postHistory)},
		{get, "/api/stats/", viewer, operation("stats", "What is stored, counted", s.stats)},

		{get, "/api/subreddits/", viewer, operation("listSubreddits", "The configured subreddits", s.listSubreddits)},
		{post, "/api/subreddits/", operator, operation("addSubreddit", "Add a subreddit", s.addSubreddit, answers(http.StatusCreated))},
		{post, "/api/subreddits/preview/", viewer, operation("previewSubreddits", "What changes would do to the request budget", s.previewSubreddits, takes(maxPreviewBody))},
		{get, "/api/subreddits/{name}/", viewer, operation("getSubreddit", "One subreddit", s.getSubreddit)},
		{put, "/api/subreddits/{name}/", operator, operation("replaceSubreddit", "Set all settings of a subreddit", s.replaceSubreddit)},
		{patch, "/api/subreddits/{name}/", operator, operation("changeSubreddit", "Set some settings of a subreddit", s.changeSubreddit)},
		{del, "/api/subreddits/{name}/", operator, operation("removeSubreddit", "Stop watching a subreddit", s.removeSubreddit)},
		{get, "/api/subreddits/{name}/gaps/", viewer, operation("listGaps", "Where posts of a subreddit may be missing, newest first", s.listGaps)},

		{get, "/api/dead-letters/", operator, operation("listDeadLetters", "Records that could not be stored, last failures first", s.listDeadLetters)},
		{get, "/api/dead-letters/{id}/", operator, operation("getDeadLetter", "One of them with its bytes", s.getDeadLetter)},
		{post, "/api/dead-letters/replay/", operator, operation("replayDeadLetters", "Send dead letters again", s.replayDeadLetters, takes(maxDeadBody))},
		{post, "/api/dead-letters/discard/", operator, operation("discardDeadLetters", "Give dead letters up", s.discardDeadLetters, takes(maxDeadBody))},

		{get, "/ws/posts/", viewer, plain(socketDoc(), s.serveSocket)},
	}
}
