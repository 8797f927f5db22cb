package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"dev.redditpulse/shared/pulse"
)

// FuzzListQuery sends any query string: it is served or refused by name.
func FuzzListQuery(f *testing.F) {
	g := newRig(f)
	token := g.as(pulse.Viewer)[len("Authorization: "):]
	for _, seed := range []string{
		"", "limit=5", "subreddit=a&subreddit=b&q=x", "min_score=-1&min_velocity=1e9", "since=2026-01-01T00:00:00Z",
		"order=-score&trending=1", "cursor=abc", "limit=0", "%zz", "a;b", "limit=1&limit=2", "q=%00", "until=9999-12-31T23:59:59Z",
		"%6Cimit=3", "min_velocity=0x1p-2", "q=+%2B", "since=2016-12-31T23:59:60Z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest(http.MethodGet, "/api/posts/", nil)
		r.URL.RawQuery = raw
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("?%s: %d %s", raw, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("?%s: %s", raw, w.Body)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	f.Add("limit=5&subreddit=a&subreddit=b")
	f.Add("limit=&x")
	known := map[string]bool{"limit": false, "subreddit": true}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := parseQuery(raw, known)
		if err != nil {
			if pulse.CodeOf(err) != pulse.Invalid {
				t.Errorf("parseQuery(%q) = %v, want invalid", raw, err)
			}
			return
		}
		if again, err := url.ParseQuery(values.Encode()); err != nil || len(again) != len(values) || len(values["limit"]) > 1 {
			t.Errorf("parseQuery(%q) = %v, again %v, %v", raw, values, again, err)
		}
	})
}

// FuzzCursor lets through only what encode has written, and that exactly.
func FuzzCursor(f *testing.F) {
	c := cursors{key: []byte("a key for cursors in tests")}
	posts := somePosts(3)
	for _, order := range cursorOrders {
		q := pulse.PostQuery{Order: order}
		f.Add(c.encode(&q, pulse.PlaceOf(&posts[1], order), true), string(order))
		f.Add(c.encode(&q, pulse.PlaceOf(&posts[0], order), false), string(order))
	}
	f.Add("", "-score")
	f.Add("AQAA", "-score")
	f.Fuzz(func(t *testing.T, cursor, order string) {
		q := pulse.PostQuery{Order: pulse.Order(order)}
		if err := c.decode(cursor, &q); err != nil {
			if pulse.CodeOf(err) != pulse.Invalid || q.After != nil {
				t.Errorf("decode(%q) = %v with place %v", cursor, err, q.After)
			}
			return
		}
		if again := c.encode(&q, *q.After, q.Before); again != cursor {
			t.Errorf("decode(%q) encodes to %q", cursor, again)
		}
	})
}

// FuzzDeadCursor is the same for the list of dead letters.
func FuzzDeadCursor(f *testing.F) {
	c := cursors{key: []byte("a key for cursors in tests")}
	letters := someLetters(6)
	f.Add(c.encodeDead(&pulse.DeadFilter{}, &letters[0]), "")
	f.Add(c.encodeDead(&pulse.DeadFilter{Class: "invalid:score"}, &letters[5]), "invalid:score")
	f.Add("", "")
	f.Add("AQAA", "x")
	f.Fuzz(func(t *testing.T, cursor, class string) {
		q := pulse.DeadQuery{Filter: pulse.DeadFilter{Class: class}}
		if err := c.decodeDead(cursor, &q); err != nil {
			if pulse.CodeOf(err) != pulse.Invalid || q.After != nil {
				t.Errorf("decodeDead(%q) = %v with place %v", cursor, err, q.After)
			}
			return
		}
		if again := c.encodeDead(&q.Filter, &pulse.DeadLetter{FailedAt: q.After.FailedAt, ID: q.After.ID}); again != cursor {
			t.Errorf("decodeDead(%q) encodes to %q", cursor, again)
		}
	})
}

// FuzzBody finds the same bodies sound as encoding/json, but for the bounds.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `[1,2,{"a":null}]`, `{"a":1,"a":2}`, `{"a":1}x`, `[1 2]`, `{"a" 1}`, `{1:2}`, `[,1]`, `"\ud800"`, `{"a":"\u0000"}`, `1e999`, `-`, `tru`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := checkJSON(body)
		if err == nil && !json.Valid(body) {
			t.Errorf("checkJSON(%q) passes what is not JSON", body)
		}
		if err != nil && pulse.CodeOf(err) != pulse.Invalid {
			t.Errorf("checkJSON(%q) = %v, want invalid", body, err)
		}
	})
}
