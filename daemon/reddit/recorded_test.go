package reddit

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestEveryRecordedCommunityIsReadWhole(t *testing.T) {
	t.Parallel()
	recordedBody(t, "index.json")
	sim := newSim(t, redditsim.Config{Replay: recordedDir, RequestsPerWindow: 1_000_000})
	client := newClient(t, serve(t, sim), nil)
	seen := map[string]bool{}
	for _, name := range sim.Subreddits() {
		for after := ""; ; {
			page, err := client.Newest(t.Context(), pulse.ListingQuery{Subreddits: []string{name}, Limit: 100, After: after})
			if err != nil || page.Skipped > 0 {
				t.Fatalf("r/%s: %d skipped, %v", name, page.Skipped, err)
			}
			for _, o := range page.Observations {
				if seen[o.PostID] || !strings.EqualFold(o.Subreddit, name) {
					t.Errorf("r/%s: %s of r/%s, seen before: %v", name, o.PostID, o.Subreddit, seen[o.PostID])
				}
				seen[o.PostID] = true
				if _, err := wire.DecodeObservation(wire.EncodeObservation(&o), time.Now()); err != nil {
					t.Errorf("the pipeline would refuse %s: %v", o.PostID, err)
				}
			}
			if after = page.After; after == "" {
				break
			}
		}
	}
	if len(seen) != 3232 {
		t.Errorf("%d posts, want 3232", len(seen))
	}
}

// recording is a line of the recorded folder's index.
type recording struct {
	File, Kind string
	Status     int
	Headers    map[string]string
	N          int `json:"n_t3"`
}

func recordings(t *testing.T) []recording {
	t.Helper()
	var all []recording
	if err := json.Unmarshal([]byte(recordedBody(t, "index.json")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryRecordedAnswerIsUnderstood gives each to a client that asked for a
// listing, as it came: with its status and its headers.
func TestEveryRecordedAnswerIsUnderstood(t *testing.T) {
	t.Parallel()
	all := recordings(t)
	for _, r := range all {
		synctest.Test(t, func(t *testing.T) {
			today()
			headers := maps.Clone(r.Headers)
			for k := range headers {
				if strings.EqualFold(k, "content-length") || strings.EqualFold(k, "content-encoding") {
					delete(headers, k)
				}
			}
			client := newClient(t, "https://reddit.test", func(c *Config) {
				c.Transport = inProcess{script(r.Status, headers, recordedBody(t, r.File))}
			})
			page, err := client.Newest(t.Context(), newest("golang"))
			if fault := r.judge(page, err); fault != "" {
				t.Errorf("%s: %s: %d posts, %v", r.File, fault, len(page.Observations), err)
			}
			if used, _ := strconv.ParseFloat(headers["x-ratelimit-used"], 64); used > 0 && client.Window().Used != used {
				t.Errorf("%s: %+v, want %v used", r.File, client.Window(), used)
			}
		})
	}
	if len(all) < 100 {
		t.Errorf("only %d recordings", len(all))
	}
}

// judge says what is wrong with what became of a recorded answer, "" for nothing.
func (r recording) judge(page pulse.ListingPage, err error) string {
	var state interface{ PollState() pulse.PollState }
	var limited interface{ RetryAfter() time.Duration }
	plainList := slices.Contains([]string{"best", "controversial", "front", "hot", "info", "info_url", "new",
		"new_before", "rising", "search", "top", "t5_api", "t5_list_subreddits"}, r.Kind)
	switch {
	case errors.As(err, &state):
		if r.Status != 404 && state.PollState() != pulse.Quarantined {
			return "a state of no community"
		}
	case plainList && (err != nil || len(page.Observations) != r.N || page.Skipped != 0 || page.At.IsZero()):
		return "want " + strconv.Itoa(r.N) + " posts"
	case r.Status == 429 && (!errors.As(err, &limited) || limited.RetryAfter() < 4*time.Second):
		return "want a limit error"
	case r.Status == 404:
		return "want a state"
	case r.Status != 200 && err == nil:
		return "want an error"
	case (r.Status >= 500 || r.Status == 401) != outage(err) && r.Status != 429:
		return "an outage, or none"
	}
	return ""
}

func TestRecordedTokenAnswersAreRead(t *testing.T) {
	t.Parallel()
	read := 0
	for _, e := range recordings(t) {
		if e.Kind != "token" && e.Kind != "token_error" {
			continue
		}
		a := answer{status: e.Status, header: http.Header{}, body: []byte(recordedBody(t, e.File))}
		value, lasts, err := a.token()
		if good := e.Kind == "token"; good != (err == nil) {
			t.Errorf("%s: %v", e.File, err)
		} else if good && (value == "" || lasts != time.Hour && lasts != 24*time.Hour) {
			t.Errorf("%s: %q for %s", e.File, value, lasts)
		}
		read++
	}
	if read < 20 {
		t.Errorf("only %d recorded token answers", read)
	}
}
