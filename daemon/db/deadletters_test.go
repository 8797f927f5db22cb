package db_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
)

// letter is a first failure at some offset.
func letter(offset int64, class string, after time.Duration) pulse.DeadLetter {
	return pulse.DeadLetter{
		ID: fmt.Sprintf("reddit.posts.raw/1/%d", offset), State: pulse.DeadOpen, Topic: "reddit.posts.raw",
		Partition: 1, Offset: offset, Stage: "store", Class: class, Message: "refused: ☃",
		Group: "pulse.process", AppVersion: "v1", FirstFailedAt: start.Add(after), FailedAt: start.Add(after),
		Key: []byte("t3_a"), Value: []byte("\x00\xff value"),
		Headers: []pulse.DeadHeader{{Key: "pulse-produced-at", Value: []byte("2026")}, {Key: "odd", Value: []byte{0, 255}}},
	}
}

// again is the next failure of a letter after a replay.
func again(l pulse.DeadLetter, after time.Duration) pulse.DeadLetter {
	l.Replays++
	l.Offset += 1000
	l.FailedAt = l.FailedAt.Add(after)
	l.Message = "refused again"
	l.Value = []byte("forged") // the same record has the same bytes
	return l
}

func mirror(t testing.TB, d *db.DB, letters ...pulse.DeadLetter) {
	t.Helper()
	if err := d.MirrorDeadLetters(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
}

func letterAt(t testing.TB, d *db.DB, id string) pulse.DeadLetter {
	t.Helper()
	l, err := d.DeadLetter(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func lease(t testing.TB, d *db.DB, c pulse.DeadChoice, limit int, except ...string) []pulse.DeadLetter {
	t.Helper()
	letters, err := d.LeaseDeadLetters(t.Context(), c, except, time.Minute, limit)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// replay leases one letter and marks it as sent.
func replay(t testing.TB, d *db.DB, id string) {
	t.Helper()
	letters := lease(t, d, pulse.DeadChoice{IDs: []string{id}}, 10)
	if len(letters) != 1 {
		t.Fatalf("%d letters leased, want 1", len(letters))
	}
	letters[0].Replays++
	if err := d.MarkReplayed(t.Context(), letters, "olga"); err != nil {
		t.Fatal(err)
	}
}

func TestALetterIsMirroredVerbatimAndOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	l := letter(7, "invalid:score", 0)
	keyless := letter(8, "invalid:value", time.Second)
	keyless.Key, keyless.Value, keyless.Headers = nil, nil, nil
	for range 3 {
		mirror(t, d, l, keyless, l)
	}
	got := letterAt(t, d, l.ID)
	want := l
	want.Size = len(l.Key) + len(l.Value)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mirrored %+v\nwant     %+v", got, want)
	}
	if got := letterAt(t, d, keyless.ID); len(got.Key) != 0 || len(got.Value) != 0 || len(got.Headers) != 0 || got.Size != 0 {
		t.Errorf("a letter of nothing is %+v", got)
	}
	if _, err := d.DeadLetter(t.Context(), "reddit.posts.raw/1/9"); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("got %v, want not found", err)
	}
}

func TestALargeLetterIsMirrored(t *testing.T) {
	t.Parallel()
	d := open(t)
	var letters []pulse.DeadLetter
	for i := range 20 {
		l := letter(int64(i), "invalid:value", 0)
		l.Value = bytes.Repeat([]byte{byte(i)}, 1<<20)
		letters = append(letters, l)
	}
	mirror(t, d, letters...)
	if got := letterAt(t, d, letters[19].ID); !bytes.Equal(got.Value, letters[19].Value) {
		t.Errorf("%d bytes came back, want %d", len(got.Value), len(letters[19].Value))
	}
}

func TestOneThatFailsAgainIsOpenAgainAndKeepsItsFirstFailure(t *testing.T) {
	t.Parallel()
	d := open(t)
	first := letter(7, "invalid:score", 0)
	second := again(first, time.Hour)
	mirror(t, d, first)
	replay(t, d, first.ID)
	if got := letterAt(t, d, first.ID); got.State != pulse.DeadReplayed || got.Replays != 1 || got.ChangedBy != "olga" || got.ChangedAt == nil {
		t.Fatalf("after the replay: %+v", got)
	}
	mirror(t, d, first) // its topic is read once more
	if got := letterAt(t, d, first.ID); got.State != pulse.DeadReplayed {
		t.Errorf("an old failure opens it: %+v", got)
	}
	for range 2 {
		mirror(t, d, second, first)
		got := letterAt(t, d, first.ID)
		if got.State != pulse.DeadOpen || got.Replays != 1 || got.Offset != second.Offset || got.Message != second.Message ||
			!got.FailedAt.Equal(second.FailedAt) || !got.FirstFailedAt.Equal(first.FirstFailedAt) || !bytes.Equal(got.Value, first.Value) {
			t.Errorf("after the second failure: %+v", got)
		}
	}
}

// The new failure may be mirrored before the replay is marked.
func TestAFailureThatOvertakesItsMarkStaysOpen(t *testing.T) {
	t.Parallel()
	d := open(t)
	first := letter(7, "invalid:score", 0)
	mirror(t, d, first)
	letters := lease(t, d, pulse.DeadChoice{IDs: []string{first.ID}}, 10)
	letters[0].Replays++
	mirror(t, d, again(first, time.Second))
	if err := d.MarkReplayed(t.Context(), letters, "olga"); err != nil {
		t.Fatal(err)
	}
	if got := letterAt(t, d, first.ID); got.State != pulse.DeadOpen || got.Replays != 1 || got.ChangedBy != "olga" {
		t.Errorf("got %+v, want it open after 1 replay", got)
	}
}

func TestALetterIsRefusedAfterThreeReplays(t *testing.T) {
	t.Parallel()
	d := open(t)
	l := letter(7, "invalid:score", 0)
	mirror(t, d, l)
	for range pulse.MaxReplays {
		replay(t, d, l.ID)
		l = again(l, time.Second)
		mirror(t, d, l)
	}
	choice := pulse.DeadChoice{IDs: []string{l.ID}}
	if got := lease(t, d, choice, 10); len(got) != 0 {
		t.Errorf("leased once more: %+v", got)
	}
	outlook, err := d.DeadOutlook(t.Context(), choice, pulse.MaxReplays)
	if err != nil || outlook.Ready != 0 || len(outlook.Refused) != 1 || outlook.Refused[0].Count != 1 {
		t.Errorf("the outlook is %+v, %v", outlook, err)
	}
	if outlook, err := d.DeadOutlook(t.Context(), choice, 0); err != nil || outlook.Ready != 1 {
		t.Errorf("of a discard the outlook is %+v, %v", outlook, err)
	}
}

func TestNoLetterIsTakenTwiceAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	var letters []pulse.DeadLetter
	for i := range 200 {
		letters = append(letters, letter(int64(i), "invalid:score", time.Duration(i)*time.Second))
	}
	mirror(t, d, letters...)
	var mu sync.Mutex // covers taken
	taken := map[string]int{}
	var takers sync.WaitGroup
	for range 6 {
		takers.Go(func() {
			for {
				got, err := d.LeaseDeadLetters(context.Background(), pulse.DeadChoice{Filter: &pulse.DeadFilter{}}, nil, time.Minute, 7)
				if err != nil {
					t.Error(err)
					return
				}
				if len(got) > 7 {
					t.Errorf("%d letters leased, want at most 7", len(got))
				}
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, l := range got {
					taken[l.ID]++
				}
				mu.Unlock()
			}
		})
	}
	takers.Wait()
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	if len(taken) != len(letters) {
		t.Errorf("%d letters taken, want %d", len(taken), len(letters))
	}
}

func TestALeaseEndsByItselfOrByHand(t *testing.T) {
	t.Parallel()
	d := open(t)
	l := letter(7, "invalid:score", 0)
	mirror(t, d, l)
	choice := pulse.DeadChoice{IDs: []string{l.ID}}
	if got := lease(t, d, choice, 1); len(got) != 1 {
		t.Fatal("not leased")
	}
	if got := lease(t, d, choice, 1); len(got) != 0 {
		t.Error("leased twice")
	}
	if n, err := d.DiscardDeadLetters(t.Context(), choice, "olga", "why not", 1); err != nil || n != 0 {
		t.Errorf("%d discarded while it is being sent, %v", n, err)
	}
	if err := d.ReleaseDeadLetters(t.Context(), choice.IDs); err != nil {
		t.Fatal(err)
	}
	if got, err := d.LeaseDeadLetters(t.Context(), choice, nil, -time.Second, 1); err != nil || len(got) != 1 {
		t.Fatalf("not leased after its release: %v", err)
	}
	if got := lease(t, d, choice, 1); len(got) != 1 {
		t.Error("not leased after the end of a lease")
	}
}

func TestADiscardIsSignedAndForGood(t *testing.T) {
	t.Parallel()
	d := open(t)
	var letters []pulse.DeadLetter
	for i := range 5 {
		letters = append(letters, letter(int64(i), "invalid:score", time.Duration(i)*time.Second))
	}
	mirror(t, d, letters...)
	replay(t, d, letters[4].ID)
	for i, want := range []int64{3, 1, 0} {
		n, err := d.DiscardDeadLetters(t.Context(), pulse.DeadChoice{Filter: &pulse.DeadFilter{Class: "invalid:score"}}, "olga", "nobody needs them", 3)
		if err != nil || n != want {
			t.Errorf("round %d: %d discarded, %v, want %d", i, n, err, want)
		}
	}
	got := letterAt(t, d, letters[0].ID)
	if got.State != pulse.DeadDiscarded || got.ChangedBy != "olga" || got.Reason != "nobody needs them" || got.ChangedAt == nil {
		t.Errorf("got %+v", got)
	}
	mirror(t, d, letters...)
	counts, err := d.DeadStates(t.Context())
	if err != nil || counts[pulse.DeadDiscarded] != 4 || counts[pulse.DeadReplayed] != 1 || counts[pulse.DeadOpen] != 0 {
		t.Errorf("counts %v, %v", counts, err)
	}
}

func TestOnlySettledLettersAreForgotten(t *testing.T) {
	t.Parallel()
	d := open(t)
	open, settled, young := letter(1, "a", 0), letter(2, "a", 0), letter(3, "a", time.Hour)
	mirror(t, d, open, settled, young)
	replay(t, d, settled.ID)
	replay(t, d, young.ID)
	if err := d.ForgetDeadLetters(t.Context(), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{open.ID: true, settled.ID: false, young.ID: true} {
		if _, err := d.DeadLetter(t.Context(), id); (err == nil) != want {
			t.Errorf("%s: %v, there is to be: %t", id, err, want)
		}
	}
}

func TestDeadLettersAreListedLastFailureFirst(t *testing.T) {
	t.Parallel()
	d := open(t)
	var letters []pulse.DeadLetter
	for i := range 23 {
		l := letter(int64(i), []string{"invalid:score", "invalid:title"}[i%2], time.Duration(i/4)*time.Second) // many ties
		if i%5 == 0 {
			l.Topic, l.Stage = "reddit.posts.refresh", "decode"
		}
		letters = append(letters, l)
	}
	mirror(t, d, letters...)
	replay(t, d, letters[3].ID)
	letters[3].State = pulse.DeadReplayed
	for name, f := range map[string]pulse.DeadFilter{
		"all": {}, "class": {Class: "invalid:title"}, "open": {State: pulse.DeadOpen}, "replayed": {State: pulse.DeadReplayed},
		"place": {Topic: "reddit.posts.refresh", Stage: "decode"}, "hostile": {Class: "' or true --"},
		"time": {Since: start.Add(time.Second), Until: start.Add(3 * time.Second)}, "discarded": {State: pulse.DeadDiscarded},
	} {
		want, _ := chosenLetters(letters, f)
		if got := pagesOf(t, d, f, 5); !slices.Equal(got, want) {
			t.Errorf("%s: listed %v\nwant %v", name, got, want)
		}
		f.State = pulse.DeadOpen
		_, classes := chosenLetters(letters, f)
		reasons, err := d.DeadReasons(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		counted := map[string]int64{}
		for _, r := range reasons {
			counted[r.Class] = r.Count
		}
		if !maps.Equal(counted, classes) || !slices.IsSortedFunc(reasons, func(a, b pulse.DeadCount) int { return int(b.Count - a.Count) }) {
			t.Errorf("%s: reasons %v, want %v, most first", name, reasons, classes)
		}
	}
}

// chosenLetters are the ids that a filter chooses, in the order of the list, and
// how many there are of each class.
func chosenLetters(letters []pulse.DeadLetter, f pulse.DeadFilter) (ids []string, classes map[string]int64) {
	letters = slices.Clone(letters)
	slices.SortFunc(letters, func(a, b pulse.DeadLetter) int {
		return cmp.Or(b.FailedAt.Compare(a.FailedAt), strings.Compare(b.ID, a.ID))
	})
	classes = map[string]int64{}
	for _, l := range letters {
		if (f.State == "" || f.State == l.State) && (f.Topic == "" || f.Topic == l.Topic) &&
			(f.Stage == "" || f.Stage == l.Stage) && (f.Class == "" || f.Class == l.Class) &&
			!l.FailedAt.Before(f.Since) && (f.Until.IsZero() || l.FailedAt.Before(f.Until)) {
			ids = append(ids, l.ID)
			classes[l.Class]++
		}
	}
	return ids, classes
}

// pagesOf walks a list page by page.
func pagesOf(t testing.TB, d *db.DB, f pulse.DeadFilter, limit int) (ids []string) {
	t.Helper()
	q := pulse.DeadQuery{Filter: f, Limit: limit}
	for {
		page, err := d.DeadLetters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page[:min(len(page), limit)] {
			ids = append(ids, page[i].ID)
			if page[i].Value != nil || page[i].Size == 0 {
				t.Errorf("the list has bytes or no size: %+v", page[i])
			}
		}
		if len(page) <= limit {
			return ids
		}
		q.After = &pulse.DeadPlace{FailedAt: page[limit-1].FailedAt, ID: page[limit-1].ID}
	}
}

func TestAnOutlookNamesWhatIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	letters := []pulse.DeadLetter{letter(1, "a", 0), letter(2, "a", 0), letter(3, "b", 0), letter(4, "b", 0),
		letter(5, pulse.DeadForeign, 0), letter(6, "a", 0)}
	letters[5].Key = nil
	mirror(t, d, letters...)
	replay(t, d, letters[3].ID)
	choice := pulse.DeadChoice{IDs: []string{"reddit.posts.raw/1/99"}}
	for _, l := range letters {
		choice.IDs = append(choice.IDs, l.ID)
	}
	outlook, err := d.DeadOutlook(t.Context(), choice, pulse.MaxReplays)
	if err != nil {
		t.Fatal(err)
	}
	want := pulse.DeadOutlook{Ready: 3, Reasons: []pulse.DeadCount{{Class: "a", Count: 2}, {Class: "b", Count: 1}}, Refused: []pulse.DeadRefusal{
		{Why: "already replayed", Count: 1}, {Why: "it has no key, which says where to", Count: 1},
		{Why: "not found", Count: 1}, {Why: "where it came from is not known", Count: 1},
	}}
	if !reflect.DeepEqual(outlook, want) {
		t.Errorf("the outlook is %+v\nwant %+v", outlook, want)
	}
	if got := lease(t, d, choice, 100); len(got) != 3 {
		t.Errorf("%d letters leased, want the 3 that are ready", len(got))
	}
	if outlook, err = d.DeadOutlook(t.Context(), choice, 0); err != nil || outlook.Ready != 5 {
		t.Errorf("a discard has %+v, %v before it, want 5 ready", outlook, err)
	}
	all := pulse.DeadChoice{Filter: &pulse.DeadFilter{Class: "b"}}
	if outlook, err = d.DeadOutlook(t.Context(), all, pulse.MaxReplays); err != nil || outlook.Ready != 1 || len(outlook.Refused) != 1 {
		t.Errorf("of a filter the outlook is %+v, %v, want 1 ready and 1 refused", outlook, err)
	}
}

func TestALetterThatPostgresRefusesIsInvalid(t *testing.T) {
	t.Parallel()
	d := open(t)
	bad := letter(1, "a", 0)
	bad.Message = "a NUL \x00 in text"
	if err := d.MirrorDeadLetters(t.Context(), []pulse.DeadLetter{letter(2, "a", 0), bad}); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
	if n, err := d.DeadStates(t.Context()); err != nil || n[pulse.DeadOpen] != 0 {
		t.Errorf("%v letters are stored all the same, %v", n, err)
	}
}

func TestALetterWithoutAKeyIsRefusedAndOneThatHadItsTurnPassedOver(t *testing.T) {
	t.Parallel()
	d := open(t)
	keyless := letter(1, "a", 0)
	keyless.Key = nil
	mirror(t, d, keyless, letter(2, "a", 0), letter(3, "a", 0))
	all := pulse.DeadChoice{Filter: &pulse.DeadFilter{}}
	outlook, err := d.DeadOutlook(t.Context(), all, pulse.MaxReplays)
	if err != nil || outlook.Ready != 2 || len(outlook.Refused) != 1 || outlook.Refused[0].Count != 1 {
		t.Errorf("the outlook is %+v, %v", outlook, err)
	}
	if outlook, err = d.DeadOutlook(t.Context(), all, 0); err != nil || outlook.Ready != 3 || len(outlook.Reasons) != 1 || outlook.Reasons[0].Count != 3 {
		t.Errorf("of a discard the outlook is %+v, %v", outlook, err)
	}
	if got := lease(t, d, all, 10, "reddit.posts.raw/1/2"); len(got) != 1 || got[0].ID != "reddit.posts.raw/1/3" {
		t.Errorf("leased %+v, want the third alone", got)
	}
}
