package redditsim

import (
	"compress/gzip"
	"net/http"
	"net/url"
	"strconv"
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
	uriTooLong   = recorded{
		status: 414,
		header: [][2]string{{"Content-Type", "text/plain; charset=UTF-8"}, {"Retry-After", "0"}},
		body:   []byte("Error: URI Too Long"),
	}
	blocked = recorded{
		status: 429,
		header: [][2]string{{"Content-Type", "text/html; charset=UTF-8"}},
		body: []byte(`<!doctype html>
<html>
  <head><title>Blocked</title></head>
  <body>
    <h1>whoa there, pardner!</h1>
    <p>Requests without a User-Agent of their own are not answered here.</p>
  </body>
</html>
`),
	}
)

// write sends the answer, compressed for those who can read that, as Reddit
// does.
func (a recorded) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for _, kv := range a.header {
		h.Set(kv[0], kv[1])
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // else a guess would be sent
	}
	const worth = 1 << 10
	if len(a.body) < worth || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
		return
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Vary", "Accept-Encoding")
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
	_, _ = z.Write(a.body)
	z.Close()
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
