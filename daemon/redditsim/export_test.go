package redditsim

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"time"
)

// SetClock makes the server live at a moment of the test's choice.
func (s *Server) SetClock(now func() time.Time) { s.now = now }

// Things gives the tests the finder of recorded posts.
func Things(body []byte) [][]byte { return things(body) }

// Titles makes n titles of each topic.
func Titles(n int) map[string][]string {
	rng := rand.New(rand.NewPCG(1, 2))
	made := map[string][]string{}
	for topic, g := range topics {
		for range n {
			made[topic] = append(made[topic], g.title(rng))
		}
	}
	return made
}

// Catalogue gives the names and topics of the well-known communities.
func Catalogue() map[string]string {
	found := map[string]string{}
	for _, e := range catalogue {
		found[e.name] = e.topic
	}
	return found
}

// Answer makes the answer to a request for a listing, without HTTP around it.
func (s *Server) Answer(r *http.Request) int {
	rec := httptest.NewRecorder()
	s.route(rec, r, s.now())
	return rec.Body.Len()
}
