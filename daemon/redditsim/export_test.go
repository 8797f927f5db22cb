package redditsim

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
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

// Answer gives the size of the answer to a request for a listing, without token
// and HTTP around it.
func (s *Server) Answer(r *http.Request) int {
	return len(s.route(r, s.now(), nil).body)
}

// ParseFaults gives the tests the reader of injected faults.
func ParseFaults(body []byte) ([]Fault, error) { return parseFaults(body) }

// Visible tells whether a listing should have the post at a moment.
func (t Truth) Visible(at time.Time) bool {
	return !t.VisibleFrom.IsZero() && !at.Before(t.VisibleFrom) && (t.GoneAt.IsZero() || at.Before(t.GoneAt))
}

// MadeAt is when the post of a synthetic world was made.
func MadeAt(id string) time.Time {
	n, err := strconv.ParseUint(strings.TrimPrefix(id, "t3_"), 36, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(n>>codeBits) + founded)
}
