package redditsim

import (
	"net/http"
	"net/url"
	"strings"
)

// recorded is a whole answer: one that was recorded, or one of the fixed ones
// below.
type recorded struct {
	status int
	header [][2]string
	body   []byte
}

const jsonType = "application/json; charset=UTF-8"

func jsonAnswer(status int, body string) recorded {
	return recorded{status: status, header: [][2]string{{"Content-Type", jsonType}}, body: []byte(body)}
}

// Answers that are always the same.
var (
	badRequest   = jsonAnswer(400, `{"message": "Bad Request", "error": 400}`)
	unauthorized = jsonAnswer(401, `{"message": "Unauthorized", "error": 401}`)
	notFound     = jsonAnswer(404, `{"message": "Not Found", "error": 404}`)
	tooMany      = jsonAnswer(429, `{"message": "Too Many Requests", "error": 429}`)
	internal     = jsonAnswer(500, `{"message": "Internal Server Error", "error": 500}`)
	uriTooLong   = recorded{
		status: 414,
		header: [][2]string{{"Content-Type", "text/plain; charset=UTF-8"}, {"Retry-After", "0"}},
		body:   []byte("Error: URI Too Long"),
	}
	blocked   = htmlAnswer(429, "Requests without a User-Agent of their own are not answered here.")
	forbidden = htmlAnswer(403, "Requests from this network are not answered here.")
)

// htmlAnswer is the page for those who are not let in at all.
func htmlAnswer(status int, why string) recorded {
	return recorded{
		status: status, header: [][2]string{{"Content-Type", "text/html; charset=UTF-8"}},
		body: []byte(`<!doctype html>
<html>
  <head><title>Blocked</title></head>
  <body>
    <h1>whoa there, pardner!</h1>
    <p>` + why + `</p>
  </body>
</html>
`),
	}
}

// reply is the answer with headers of its own, to which more may be added.
func (a recorded) reply() reply {
	h := make(http.Header, 8)
	for _, kv := range a.header {
		h.Set(kv[0], kv[1])
	}
	return reply{status: a.status, header: h, body: a.body}
}

// standing is how a community stands with those who ask for it.
type standing int

const (
	open standing = iota
	private
	quarantined
	gated
	banned
	missing
)

// refusals are the answers for communities that are not open; the missing ones
// are redirected.
var refusals = map[standing]recorded{
	private: jsonAnswer(403, `{"reason": "private", "message": "Forbidden", "error": 403}`),
	quarantined: jsonAnswer(403, `{"reason": "quarantined", "quarantine_message": "This community is quarantined.", `+
		`"quarantine_message_html": "\u003Cp\u003EThis community is quarantined.\u003C/p\u003E", "message": "Forbidden", "error": 403}`),
	gated: jsonAnswer(403, `{"reason": "gated", "interstitial_warning_message": "Think before you enter.", `+
		`"interstitial_warning_message_html": "\u003Cp\u003EThink before you enter.\u003C/p\u003E", "message": "Forbidden", "error": 403}`),
	banned: jsonAnswer(404, `{"reason": "banned", "message": "Not Found", "error": 404}`),
}

// standingOf reads how a community is to stand from its name: private_x,
// quarantined_x, gated_x, banned_x and missing_x are there to be tried.
func standingOf(name string) standing {
	prefix, _, ok := strings.Cut(strings.ToLower(name), "_")
	if !ok {
		return open
	}
	switch prefix {
	case "private":
		return private
	case "quarantined":
		return quarantined
	case "gated":
		return gated
	case "banned":
		return banned
	case "missing":
		return missing
	}
	return open
}

// toSearch is the answer for a valid name that no community has.
func toSearch(name string) recorded {
	return recorded{status: http.StatusFound, header: [][2]string{
		{"Location", "https://www.reddit.com/subreddits/search?q=" + url.QueryEscape(name)},
		{"Content-Type", "text/html; charset=UTF-8"},
	}}
}
