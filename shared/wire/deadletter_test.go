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

func deadLetter() pulse.DeadLetter {
	changed := now.Add(-time.Minute)
	return pulse.DeadLetter{
		ID: "reddit.posts.raw/1/1234", State: pulse.DeadDiscarded, Topic: "reddit.posts.raw", Partition: 2, Offset: 4321,
		Stage: "store", Class: "invalid:title", Message: `title: "<b>" is refused`, Group: "pulse.process", AppVersion: "v1.2.3",
		FirstFailedAt: now.Add(-time.Hour), FailedAt: now.Add(-2 * time.Minute).In(time.FixedZone("", 3600)), Replays: 1, Size: 9,
		ChangedBy: "olga", ChangedAt: &changed, Reason: "not worth it",
		Key: []byte("t3_a"), Value: []byte("{\"a\"}"), Headers: []pulse.DeadHeader{{Key: "pulse-produced-at", Value: []byte{0, 0xff}}},
	}
}

func TestDeadLetterBodies(t *testing.T) {
	t.Parallel()
	whole := deadLetter()
	bare := pulse.DeadLetter{ID: "reddit.posts.dlq/0/7", State: pulse.DeadOpen, Class: pulse.DeadForeign, FirstFailedAt: now, FailedAt: now, Value: []byte{0xff}}
	since := now.Add(-time.Hour)
	outlook := pulse.DeadOutlook{
		Ready: 3, Reasons: []pulse.DeadCount{{Class: "invalid:title", Count: 3}}, Refused: []pulse.DeadRefusal{{Why: "already replayed", Count: 1}},
	}
	for name, body := range map[string]any{
		"dead_letter":         wire.FromWholeDeadLetter(&whole),
		"dead_letter_foreign": wire.FromWholeDeadLetter(&bare),
		"dead_letters": wire.DeadLetterList{
			Results: []wire.DeadLetter{wire.FromDeadLetter(&whole)}, Next: ptr("cursor"), Reasons: wire.FromDeadCounts(outlook.Reasons),
		},
		"dead_letters_none":   wire.DeadLetterList{Results: []wire.DeadLetter{}, Reasons: wire.FromDeadCounts(nil)},
		"dead_letter_ids":     wire.DeadLetterAct{IDs: []string{"reddit.posts.raw:1:1234"}, Reason: "not worth it"},
		"dead_letter_filter":  wire.DeadLetterAct{Filter: &wire.DeadLetterFilter{State: "open", Class: "invalid:title", Since: &since}, DryRun: true, Limit: 10},
		"dead_letter_all":     wire.DeadLetterAct{Filter: &wire.DeadLetterFilter{}, All: true},
		"dead_letter_outlook": wire.FromDeadOutlook(&outlook),
		"dead_letter_nothing": wire.FromDeadOutlook(&pulse.DeadOutlook{}),
	} {
		got, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, got)
	}
}

func TestADeadLetterSurvivesTheWire(t *testing.T) {
	t.Parallel()
	l := deadLetter()
	sent := wire.FromWholeDeadLetter(&l)
	text, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got wire.DeadLetterDetail
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("came back as %+v, %v\nwant %+v", got, err, sent)
	}
}

func TestDeadLetterIDsHaveNoSlashes(t *testing.T) {
	t.Parallel()
	const key = "reddit.posts.raw/1/1234"
	if id := wire.DeadLetterID(key); id != "reddit.posts.raw:1:1234" {
		t.Errorf("the id is %s", id)
	}
	for _, id := range []string{"reddit.posts.raw:1:1234", key} {
		if got, err := wire.DeadLetterKey("id", id); err != nil || got != key {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
	for _, id := range []string{
		"", "x", "reddit.posts.raw", "reddit.posts.raw:1", "reddit.posts.raw:1:", ":1:2", "a:1:2:3", "a:-1:2", "a:x:2", "a:1:2\n",
		"a b:1:2", "a\x00:1:2", "ä:1:2", "a:1:" + strings.Repeat("9", 20), strings.Repeat("a", 250) + ":1:2",
	} {
		_, err := wire.DeadLetterKey("ids[3]", id)
		wantField(t, err, "ids[3]")
	}
}

func TestAFilterOfDeadLettersIsInUTC(t *testing.T) {
	t.Parallel()
	at := now.In(time.FixedZone("", -3600))
	f := wire.DeadLetterFilter{State: "open", Topic: "t", Stage: "s", Class: "c", Until: &at}
	if got, want := f.Domain(), (pulse.DeadFilter{State: pulse.DeadOpen, Topic: "t", Stage: "s", Class: "c", Until: now}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
