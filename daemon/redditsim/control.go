package redditsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// controlPath is where the simulator is spoken to as such, without a token and
// without being counted.
const controlPath = "/__sim/"

// maxTruths bounds the posts of one answer about the truth.
const maxTruths = 100_000

const controlHelp = `The simulated Reddit, beside what Reddit answers:

GET    /__sim/           this page
GET    /__sim/truth      every post made in a span, with what became of it, as NDJSON:
                         ?subreddit=NAME (repeatable; all to begin with when left out)
                         &from=RFC3339 &to=RFC3339 (the last hour when left out)
GET    /__sim/requests   how the limit was used, by application
GET    /__sim/faults     the injected faults and how often each struck
POST   /__sim/faults     inject some: [{"kind": "503", "share": 0.2, "for": "10m"}]
DELETE /__sim/faults     end them all

Faults: kind, and if wanted path (how it begins), subreddit, share (0 to 1), count, for
("10m", on the simulator's clock), takes ("20s", slow and hang), used (unknown_used).
Kinds:
`

// control answers a request to the simulator itself.
func (s *Server) control(r *http.Request, now time.Time) reply {
	route := r.Method + " " + strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/__sim")
	switch strings.Replace(route, "HEAD ", "GET ", 1) {
	case "GET ":
		return plainText(controlHelp + FaultKinds() + "\nIt is now " + now.UTC().Format(time.RFC3339) + ".\n")
	case "GET /truth":
		return s.serveTruth(r.URL.Query(), now)
	case "GET /requests":
		return controlJSON(200, map[string]any{"now": now.UTC(), "applications": s.Usage()})
	case "GET /faults":
		return s.serveFaults()
	case "POST /faults":
		return s.serveInject(r)
	case "DELETE /faults":
		s.Clear()
		return s.serveFaults()
	}
	return controlError(http.StatusNotFound, fmt.Errorf("no such thing: GET %s says what there is", controlPath))
}

func (s *Server) serveInject(r *http.Request) reply {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxFaultBody))
	if err != nil {
		return controlError(http.StatusBadRequest, fmt.Errorf("read faults of at most %d bytes: %w", maxFaultBody, err))
	}
	list, err := parseFaults(body)
	if err == nil {
		err = s.inject(list)
	}
	if err != nil {
		return controlError(http.StatusBadRequest, err)
	}
	return s.serveFaults()
}

// faultJSON is a fault as it is read, and what it has done.
type faultJSON struct {
	ID        int        `json:"id"`
	Kind      string     `json:"kind"`
	Path      string     `json:"path,omitempty"`
	Subreddit string     `json:"subreddit,omitempty"`
	Share     float64    `json:"share"`
	Count     int        `json:"count,omitempty"`
	For       string     `json:"for,omitempty"`
	Takes     string     `json:"takes,omitempty"`
	Used      int        `json:"used,omitempty"`
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until"`
	Struck    int        `json:"struck"`
	Over      bool       `json:"over"`
}

func (s *Server) serveFaults() reply {
	list := []faultJSON{}
	for _, f := range s.Faults() {
		j := faultJSON{
			ID: f.ID, Kind: f.Kind, Path: f.Path, Subreddit: f.Subreddit, Share: f.Share, Count: f.Count, Used: f.Used,
			Since: f.Since, Struck: f.Struck, Over: f.Over,
		}
		if f.For > 0 {
			j.For, j.Until = f.For.String(), &f.Until
		}
		if f.Takes > 0 {
			j.Takes = f.Takes.String()
		}
		list = append(list, j)
	}
	return controlJSON(200, list)
}

// serveTruth answers with one post a line.
func (s *Server) serveTruth(query url.Values, now time.Time) reply {
	names, from, to, err := s.truthAsked(query, now)
	if err != nil {
		return controlError(http.StatusBadRequest, err)
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	n := 0
	s.truth(names, from, to, func(t Truth) bool {
		if n++; n > maxTruths {
			return false
		}
		err = enc.Encode(t)
		return err == nil
	})
	if n > maxTruths {
		err = pulse.InvalidField("to", "more than %d posts, want a shorter span or fewer subreddits", maxTruths)
	}
	if err != nil {
		return controlError(http.StatusBadRequest, err)
	}
	return recorded{status: 200, header: [][2]string{{"Content-Type", "application/x-ndjson"}}, body: lines.Bytes()}.reply()
}

func (s *Server) truthAsked(query url.Values, now time.Time) (names []string, from, to time.Time, err error) {
	for key := range query {
		if key != "subreddit" && key != "from" && key != "to" {
			return nil, from, to, pulse.InvalidField(clip(key), "unknown parameter, want subreddit, from or to")
		}
	}
	names = query["subreddit"]
	for _, name := range names {
		if !validName.MatchString(name) {
			return nil, from, to, pulse.InvalidField("subreddit", "%q is no name of a community", clip(name))
		}
	}
	if len(names) == 0 {
		names = s.Subreddits()
	}
	if to, err = moment(query, "to", now); err != nil {
		return nil, from, to, err
	}
	if from, err = moment(query, "from", to.Add(-time.Hour)); err != nil {
		return nil, from, to, err
	}
	return names, from, to, nil
}

func moment(query url.Values, key string, usual time.Time) (time.Time, error) {
	text := query.Get(key)
	if text == "" {
		return usual, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return t, pulse.InvalidField(key, "want a moment like 2026-05-04T12:00:00Z, got %q", clip(text))
	}
	return t, nil
}

func plainText(text string) reply {
	return recorded{status: 200, header: [][2]string{{"Content-Type", "text/plain; charset=UTF-8"}}, body: []byte(text)}.reply()
}

func controlJSON(status int, v any) reply {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return internal.reply()
	}
	return recorded{status: status, header: [][2]string{{"Content-Type", jsonType}}, body: append(body, '\n')}.reply()
}

func controlError(status int, err error) reply {
	return controlJSON(status, map[string]string{"error": err.Error()})
}
