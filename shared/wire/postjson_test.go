package wire

import (
	"bytes"
	"math"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
)

// FuzzEncodePost holds the hand-written form against encoding/json.
func FuzzEncodePost(f *testing.F) {
	f.Add("t3_a", "a \"title\" \\ \x00 \u2028 \xff <b>", "flair", int64(1), 0.5, int64(1_700_000_000_123), true)
	f.Add("", "", "", int64(math.MinInt64), 1e21, int64(-1), false)
	f.Add("t3_b", "ärger", "x", int64(math.MaxInt64), 1e-7, int64(0), true)
	f.Add("t3_c", "t", "", int64(0), math.NaN(), int64(math.MaxInt64), false)
	f.Fuzz(func(t *testing.T, id, title, flair string, n int64, x float64, ms int64, set bool) {
		p := pulse.Post{Observation: pulse.Observation{
			PostID: id, Title: title, Author: flair, Subreddit: id, URL: title, Permalink: id,
			IsSelf: set, Over18: !set, CreatedAt: time.UnixMilli(ms), ObservedAt: time.UnixMilli(ms / 7),
			Score: n, NumComments: -n, State: pulse.State(flair),
		}}
		if set {
			seq := uint64(n)
			p.Flair, p.UpvoteRatio, p.Velocity, p.CommentVelocity, p.Sentiment, p.Seq = &flair, &x, &x, &x, &x, &seq
			p.Trend = &pulse.Trend{Score: 1, Reason: title, Since: p.ObservedAt}
		}
		want, wantErr := marshal(FromPost(&p))
		got, err := EncodePost(&p)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func BenchmarkEncodePost(b *testing.B) {
	ratio, velocity := 0.97, 34.25
	p := pulse.Post{Observation: pulse.Observation{
		PostID: "t3_1abcde", Subreddit: "golang", Title: "A title of ordinary length for a post of some subreddit",
		Author: "gopher", URL: "https://example.org/a/page", Permalink: "/r/golang/comments/1abcde/a_title/",
		CreatedAt: time.UnixMilli(1_700_000_000_000), ObservedAt: time.UnixMilli(1_700_000_100_123),
		Score: 123, NumComments: 45, UpvoteRatio: &ratio, State: pulse.Live,
	}, Velocity: &velocity, CommentVelocity: &velocity, Sentiment: &ratio}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodePost(&p); err != nil {
			b.Fatal(err)
		}
	}
}
