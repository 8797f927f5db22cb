package reddit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

var (
	now  = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	seen = now.Add(-1234 * time.Millisecond)
)

// decode reads a page and checks what holds for every page.
func decode(t testing.TB, body []byte) (pulse.ListingPage, error) {
	t.Helper()
	page, err := decodeListing(body, "new", seen, now)
	if err != nil && (len(page.Observations) > 0 || page.Skipped > 0) {
		t.Errorf("a page with an error has %d posts", len(page.Observations))
	}
	for _, o := range page.Observations {
		got, err := wire.DecodeObservation(wire.EncodeObservation(&o), now)
		if err != nil {
			t.Errorf("the pipeline would refuse %+v: %v", o, err)
		} else if !reflect.DeepEqual(got, o) {
			t.Errorf("on the wire it changes: got %+v, want %+v", got, o)
		}
	}
	if page.After != "" && !wire.ValidPostID(page.After) {
		t.Errorf("after is %q", page.After)
	}
	return page, err
}

// recordedListings are the recorded bodies that are one listing, with the
// number of posts that the index counts in each.
func recordedListings(t testing.TB) map[string]int {
	t.Helper()
	var index []struct {
		File, Kind, Body string
		N                int `json:"n_t3"`
	}
	if err := json.Unmarshal([]byte(recordedBody(t, "index.json")), &index); err != nil {
		t.Fatal(err)
	}
	plain := []string{
		"best", "controversial", "front", "hot", "info", "info_url", "new", "new_before", "rising", "search", "top",
	}
	found := map[string]int{}
	for _, e := range index {
		if slices.Contains(plain, e.Kind) {
			found[e.File] = e.N
		}
	}
	return found
}

func TestRecordedListingsDecodeWhole(t *testing.T) {
	t.Parallel()
	listings := recordedListings(t)
	total := 0
	for file, n := range listings {
		got, err := decode(t, []byte(recordedBody(t, file)))
		if err != nil || got.Skipped != 0 {
			t.Errorf("%s: %d skipped, %v", file, got.Skipped, err)
		}
		if len(got.Observations) != n {
			t.Errorf("%s: %d posts, the index says %d", file, len(got.Observations), n)
		}
		total += n
	}
	if len(listings) < 46 || total < 3355 {
		t.Errorf("only %d listings with %d posts", len(listings), total)
	}
}

func TestNoRecordedBodyIsTrouble(t *testing.T) {
	t.Parallel()
	recordedBody(t, "index.json")
	files, err := filepath.Glob(recordedDir + "/*.*")
	if err != nil {
		t.Fatal(err)
	}
	posts := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(t, body); err == nil {
			posts += len(got.Observations)
			if got.Skipped > 0 {
				t.Errorf("%s: %d skipped", file, got.Skipped)
			}
		}
	}
	if posts < 3300 {
		t.Errorf("only %d posts", posts)
	}
}

func BenchmarkListing(b *testing.B) {
	for _, file := range []string{
		"new__r_askreddit_new__asyncpraw_2020.json", "hot__r_popular_hot__praw_2026.json",
	} {
		b.Run(strings.TrimSuffix(file, ".json"), func(b *testing.B) {
			body := []byte(recordedBody(b, file))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if got, err := decodeListing(body, "new", seen, now); err != nil || len(got.Observations) != 100 {
					b.Fatal(len(got.Observations), err)
				}
			}
		})
	}
}
