package client_test

import (
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestDeadLettersAreReadPageByPage(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "olga")
	for n := range 7 {
		l := clienttest.DeadLetter(n)
		if n%2 == 1 {
			l.Class = "invalid:score"
		}
		srv.PutDeadLetters(l)
	}
	var ids []string
	q := client.DeadLettersQuery{Limit: 3, DeadLetterFilter: wire.DeadLetterFilter{State: "open", Topic: wire.TopicRaw, Stage: "decode"}}
	for {
		page, err := c.DeadLetters(t.Context(), q)
		if err != nil || len(page.Reasons) != 2 {
			t.Fatalf("page: %+v, %v", page, err)
		}
		for _, l := range page.Results {
			ids = append(ids, l.ID)
		}
		if page.Next == nil {
			break
		}
		q.Cursor = *page.Next
	}
	if len(ids) != 7 || ids[0] != "reddit.posts.raw:0:6" {
		t.Errorf("read %v, want seven, the last failure first", ids)
	}
	since, until := clienttest.DeadLetter(2).FailedAt, clienttest.DeadLetter(5).FailedAt.In(time.FixedZone("", 3600))
	few, err := c.DeadLetters(t.Context(), client.DeadLettersQuery{DeadLetterFilter: wire.DeadLetterFilter{Class: "invalid:score", Since: &since, Until: &until}})
	if err != nil || len(few.Results) != 1 || few.Results[0].ID != "reddit.posts.raw:0:3" {
		t.Errorf("of a class and a time: %+v, %v", few, err)
	}
}

func TestADeadLetterIsReadWithItsBytes(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "olga")
	l := clienttest.DeadLetter(1)
	l.Value, l.ValueText = []byte{0, 0xff, '\n'}, nil
	srv.PutDeadLetters(l)
	for _, id := range []string{l.ID, "reddit.posts.raw/0/1"} {
		got, err := c.DeadLetter(t.Context(), id)
		if err != nil || string(got.Value) != string(l.Value) || string(got.Key) != "t3_a" || got.ValueText != nil {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	for _, id := range []string{"reddit.posts.raw:0:2", "../../posts", "%00"} {
		if _, err := c.DeadLetter(t.Context(), id); pulse.CodeOf(err) != pulse.NotFound {
			t.Errorf("%s: %v, want not found", id, err)
		}
	}
}

func TestDeadLettersAreSettled(t *testing.T) {
	t.Parallel()
	srv, c := start(t, "olga")
	for n := range 5 {
		srv.PutDeadLetters(clienttest.DeadLetter(n))
	}
	all := wire.DeadLetterAct{Filter: &wire.DeadLetterFilter{State: "open"}}
	dry := all
	dry.DryRun = true
	if r, err := c.ReplayDeadLetters(t.Context(), dry); err != nil || !r.DryRun || r.Remaining != 5 || r.Done != 0 {
		t.Errorf("a dry run: %+v, %v", r, err)
	}
	few := all
	few.Limit = 2
	if r, err := c.ReplayDeadLetters(t.Context(), few); err != nil || r.Done != 2 || r.Remaining != 3 {
		t.Errorf("two of five: %+v, %v", r, err)
	}
	ids := wire.DeadLetterAct{IDs: []string{"reddit.posts.raw:0:0", "reddit.posts.raw:0:4"}, Reason: "of no use"}
	if r, err := c.DiscardDeadLetters(t.Context(), ids); err != nil || r.Done != 1 || len(r.Refused) != 1 {
		t.Errorf("a discard: %+v, %v", r, err)
	}
	if l, err := c.DeadLetter(t.Context(), "reddit.posts.raw:0:4"); err != nil || l.State != "discarded" || l.Reason != "of no use" {
		t.Errorf("it is %+v, %v", l, err)
	}
	if _, err := c.ReplayDeadLetters(t.Context(), wire.DeadLetterAct{}); pulse.CodeOf(err) != pulse.Invalid || !strings.Contains(err.Error(), "ids") {
		t.Errorf("nothing named: %v, want ids named", err)
	}
	_, viewer := start(t, "vera")
	if _, err := viewer.DeadLetters(t.Context(), client.DeadLettersQuery{}); pulse.CodeOf(err) != pulse.Forbidden {
		t.Errorf("a viewer: %v, want forbidden", err)
	}
}
