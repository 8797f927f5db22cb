package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// topic is a Kafka that keeps what it is given, and fails as it is told.
type topic struct {
	mu   sync.Mutex // covers the rest
	sent []wire.Record
	fail func(ctx context.Context, records []wire.Record) error
}

func (p *topic) Produce(ctx context.Context, records []wire.Record) error {
	p.mu.Lock()
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, records); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, records...)
	return nil
}

// times counts how often each letter was sent.
func (p *topic) times() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := map[string]int{}
	for i := range p.sent {
		n[string(p.sent[i].Header(wire.HeaderDeadID))]++
	}
	return n
}

// shelve mirrors n letters and gives their ids.
func shelve(t testing.TB, d *db.DB, n int) []string {
	t.Helper()
	var ids []string
	var all []pulse.DeadLetter
	for i, r := range letters(n) {
		r.Topic, r.Time = wire.TopicDead, start.Add(time.Duration(i)*time.Millisecond)
		l := letterOf(&r, start.Add(time.Hour))
		all, ids = append(all, l), append(ids, l.ID)
	}
	if err := d.MirrorDeadLetters(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	return ids
}

var everything = pulse.DeadChoice{Filter: &pulse.DeadFilter{}}

func TestAReplayIsTheRecordThatFailed(t *testing.T) {
	t.Parallel()
	d, kafka := database(t), &topic{}
	id := shelve(t, d, 1)[0]
	r := NewReplayer(d, kafka, 1000, quiet)
	for range 2 { // the second changes nothing
		if _, _, err := r.Replay(t.Context(), pulse.DeadChoice{IDs: []string{id}}, "olga", 100); err != nil {
			t.Fatal(err)
		}
	}
	if len(kafka.sent) != 1 {
		t.Fatalf("%d records sent, want 1", len(kafka.sent))
	}
	got := kafka.sent[0]
	if got.Topic != wire.TopicRaw || string(got.Key) != "t3_0" || string(got.Value) != "{\x00\xff" {
		t.Errorf("sent %+v", got)
	}
	for key, want := range map[string]string{
		wire.HeaderDeadID: id, wire.HeaderDeadReplays: "1", wire.HeaderDeadFirstFailed: wire.FormatTime(start),
		wire.HeaderProducedAt: "2026-03-04T05:06:06Z", wire.HeaderDeadMessage: "",
	} {
		if got := string(got.Header(key)); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if l, err := d.DeadLetter(t.Context(), id); err != nil || l.State != pulse.DeadReplayed || l.Replays != 1 || l.ChangedBy != "olga" {
		t.Errorf("marked as %+v, %v", l, err)
	}
}

func TestSeveralOperatorsSendEachLetterOnce(t *testing.T) {
	t.Parallel()
	d, kafka := database(t), &topic{}
	ids := shelve(t, d, 300)
	var operators sync.WaitGroup
	var mu sync.Mutex // covers total
	total := 0
	for i := range 4 {
		operators.Go(func() {
			r := NewReplayer(d, kafka, 100_000, quiet)
			n, _, err := r.Replay(context.Background(), everything, fmt.Sprint("operator ", i), 1000)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	operators.Wait()
	times := kafka.times()
	for _, id := range ids {
		if times[id] != 1 {
			t.Errorf("%s was sent %d times", id, times[id])
		}
	}
	if total != len(ids) || open(t, d) != 0 {
		t.Errorf("%d counted, %d left open, want %d and none", total, open(t, d), len(ids))
	}
}

func TestALimitIsKeptOldestFirst(t *testing.T) {
	t.Parallel()
	d, kafka := database(t), &topic{}
	ids := shelve(t, d, 60)
	if n, _, err := NewReplayer(d, kafka, 100_000, quiet).Replay(t.Context(), everything, "olga", 33); err != nil || n != 33 {
		t.Fatalf("%d replayed, %v, want 33", n, err)
	}
	times := kafka.times()
	for i, id := range ids {
		if want := i < 33; (times[id] == 1) != want {
			t.Errorf("letter %d was sent %d times", i, times[id])
		}
	}
}

func TestWhatIsNotAcknowledgedIsNotMarked(t *testing.T) {
	t.Parallel()
	d, kafka := database(t), &topic{}
	ids := shelve(t, d, 50)
	calls := 0
	kafka.fail = func(context.Context, []wire.Record) error {
		if calls++; calls > 1 {
			return errors.New("no leader")
		}
		return nil
	}
	r := NewReplayer(d, kafka, 100_000, quiet)
	n, _, err := r.Replay(t.Context(), everything, "olga", 1000)
	if err == nil || n != replayChunk || open(t, d) != int64(len(ids)-replayChunk) {
		t.Errorf("%d counted, %v; %d are open, want the others open", n, err, open(t, d))
	}
	kafka.fail = nil
	if n, _, err := r.Replay(t.Context(), everything, "olga", 1000); err != nil || n != len(ids)-replayChunk {
		t.Errorf("%d replayed when Kafka was back, %v, want the rest at once", n, err)
	}
	for id, n := range kafka.times() {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

// One that no broker takes must not stand in the way of the others.
func TestALetterThatCannotBeSentDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	d, kafka := database(t), &topic{}
	ids := shelve(t, d, 45)
	kafka.fail = func(_ context.Context, records []wire.Record) error {
		for i := range records {
			if string(records[i].Header(wire.HeaderDeadID)) == ids[3] {
				return pulse.InvalidField("key", "missing: a record without one has no order")
			}
		}
		return nil
	}
	n, refused, err := NewReplayer(d, kafka, 100_000, quiet).Replay(t.Context(), everything, "olga", 1000)
	if err != nil || n != len(ids)-1 || refused != 1 {
		t.Errorf("%d replayed, %d refused, %v, want all but one", n, refused, err)
	}
	if l, err := d.DeadLetter(t.Context(), ids[3]); err != nil || l.State != pulse.DeadOpen || l.Replays != 0 {
		t.Errorf("it is %+v, %v, want it as it was", l, err)
	}
	for id, n := range kafka.times() {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

// What fails again within the act is for the next act: the operator has to look.
func TestOneActSendsALetterOnceThoughItFailsAgain(t *testing.T) {
	t.Parallel()
	d, kafka := database(t), &topic{}
	ids := shelve(t, d, 45)
	kafka.fail = func(ctx context.Context, records []wire.Record) error {
		var failed []pulse.DeadLetter
		for _, r := range records {
			l := pulse.DeadLetter{
				ID: string(r.Header(wire.HeaderDeadID)), Topic: r.Topic, Stage: "store", Class: "invalid:score",
				FirstFailedAt: start, FailedAt: start.Add(time.Minute), Key: r.Key, Value: r.Value,
			}
			if _, err := fmt.Sscan(string(r.Header(wire.HeaderDeadReplays)), &l.Replays); err != nil {
				return err
			}
			failed = append(failed, l)
		}
		return d.MirrorDeadLetters(ctx, failed)
	}
	n, refused, err := NewReplayer(d, kafka, 100_000, quiet).Replay(t.Context(), everything, "olga", 1000)
	if err != nil || n != len(ids) || refused != 0 {
		t.Errorf("%d replayed, %d refused, %v, want %d", n, refused, err, len(ids))
	}
	for id, n := range kafka.times() {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if n := open(t, d); n != int64(len(ids)) {
		t.Errorf("%d are open, want all", n)
	}
}

func TestADiscardSaysHowMany(t *testing.T) {
	t.Parallel()
	d := database(t)
	shelve(t, d, 5)
	r := NewReplayer(d, &topic{}, 100, quiet)
	outlook, err := r.DiscardOutlook(t.Context(), everything)
	if err != nil || outlook.Ready != 5 {
		t.Errorf("the outlook is %+v, %v", outlook, err)
	}
	for _, want := range []int{3, 2, 0} {
		if n, err := r.Discard(t.Context(), everything, "olga", "old", 3); err != nil || n != want {
			t.Errorf("%d discarded, %v, want %d", n, err, want)
		}
	}
}

// endless gives letters without end and notes what becomes of them.
type endless struct {
	mu               sync.Mutex // covers all
	leased, released int
	marked           int
}

func (e *endless) DeadOutlook(context.Context, pulse.DeadChoice, int) (pulse.DeadOutlook, error) {
	return pulse.DeadOutlook{}, nil
}

func (e *endless) LeaseDeadLetters(_ context.Context, _ pulse.DeadChoice, _ []string, _ time.Duration, limit int) ([]pulse.DeadLetter, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]pulse.DeadLetter, limit)
	for i := range all {
		e.leased++
		all[i] = pulse.DeadLetter{ID: fmt.Sprint("reddit.posts.raw/0/", e.leased), Topic: wire.TopicRaw, Key: []byte("k")}
	}
	return all, nil
}

func (e *endless) MarkReplayed(_ context.Context, letters []pulse.DeadLetter, _ string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marked += len(letters)
	return nil
}

func (e *endless) ReleaseDeadLetters(_ context.Context, ids []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.released += len(ids)
	return nil
}

func (e *endless) DiscardDeadLetters(context.Context, pulse.DeadChoice, string, string, int) (int64, error) {
	return 0, nil
}

func TestTheRateIsKeptAndAnActEndsInTime(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]time.Duration{300: 3 * time.Second, 1000: replayTime} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			n, refused, err := NewReplayer(&endless{}, &topic{}, 100, quiet).Replay(t.Context(), everything, "olga", limit)
			took := time.Since(begun)
			if err != nil || refused != 0 || took < want-time.Second/2 || took > want+time.Second/2 {
				t.Errorf("of %d %d replayed and %d refused, %v, in %s, want %s", limit, n, refused, err, took, want)
			}
			if rate := float64(n-replayChunk) / took.Seconds(); rate > 101 {
				t.Errorf("%d letters in %s are %.0f a second, want at most 100", n, took, rate)
			}
		})
	}
}

func TestABrokerThatIsAwayIsSaidSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // nobody waits as long
		defer cancel()
		begun := time.Now()
		kafka := &topic{fail: func(ctx context.Context, _ []wire.Record) error {
			<-ctx.Done() // as the bus does
			return fmt.Errorf("produce: %w", context.Cause(ctx))
		}}
		store := &endless{}
		_, _, err := NewReplayer(store, kafka, 100, quiet).Replay(ctx, everything, "olga", 10)
		if took := time.Since(begun); took > 14*time.Second {
			t.Errorf("said after %s, want it before the client gives up", took)
		}
		if code := pulse.CodeOf(err); code != pulse.Unavailable && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("said %v, want unavailable", err)
		}
		if store.marked != 0 || store.released != store.leased {
			t.Errorf("of %d leased %d marked and %d released", store.leased, store.marked, store.released)
		}
	})
}

func TestACallerThatHasGoneLeavesNoLetterTaken(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	store := &endless{}
	kafka := &topic{fail: func(ctx context.Context, _ []wire.Record) error {
		cancel()
		return ctx.Err()
	}}
	if _, _, err := NewReplayer(store, kafka, 100, quiet).Replay(ctx, everything, "olga", 10); err == nil || strings.Contains(err.Error(), "bug") {
		t.Errorf("got %v", err)
	}
	if store.released != 10 || store.marked != 0 {
		t.Errorf("%d released, %d marked, want all 10 released", store.released, store.marked)
	}
}
