package wire_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestTheFormOfAnObservationStaysVersion1(t *testing.T) {
	t.Parallel()
	full := sample()
	golden(t, "observation_v1", wire.EncodeObservation(&full))
	least := pulse.Observation{
		PostID: "t3_1", Subreddit: "u_someone", ObservedAt: full.ObservedAt,
		CreatedAt: full.CreatedAt, State: pulse.Gone,
	}
	golden(t, "observation_v1_least", wire.EncodeObservation(&least))
	for _, o := range []pulse.Observation{full, least} {
		back, err := wire.DecodeObservation(wire.EncodeObservation(&o), now)
		if err != nil || !reflect.DeepEqual(back, o) {
			t.Errorf("came back as %+v (%v), want %+v", back, err, o)
		}
	}
}

// with gives the sample's value with one field replaced by raw JSON; an empty
// one takes the field out.
func with(tb testing.TB, field, raw string) []byte {
	tb.Helper()
	o := sample()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(wire.EncodeObservation(&o), &m); err != nil {
		tb.Fatal(err)
	}
	m[field] = json.RawMessage(raw)
	if raw == "" {
		delete(m, field)
	}
	body, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

var badFields = []struct{ field, raw string }{
	{"v", ""}, {"v", "null"}, {"v", "2"}, {"v", "0"}, {"v", `"1"`}, {"v", "1.5"},
	{"post_id", ""}, {"post_id", `"1abc"`}, {"post_id", `"t3_ABC"`}, {"post_id", `"t3_12345678901234"`}, {"post_id", "3"},
	{"observed_at", ""}, {"observed_at", "null"}, {"observed_at", `"yesterday"`}, {"observed_at", "1773500000"},
	{"observed_at", `"2004-01-01T00:00:00Z"`}, {"observed_at", `"2026-03-16T00:00:00Z"`}, {"observed_at", `"2026-02-30T00:00:00Z"`},
	{"created_at", `"9999-01-01T00:00:00Z"`}, {"created_at", `""`},
	{"subreddit", ""}, {"subreddit", `"a b"`}, {"subreddit", `"r/golang"`}, {"subreddit", `"` + strings.Repeat("x", 101) + `"`},
	{"title", `"nul \u0000"`}, {"title", `"` + strings.Repeat("x", 2001) + `"`}, {"title", "{}"},
	{"author", `"` + strings.Repeat("x", 101) + `"`}, {"source", `"\u0000"`},
	{"url", `"` + strings.Repeat("x", 64<<10+1) + `"`}, {"permalink", "[]"},
	{"flair", `"` + strings.Repeat("x", 501) + `"`}, {"flair", "1"},
	{"is_self", `"yes"`}, {"over_18", "1"},
	{"score", ""}, {"score", "null"}, {"score", "-1"}, {"score", "1.5"}, {"score", "1e30"},
	{"score", "99999999999999999999999"}, {"score", "1000000001"}, {"score", `"5"`},
	{"num_comments", "-1"}, {"num_comments", "true"},
	{"upvote_ratio", "1.01"}, {"upvote_ratio", "-0.1"}, {"upvote_ratio", `"x"`},
	{"state", `"alive"`}, {"state", "3"},
}

func TestABadFieldIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range badFields {
		t.Run(c.field+"="+c.raw[:min(len(c.raw), 20)], func(t *testing.T) {
			t.Parallel()
			_, err := wire.DecodeObservation(with(t, c.field, c.raw), now)
			wantField(t, err, c.field)
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestAValueThatIsNoObservationIsRefused(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"empty": "", "text": "hello", "list": "[]", "number": "1", "cut off": `{"v":1,"post_id":"t3_1`,
		"two values": `{"v":1}{"v":1}`, "bytes that are not UTF-8": "{\"v\":1,\"title\":\"\xff\"}",
		"10,000 levels": strings.Repeat(`{"v":`, 10_001), "too large": strings.Repeat(" ", wire.MaxValueBytes+1) + "{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.DecodeObservation([]byte(value), now)
			wantField(t, err, "value")
		})
	}
	_, err := wire.DecodeObservation([]byte("null"), now)
	wantField(t, err, "v")
}

func TestWhatIsOptionalMayBeMissing(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"source", "title", "author", "url", "permalink", "flair", "is_self", "over_18", "upvote_ratio", "state"} {
		for _, raw := range []string{"", "null"} {
			if _, err := wire.DecodeObservation(with(t, field, raw), now); err != nil {
				t.Errorf("%s %q: %v", field, raw, err)
			}
		}
	}
	o, err := wire.DecodeObservation(with(t, "state", ""), now)
	if err != nil || o.State != pulse.Live {
		t.Errorf("without a state: %q (%v), want live", o.State, err)
	}
	if _, err := wire.DecodeObservation(with(t, "added_later", `{"a":[1]}`), now); err != nil {
		t.Errorf("an unknown field: %v, want it ignored", err)
	}
}

func TestTimesComeBackInUTCAndWholeMilliseconds(t *testing.T) {
	t.Parallel()
	o, err := wire.DecodeObservation(with(t, "observed_at", `"2026-03-14T16:09:26.5359999+01:00"`), now)
	want := time.Date(2026, 3, 14, 15, 9, 26, 535_000_000, time.UTC)
	if err != nil || o.ObservedAt != want {
		t.Errorf("got %v (%v), want %v", o.ObservedAt, err, want)
	}
}

func FuzzDecodeObservation(f *testing.F) {
	o := sample()
	f.Add(wire.EncodeObservation(&o))
	for _, c := range badFields {
		f.Add(with(f, c.field, c.raw))
	}
	f.Add([]byte(`{"V":1,"Score":3,"score":4}`))
	f.Add([]byte("{\"v\":1,\"title\":\"\\ud800\"}"))
	f.Fuzz(func(t *testing.T, value []byte) {
		o, err := wire.DecodeObservation(value, now)
		if err != nil {
			if pulse.CodeOf(err) != pulse.Invalid || len(err.Error()) > 500 {
				t.Fatalf("error for the sender has %d bytes and code %s", len(err.Error()), pulse.CodeOf(err))
			}
			return
		}
		// What decodes once is stable from then on.
		again, err := wire.DecodeObservation(wire.EncodeObservation(&o), now)
		if err != nil {
			t.Fatalf("%s: its own encoding does not decode: %v", value, err)
		}
		o.CreatedAt = o.CreatedAt.Truncate(time.Microsecond) // as the wire keeps it
		if !reflect.DeepEqual(again, o) {
			t.Fatalf("came back as %+v, want %+v", again, o)
		}
	})
}
