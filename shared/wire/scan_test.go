package wire

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// FuzzScanAgreesWithJSON holds the quick reading against encoding/json's.
func FuzzScanAgreesWithJSON(f *testing.F) {
	for _, seed := range []string{
		`{"v":1,"post_id":"t3_1","score":3,"flair":null,"upvote_ratio":0.5,"is_self":true}`,
		`{ "v" : 1 , "title":"a \"b\" \u00e9 \ud83d", "flair":"x","upvote_ratio":1}`,
		`{"v":1,"score":007}`, `{"v":1,"score":1,"score":2}`, `{"v":1,"V":2}`, `{"v":1,}`, `{"v":1}x`,
		`{"v":1,"upvote_ratio":1.}`, `{"v":1,"upvote_ratio":00.1}`, `{"v":1,"url":"\`, `{"v":1,"is_self":null}`,
		`{"v":1,"upvote_ratio":null,"upvote_ratio":1}`, `{"v":01}`, `{"v":1,"score":12x}`, "{\"v\":1,\"title\":\"\t\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var quick, slow observation
		if !utf8.Valid(value) {
			return // checked before
		}
		if !scanObservation(value, &quick) {
			return
		}
		if err := json.Unmarshal(value, &slow); err != nil {
			t.Fatalf("%q was read, but encoding/json says %v", value, err)
		}
		if slow.V == nil || *slow.V != ObservationVersion {
			t.Fatalf("%q was read as version 1", value)
		}
		slow.V = nil
		if !reflect.DeepEqual(quick, slow) {
			t.Fatalf("%q was read as %+v, want %+v", value, quick, slow)
		}
	})
}

func TestOurOwnFormIsReadQuickly(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`{"v":1,"post_id":"t3_1","observed_at":"2026-03-14T15:09:26Z","source":"new","subreddit":"a","title":"\"\n","author":"b","url":"c","permalink":"d","flair":"e","is_self":false,"over_18":true,"created_at":"x","score":0,"num_comments":123,"upvote_ratio":0.97,"state":"live"}`,
		`{"v": 1, "post_id": "t3_1", "flair": null, "upvote_ratio": null}`,
	} {
		if !scanObservation([]byte(value), new(observation)) {
			t.Errorf("%s is left to encoding/json", value)
		}
	}
}
