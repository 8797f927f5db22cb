package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// recordings lies beside the project where it is worked on, not in it.
const recordings = "../../../shared/reddit-recorded"

// recordedPost is the fields of a recorded post that end up in posts.
type recordedPost struct {
	Name        string   `json:"name"`
	Subreddit   string   `json:"subreddit"`
	Title       string   `json:"title"`
	Author      string   `json:"author"`
	URL         string   `json:"url"`
	Permalink   string   `json:"permalink"`
	Flair       *string  `json:"link_flair_text"`
	IsSelf      bool     `json:"is_self"`
	Over18      bool     `json:"over_18"`
	CreatedUTC  float64  `json:"created_utc"`
	Score       int64    `json:"score"`
	NumComments int64    `json:"num_comments"`
	UpvoteRatio *float64 `json:"upvote_ratio"`
}

// Every recorded post goes the whole way, through the simulator's replay, the
// client that also talks to the real Reddit, Kafka and the database, and arrives
// with every field as it was recorded.
func TestEveryRecordedPostArrivesUnchanged(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs(recordings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no recordings here: %v", err) // they are no part of the project
	}
	want := readRecordings(t, dir)
	home := folder(t)
	sim := start(t, home, nil, "sim", "--listen", "127.0.0.1:0", "--replay", dir, "--requests-per-window", "1000000")
	url := sim.says(t, `answers at (http://\S+)`)
	s := up(t, home, []string{
		"PULSE_PROCESS_DROP_DELETED_TEXT=false", // every field is compared
		"PULSE_SCHEDULER_BACKFILL=175200h",      // the recordings are years old
		"PULSE_REDDIT_BASE_URL=" + url, "PULSE_REDDIT_TOKEN_URL=" + url + "/api/v1/access_token",
		"PULSE_REDDIT_CLIENT_ID=replay", "PULSE_REDDIT_CLIENT_SECRET=replay",
		"PULSE_REDDIT_USER_AGENT=linux:dev.redditpulse.e2e:v1 (by /u/pulse_simulator)",
		"PULSE_REDDIT_REQUESTS_PER_MINUTE=10000",
	})
	reachable := configureAll(t, s, want)
	eventually(t, "all recorded posts are stored", func() bool { return s.posts(t) >= int64(reachable) })

	differences := 0
	for id, recorded := range want {
		if pulse.CheckSubreddit(row(recorded.Subreddit)) != nil {
			continue
		}
		stored, err := s.api.Post(t.Context(), id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			differences++
			continue
		}
		if d := difference(recorded, stored); d != "" {
			t.Errorf("%s: %s", id, d)
			differences++
		}
	}
	t.Logf("%d distinct posts recorded, %d in communities that can be configured, %d stored, %d differences",
		len(want), reachable, s.posts(t), differences)
}

func row(name string) pulse.Subreddit {
	return pulse.Subreddit{Name: name, IntervalSeconds: 3600, Priority: pulse.Slow}
}

// configureAll adds every recorded community and gives how many posts they
// have together.
func configureAll(t *testing.T, s *system, want map[string]recordedPost) int {
	t.Helper()
	names := map[string]bool{}
	reachable := 0
	for _, p := range want {
		if pulse.CheckSubreddit(row(p.Subreddit)) == nil {
			names[p.Subreddit] = true
			reachable++
		}
	}
	interval, priority := 3600, "slow"
	for name := range names {
		_, err := s.api.AddSubreddit(t.Context(), wire.NewSubreddit{Name: name, IntervalSeconds: &interval, Priority: &priority})
		if err != nil && pulse.CodeOf(err) != pulse.Conflict { // spelt in two ways
			t.Fatalf("add %s: %v", name, err)
		}
	}
	return reachable
}

func difference(want recordedPost, got wire.Post) string {
	created := time.UnixMicro(int64(math.Round(want.CreatedUTC * 1e6)))
	pairs := []struct {
		field     string
		want, got any
	}{
		{"subreddit", want.Subreddit, got.Subreddit}, {"title", want.Title, got.Title},
		{"author", want.Author, got.Author}, {"url", want.URL, got.URL},
		{"permalink", want.Permalink, got.Permalink}, {"is_self", want.IsSelf, got.IsSelf},
		{"over_18", want.Over18, got.Over18}, {"score", want.Score, got.Score},
		{"num_comments", want.NumComments, got.NumComments},
		{"flair", deref(want.Flair), deref(got.Flair)},
		{"upvote_ratio", deref(want.UpvoteRatio), deref(got.UpvoteRatio)},
		{"created_at", created.UTC(), got.CreatedAt.UTC()},
	}
	for _, p := range pairs {
		if p.want != p.got {
			return fmt.Sprintf("%s is %v, recorded was %v", p.field, p.got, p.want)
		}
	}
	return ""
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// readRecordings gives each recorded post as it was recorded last: by the date
// of its answer, then the file's name, then its place in the file.
func readRecordings(t *testing.T, dir string) map[string]recordedPost {
	t.Helper()
	var index []struct {
		File    string            `json:"file"`
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	readJSON(t, filepath.Join(dir, "index.json"), &index)
	type version struct {
		at   time.Time
		file string
	}
	newest := map[string]version{}
	posts := map[string]recordedPost{}
	for _, entry := range index {
		if entry.Body != "json" {
			continue
		}
		at, _ := http.ParseTime(entry.Headers["date"])
		var body any
		readJSON(t, filepath.Join(dir, entry.File), &body)
		walk(body, func(data map[string]any) {
			text, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			var p recordedPost
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatalf("%s: %v", entry.File, err)
			}
			before, known := newest[p.Name]
			older := at.Before(before.at) || at.Equal(before.at) && entry.File < before.file
			if !known || !older {
				newest[p.Name], posts[p.Name] = version{at, entry.File}, p
			}
		})
	}
	return posts
}

// walk calls found for the data of every {"kind":"t3"}, in the file's order.
func walk(v any, found func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, child := range v {
			walk(child, found)
		}
	case map[string]any:
		if data, ok := v["data"].(map[string]any); ok && v["kind"] == "t3" {
			found(data)
		}
		for _, child := range v {
			walk(child, found)
		}
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
