package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"dev.redditpulse/daemon/pgtest"
	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// world is what the stage acts on: a partition's log, the sinks, and errors that
// they are to answer with.
type world struct {
	mu        sync.Mutex
	log       []wire.Record
	next      int64 // to fetch
	committed int64
	posts     map[string]pulse.Post
	history   map[string]pulse.Post // by post and time
	memories  map[string]pulse.Memory
	began     time.Time // of the memory
	baselines []pulse.Baseline
	announced []string
	bodies    []string // of what was announced
	dead      []wire.Record
	fail      func(act string) error
	drained   chan struct{} // closed when everything is committed
}

func newWorld(records ...wire.Record) *world {
	for i := range records {
		records[i].Topic, records[i].Offset = wire.TopicRaw, int64(i)
	}
	return &world{
		log: records, posts: map[string]pulse.Post{}, history: map[string]pulse.Post{},
		memories: map[string]pulse.Memory{}, fail: func(string) error { return nil },
		drained: make(chan struct{}),
	}
}

func (w *world) Topic() string  { return wire.TopicRaw }
func (w *world) Partition() int { return 0 }

func (w *world) Fetch(ctx context.Context, limit int) ([]wire.Record, error) {
	w.mu.Lock()
	end := min(w.next+int64(limit), int64(len(w.log)))
	records := slices.Clone(w.log[w.next:end])
	w.next = end
	w.mu.Unlock()
	if len(records) > 0 {
		return records, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Millisecond):
		return nil, nil
	}
}

func (w *world) Commit(_ context.Context, next int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("commit"); err != nil {
		return err
	}
	if next < w.committed {
		return fmt.Errorf("offset went back from %d to %d", w.committed, next)
	}
	w.committed = next
	if next == int64(len(w.log)) {
		close(w.drained)
	}
	return nil
}

func (w *world) Recall(_ context.Context, ids []string) ([][]byte, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bodies := make([][]byte, len(ids))
	for i, id := range ids {
		bodies[i] = w.memories[id].Body
	}
	return bodies, w.began, w.fail("recall")
}

func (w *world) Remember(_ context.Context, memories []pulse.Memory) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("remember"); err != nil {
		return err
	}
	for _, m := range memories {
		if m.ObservedAt.After(w.memories[m.PostID].ObservedAt) {
			m.Body = slices.Clone(m.Body)
			w.memories[m.PostID] = m
		}
	}
	return nil
}

func (w *world) Announce(_ context.Context, posts [][]byte, _ int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("announce"); err != nil {
		return err
	}
	for _, body := range posts {
		p, err := wire.DecodePost(body)
		if err != nil {
			return err
		}
		w.announced = append(w.announced, p.PostID)
		w.bodies = append(w.bodies, string(body))
	}
	return nil
}

func (w *world) WriteBatch(_ context.Context, readings []pulse.Post) (stored []string, repeated []pulse.Post, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("write"); err != nil {
		return nil, nil, err
	}
	for _, p := range readings {
		if strings.HasPrefix(p.Title, "refused") {
			return nil, nil, pulse.InvalidField("title", "the database refuses it")
		}
	}
	for i, p := range readings {
		before, ok := w.posts[p.PostID]
		switch {
		case i+1 < len(readings) && readings[i+1].PostID == p.PostID:
		case !ok || before.ObservedAt.Before(p.ObservedAt):
			w.posts[p.PostID] = p
			stored = append(stored, p.PostID)
		case before.ObservedAt.Equal(p.ObservedAt):
			repeated = append(repeated, before)
		}
	}
	for _, p := range readings {
		key := p.PostID + p.ObservedAt.String()
		if _, ok := w.history[key]; !ok {
			w.history[key] = p
		}
	}
	return stored, repeated, nil
}

func (w *world) PostsByID(_ context.Context, ids []string) (posts []pulse.Post, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if p, ok := w.posts[id]; ok {
			posts = append(posts, p)
		}
	}
	return posts, w.fail("seed")
}

func (w *world) AddBaselines(_ context.Context, learnt []pulse.Baseline) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("learn"); err != nil {
		return err
	}
	w.baselines = append(w.baselines, learnt...)
	return nil
}

func (w *world) EachBaseline(_ context.Context, _ time.Time, f func(pulse.Baseline)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.baselines {
		f(b)
	}
	return w.fail("usual")
}

func (w *world) Produce(_ context.Context, records []wire.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail("produce"); err != nil {
		return err
	}
	w.dead = append(w.dead, records...)
	return nil
}

func (w *world) processor() *Processor {
	return New(Config{
		BatchSize: 100, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond,
		PoisonShare: 0.2, StreamLength: 100, Group: "g", Rules: score.Rules{
			MinStep: 30 * time.Second, Tau: 15 * time.Minute, Noise: 6, NoiseShare: 0.03, Enter: 80, Leave: 60,
			MinPoints: 10, MinComments: 5, Prior: 10 * time.Hour, MinBaseline: time.Hour,
		}, LearnEvery: time.Second,
	}, w, w, w, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), func() time.Time { return start.Add(24 * time.Hour) })
}

// run processes until everything is committed.
func (w *world) run(t *testing.T, p *Processor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Partition(ctx, w)
	}()
	select {
	case <-w.drained:
	case <-ctx.Done():
		t.Fatal("not everything was committed")
	}
	cancel()
	<-done
}

func record(id string, after time.Duration, title string) wire.Record {
	o := pulse.Observation{
		PostID: id, ObservedAt: start.Add(after), Source: "test", Subreddit: "golang", Title: title,
		Author: "a", CreatedAt: start, Score: 5, State: pulse.Live,
	}
	return wire.Record{Key: []byte(id), Value: wire.EncodeObservation(&o), Time: start}
}

func TestABatchKeepsEveryReadingAndTheNewestPost(t *testing.T) {
	t.Parallel()
	w := newWorld(record("t3_b", 2*time.Minute, "late"), record("t3_a", 0, "x"),
		record("t3_b", time.Minute, "early"), record("t3_b", 2*time.Minute, "late"))
	w.run(t, w.processor())
	if got := w.posts["t3_b"].Title; got != "late" {
		t.Errorf("the newest reading is %q, want late", got)
	}
	if len(w.history) != 3 {
		t.Errorf("history has %d readings, want 3", len(w.history))
	}
	if !slices.Equal(w.announced, []string{"t3_a", "t3_b"}) {
		t.Errorf("announced %v, want each post once", w.announced)
	}
}

func TestPoisonBecomesADeadLetterAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	good := record("t3_a", 0, "good")
	bad := map[string]string{
		"not JSON":   "oops",
		"bad UTF-8":  "{\"v\":1,\"title\":\"\xff\"}",
		"version 2":  `{"v":2}`,
		"no version": `{}`,
		"deep":       strings.Repeat("[", 20_000),
		"NUL":        strings.Replace(string(record("t3_n", 0, "x").Value), `"title":"x"`, `"title":"\u0000"`, 1),
		"impossible": strings.Replace(string(record("t3_i", 0, "x").Value), "2026-", "9026-", 2),
		"negative":   strings.Replace(string(record("t3_m", 0, "x").Value), `"score":5`, `"score":-5`, 1),
		"enormous":   strings.Replace(string(record("t3_e", 0, "x").Value), `"score":5`, `"score":1e400`, 1),
	}
	var records []wire.Record
	for _, what := range slices.Sorted(maps.Keys(bad)) {
		records = append(records, wire.Record{Key: []byte(what), Value: []byte(bad[what]), Headers: []wire.Header{{Key: "h", Value: []byte("v")}}})
	}
	records = append(records, record("t3_r", 0, "refused by the database"), good)
	w := newWorld(records...)
	w.run(t, w.processor())
	if len(w.posts) != 1 || w.posts["t3_a"].Title != "good" {
		t.Errorf("stored %v, want the good one alone", w.posts)
	}
	if len(w.dead) != len(bad)+1 {
		t.Fatalf("%d dead letters, want %d", len(w.dead), len(bad)+1)
	}
	for _, d := range w.dead {
		key := string(d.Key)
		if want, known := bad[key]; known && string(d.Value) != want {
			t.Errorf("%s: the value changed", key)
		}
		if _, known := bad[key]; known && string(d.Header("h")) != "v" {
			t.Errorf("%s: its own header is lost", key)
		}
		if msg := string(d.Header(wire.HeaderDeadMessage)); msg == "" || len(msg) > maxMessage {
			t.Errorf("%s: message %q", key, msg)
		}
		if !strings.HasPrefix(string(d.Header(wire.HeaderDeadID)), wire.TopicRaw+"/0/") {
			t.Errorf("%s: id %q", key, d.Header(wire.HeaderDeadID))
		}
	}
	if stage := string(w.dead[len(bad)].Header(wire.HeaderDeadStage)); stage != "store" {
		t.Errorf("what the database refused has stage %q, want store", stage)
	}
}

func TestBisectingFindsEveryCulprit(t *testing.T) {
	t.Parallel()
	var records []wire.Record
	for i := range 90 {
		title := "good"
		if i%13 == 0 {
			title = "refused"
		}
		records = append(records, record(fmt.Sprintf("t3_%02d", i), 0, title))
	}
	w := newWorld(records...)
	w.run(t, w.processor())
	if len(w.posts) != 83 || len(w.dead) != 7 || len(w.announced) != 83 {
		t.Errorf("%d stored, %d dead, %d announced, want 83, 7, 83", len(w.posts), len(w.dead), len(w.announced))
	}
}

func TestOutagesPauseAndLoseNothing(t *testing.T) {
	t.Parallel()
	for _, act := range []string{"recall", "write", "remember", "produce", "announce"} {
		for name, code := range map[string]pulse.Code{"outage": pulse.Unavailable, "bug": pulse.Internal} {
			t.Run(act+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(record("t3_a", 0, "x"), wire.Record{Value: []byte("poison")})
				p := w.processor()
				left := 5
				w.fail = func(at string) error {
					if at != act || left == 0 {
						return nil
					}
					left--
					if left < 4 && p.Paused() == nil {
						t.Error("not paused")
					}
					return pulse.Errorf(code, "away")
				}
				w.run(t, p)
				if len(w.posts) != 1 || len(w.dead) != 1 || len(w.announced) != 1 {
					t.Errorf("%d stored, %d dead, %d announced, want one each", len(w.posts), len(w.dead), len(w.announced))
				}
				if p.Paused() != nil {
					t.Errorf("still paused: %v", p.Paused())
				}
			})
		}
	}
}

func TestACommitThatFailsIsOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(record("t3_a", 0, "x"))
	left := 3
	w.fail = func(act string) error {
		if act != "commit" || left == 0 {
			return nil
		}
		left--
		return errors.New("coordinator not available")
	}
	w.run(t, w.processor())
	if w.committed != 1 || len(w.announced) != 1 {
		t.Errorf("committed %d, announced %d times, want once", w.committed, len(w.announced))
	}
}

func TestADeadLetterThatCannotBeSentIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(wire.Record{Value: []byte("poison")})
	left := 3
	w.fail = func(act string) error {
		if act != "produce" || left == 0 {
			return nil
		}
		left--
		return pulse.InvalidField("value", "too large")
	}
	w.run(t, w.processor())
	if len(w.dead) != 1 || w.committed != 1 {
		t.Errorf("%d dead letters, committed %d, want one each", len(w.dead), w.committed)
	}
}

func TestMostlyPoisonHaltsThePartition(t *testing.T) {
	t.Parallel()
	var records []wire.Record
	for range minPoison {
		records = append(records, wire.Record{Value: []byte("poison")})
	}
	w := newWorld(records...)
	p := w.processor()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Partition(ctx, w)
	}()
	deadline := time.Now().Add(10 * time.Second)
	for p.Paused() == nil {
		if time.Now().After(deadline) {
			t.Fatal("not halted")
		}
		<-time.After(time.Millisecond)
	}
	if !strings.Contains(p.Paused().Error(), "process.poison_share") {
		t.Errorf("%v does not say what mends it", p.Paused())
	}
	cancel()
	<-done
	if w.committed != 0 || len(w.dead) != 0 {
		t.Errorf("committed %d with %d dead letters, want none", w.committed, len(w.dead))
	}
}

func TestAReplayedDeadLetterKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(wire.Record{Value: []byte("poison"), Headers: []wire.Header{
		{Key: wire.HeaderDeadID, Value: []byte("topic/1/2")},
		{Key: wire.HeaderDeadReplays, Value: []byte("2")},
	}})
	w.run(t, w.processor())
	d := w.dead[0]
	if string(d.Header(wire.HeaderDeadID)) != "topic/1/2" || string(d.Header(wire.HeaderDeadReplays)) != "2" {
		t.Errorf("id %q and replays %q, want the first failure's", d.Header(wire.HeaderDeadID), d.Header(wire.HeaderDeadReplays))
	}
}
