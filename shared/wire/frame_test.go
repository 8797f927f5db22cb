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

func samplePost() pulse.Post {
	since := time.Date(2026, 3, 14, 14, 40, 0, 0, time.UTC)
	return pulse.Post{
		Observation: sample(), Velocity: ptr(34.5), CommentVelocity: ptr(2.25),
		Trend: &pulse.Trend{
			Score: 87.5, TimesUsual: 9.1, Usual: 3.8, Percentile: 99.2, AgeBucket: "1-3h", Since: since,
			Reason: "34/min, 9.1× usual for posts 1–3 h old in r/golang",
		},
		Sentiment: ptr(0.42), Seq: ptr(uint64(77)),
	}
}

func TestTheFormOfAPostStays(t *testing.T) {
	t.Parallel()
	full := samplePost()
	for name, p := range map[string]pulse.Post{"post": full, "post_unknown": {Observation: full.Observation}} {
		body, err := wire.EncodePost(&p)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, body)
		p.Source = "" // not of the reader's business
		back, err := wire.DecodePost(body)
		if err != nil || !reflect.DeepEqual(back, p) {
			t.Errorf("%s came back as %+v (%v), want %+v", name, back, err, p)
		}
	}
}

func frames() map[string]wire.ServerFrame {
	p := samplePost()
	post := wire.FromPost(&p)
	at := now
	return map[string]wire.ServerFrame{
		"hello": {
			Type: wire.FrameHello, Epoch: "e1", Seq: ptr(uint64(0)), Resumed: wire.NothingMissed,
			ServerTime: &at, HeartbeatSeconds: 15,
		},
		"posts": {
			Type: wire.FramePosts, Epoch: "e1", From: ptr(uint64(70)), To: ptr(uint64(77)), Posts: &[]wire.Post{post},
		},
		"posts_none":     {Type: wire.FramePosts, Epoch: "e1", From: ptr(uint64(78)), To: ptr(uint64(80)), Posts: &[]wire.Post{}},
		"snapshot":       {Type: wire.FrameSnapshot, Epoch: "e2", Seq: ptr(uint64(9)), Posts: &[]wire.Post{post}},
		"heartbeat":      {Type: wire.FrameHeartbeat, Seq: ptr(uint64(80))},
		"token_expiring": {Type: wire.FrameTokenExpiring, At: &at},
		"notice":         {Type: wire.FrameNotice, Code: "slow", Detail: "frames are being merged"},
	}
}

func TestTheFormOfEachServerFrameStays(t *testing.T) {
	t.Parallel()
	for name, f := range frames() {
		body, err := wire.EncodeFrame(&f)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "frame_"+name, body)
		back, err := wire.DecodeServerFrame(body)
		if err != nil || !reflect.DeepEqual(back, f) {
			t.Errorf("%s came back as %+v (%v), want %+v", name, back, err, f)
		}
	}
}

func TestTheFormOfAProblemStays(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(wire.Problem{
		Type: "about:blank", Title: "Bad Request", Status: 400, Detail: "limit: want 1 to 200",
		Code: pulse.Invalid, RequestID: "01J", Errors: []wire.ProblemField{{Field: "limit", Message: "want 1 to 200"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "problem", body)
}

func TestABadServerFrameIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, field string }{
		{`{`, "frame"}, {`[]`, "frame"}, {``, "frame"}, {`{}`, "type"},
		{`{"type":5}`, "type"}, {`{"type":"hello"}`, "epoch"}, {`{"type":"hello","epoch":"e"}`, "seq"},
		{`{"type":"snapshot","seq":1}`, "epoch"}, {`{"type":"heartbeat"}`, "seq"},
		{`{"type":"heartbeat","seq":-1}`, "seq"}, {`{"type":"heartbeat","seq":1.5}`, "seq"},
		{`{"type":"posts","from":1}`, "from and to"}, {`{"type":"posts","from":5,"to":4}`, "from"},
		{`{"type":"posts","from":1,"to":1,"posts":[{"score":"x"}]}`, "posts.score"},
		{strings.Repeat(`{"posts":`, 10_001), "frame"},
	} {
		_, err := wire.DecodeServerFrame([]byte(c.body))
		wantField(t, err, c.field)
	}
	if f, err := wire.DecodeServerFrame([]byte(`{"type":"made_later","x":1}`)); err != nil || f.Type != "made_later" {
		t.Errorf("a type made later: %+v, %v; want it passed on", f, err)
	}
}

func TestABadClientFrameIsNamed(t *testing.T) {
	t.Parallel()
	names := `"a"` + strings.Repeat(`,"a"`, 100)
	for _, c := range []struct{ body, field string }{
		{``, "frame"}, {`{"type":"filter"`, "frame"}, {`[]`, "frame"}, {`{"type":"filter"}{}`, "frame"},
		{`{"type":"filter","colour":"red"}`, "frame"}, {"{\"type\":\"filter\",\"q\":\"\xff\"}", "frame"},
		{`{"type":"filter","q":"` + strings.Repeat("x", wire.MaxClientFrame) + `"}`, "frame"},
		{`{}`, "type"}, {`{"type":"shout"}`, "type"}, {`{"type":"auth"}`, "token"}, {`{"type":"auth","token":5}`, "token"},
		{`{"type":"filter","subreddit":[""]}`, "subreddit"}, {`{"type":"filter","subreddit":"golang"}`, "subreddit"},
		{`{"type":"filter","subreddit":[` + names + `]}`, "subreddit"},
		{`{"type":"filter","min_score":"1"}`, "min_score"}, {`{"type":"filter","min_score":1.5}`, "min_score"},
		{`{"type":"filter","min_velocity":1e999}`, "min_velocity"}, {`{"type":"filter","trending":1}`, "trending"},
		{`{"type":"filter","q":"` + strings.Repeat("x", 201) + `"}`, "q"},
	} {
		_, err := wire.DecodeClientFrame([]byte(c.body))
		wantField(t, err, c.field)
	}
	f, err := wire.DecodeClientFrame([]byte(`{"type":"filter","subreddit":["golang"],"min_score":-3,"trending":true,"q":"go"}`))
	if err != nil || f.Domain().Words != "go" || *f.MinScore != -3 || !f.Trending {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestABadPostIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, field string }{
		{``, "post"}, {`{`, "post"}, {`[]`, "post"}, {`{}`, "id"}, {`{"id":"1abc"}`, "id"}, {`{"id":7}`, "id"},
		{`{"id":"t3_1","score":"x"}`, "score"}, {`{"id":"t3_1","seq":-1}`, "seq"}, {`{"id":"t3_1","trend":{"score":""}}`, "trend.score"},
	} {
		_, err := wire.DecodePost([]byte(c.body))
		wantField(t, err, c.field)
	}
}

func FuzzDecodePost(f *testing.F) {
	p := samplePost()
	body, _ := wire.EncodePost(&p)
	f.Add(body)
	f.Add([]byte(`{"id":"t3_1","trend":{},"flair":"","velocity":1e308}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := wire.DecodePost(body)
		if err != nil {
			if pulse.CodeOf(err) != pulse.Invalid {
				t.Fatal(err)
			}
			return
		}
		first, err := wire.EncodePost(&p)
		if err != nil {
			return // a year that RFC 3339 does not have
		}
		again, err := wire.DecodePost(first)
		if err != nil {
			t.Fatalf("its own encoding does not decode: %v", err)
		}
		second, err := wire.EncodePost(&again)
		if err != nil || string(second) != string(first) {
			t.Fatalf("became %s (%v), want %s", second, err, first)
		}
	})
}

func FuzzDecodeServerFrame(f *testing.F) {
	for _, fr := range frames() {
		body, _ := wire.EncodeFrame(&fr)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fr, err := wire.DecodeServerFrame(body)
		if err != nil {
			if pulse.CodeOf(err) != pulse.Invalid {
				t.Fatal(err)
			}
			return
		}
		first, err := wire.EncodeFrame(&fr)
		if err != nil {
			return // a year that RFC 3339 does not have
		}
		again, err := wire.DecodeServerFrame(first)
		if err != nil {
			t.Fatalf("its own encoding does not decode: %v", err)
		}
		if second, err := wire.EncodeFrame(&again); err != nil || string(second) != string(first) {
			t.Fatalf("became %s (%v), want %s", second, err, first)
		}
	})
}

func FuzzDecodeClientFrame(f *testing.F) {
	f.Add([]byte(`{"type":"filter","subreddit":["golang"],"min_score":5,"min_velocity":0.5,"trending":true,"q":"go"}`))
	f.Add([]byte(`{"type":"auth","token":"x.y.z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fr, err := wire.DecodeClientFrame(body)
		if err != nil {
			if pulse.CodeOf(err) != pulse.Invalid || len(err.Error()) > 500 {
				t.Fatalf("%d bytes: %v", len(err.Error()), err)
			}
			return
		}
		first, err := json.Marshal(fr)
		if err != nil {
			t.Fatal(err)
		}
		if len(first) > wire.MaxClientFrame {
			return // the escapes of json.Marshal made it longer
		}
		again, err := wire.DecodeClientFrame(first)
		if err != nil {
			t.Fatalf("its own encoding %s does not decode: %v", first, err)
		}
		if second, _ := json.Marshal(again); string(second) != string(first) {
			t.Fatalf("became %s, want %s", second, first)
		}
	})
}
