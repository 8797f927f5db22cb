package reddit

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/wire"
)

func TestEveryRecordedCommunityIsReadWhole(t *testing.T) {
	t.Parallel()
	recordedBody(t, "index.json")
	sim := newSim(t, redditsim.Config{Replay: recordedDir, RequestsPerWindow: 10_000})
	client := newClient(t, serve(t, sim), nil)
	seen := map[string]bool{}
	for _, name := range sim.Subreddits() {
		for after := ""; ; {
			page, err := client.Newest(t.Context(), name, 100, after)
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

func TestRecordedTokenAnswersAreRead(t *testing.T) {
	t.Parallel()
	var index []struct {
		File, Kind string
		Status     int
	}
	if err := json.Unmarshal([]byte(recordedBody(t, "index.json")), &index); err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, e := range index {
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
