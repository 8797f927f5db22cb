package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

var day = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func observation(n int, after time.Duration) pulse.Observation {
	return pulse.Observation{
		PostID: fmt.Sprintf("t3_imp%05d", n), ObservedAt: day.Add(after), Source: "import", Subreddit: "golang",
		Title: fmt.Sprintf("post %d", n), Author: "gopher", URL: "https://example.org", Permalink: "/r/golang/x",
		CreatedAt: day.Add(-time.Hour), Score: int64(n) + int64(after.Minutes())*100, State: pulse.Live,
	}
}

// quietSystem is a system that polls nothing: what is in it came by other doors.
func quietSystem(t testing.TB) *system {
	t.Helper()
	return up(t, folder(t), []string{
		"PULSE_REDDIT_CLIENT_ID=nobody", "PULSE_REDDIT_CLIENT_SECRET=nobody",
		"PULSE_REDDIT_USER_AGENT=linux:dev.redditpulse.e2e:v1 (by /u/pulse_simulator)",
		"PULSE_REDDIT_BASE_URL=http://127.0.0.1:1", "PULSE_REDDIT_TOKEN_URL=http://127.0.0.1:1/token",
	})
}

func TestImportTakesTheGoodLinesAndNamesTheBad(t *testing.T) {
	t.Parallel()
	s := quietSystem(t)
	var lines strings.Builder
	for n := range 3000 {
		for _, after := range []time.Duration{0, time.Minute} {
			o := observation(n, after)
			lines.Write(wire.EncodeObservation(&o))
			lines.WriteByte('\n')
		}
		if n == 10 {
			lines.WriteString("not JSON\n{\"v\":7}\n")
		}
	}
	path := filepath.Join(s.dir, "dump.ndjson.zst")
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, enc.EncodeAll([]byte(lines.String()), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	for round := range 2 { // the second changes nothing
		out, code := run(t, s.dir, nil, nil, "import", path)
		for _, want := range []string{"line 23: ", "line 24: v: version 7", "6000 produced, 2 refused"} {
			if code != 1 || !strings.Contains(out, want) {
				t.Errorf("round %d: exit %d: %s, want 1 and %q", round, code, out, want)
			}
		}
		eventually(t, "all are stored", func() bool { return s.posts(t) == 3000 })
		p, err := s.api.Post(t.Context(), "t3_imp00007")
		if err != nil || p.Score != 107 || p.Velocity == nil || *p.Velocity != 100 {
			t.Errorf("round %d: got %+v, %v, want score 107 and 100 points a minute", round, p, err)
		}
		h, err := s.api.History(t.Context(), "t3_imp00007")
		if err != nil || len(h.Results) != 2 {
			t.Errorf("round %d: history %+v, %v", round, h, err)
		}
	}
}

func TestPoisonInKafkaGoesToTheDeadLettersAlone(t *testing.T) {
	t.Parallel()
	s := quietSystem(t)
	broker := s.setting(t, "kafka", "brokers").([]any)[0].(string)
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(wire.TopicDead))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()

	good := observation(1, 0)
	text := string(wire.EncodeObservation(&good))
	replace := func(a, b string) string {
		if !strings.Contains(text, a) {
			t.Fatalf("%q is not in %s", a, text)
		}
		return strings.Replace(text, a, b, 1)
	}
	bad := map[string]struct{ value, says string }{
		"json":      {"{", "value: "},
		"version":   {replace(`"v":1`, `"v":99`), "v: version 99"},
		"nul":       {replace(`"title":"post 1"`, `"title":"\u0000"`), "title: "},
		"utf8":      {replace("post 1", "post \xff"), "value: not valid UTF-8"},
		"time":      {replace(`"observed_at":"2026`, `"observed_at":"9999`), "observed_at: "},
		"negative":  {replace(`"score":1`, `"score":-1`), "score: "},
		"enormous":  {replace(`"score":1`, `"score":99999999999999999999`), "score: "},
		"deep":      {strings.Repeat("[", 10_000), "value: "},
		"large":     {`{"v":1,"title":"` + strings.Repeat("x", 900_000) + `"}`, "value: "},
		"keyless":   {"null", ""},
		"tombstone": {"", ""},
	}
	var records []*kgo.Record
	for key, b := range bad {
		r := &kgo.Record{Topic: wire.TopicRaw, Key: []byte(key), Value: []byte(b.value)}
		if key == "keyless" {
			r.Key = nil
		}
		records = append(records, r)
	}
	records = append(records, &kgo.Record{Topic: wire.TopicRaw, Key: []byte(good.PostID), Value: []byte(text)})
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the good one is stored", func() bool { return s.posts(t) == 1 })

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dead := 0
	for dead < len(bad) && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			dead++
			key := string(r.Key)
			if r.Key == nil {
				key = "keyless"
			}
			want, known := bad[key]
			if !known || string(r.Value) != want.value {
				t.Errorf("%q is no letter of ours, or was changed", key)
			}
			if message := header(r, wire.HeaderDeadMessage); !strings.HasPrefix(message, want.says) || message == "" {
				t.Errorf("%s: %q, want it to begin with %q", key, message, want.says)
			}
		})
	}
	if dead != len(bad) {
		t.Errorf("%d dead letters, want %d", dead, len(bad))
	}
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
