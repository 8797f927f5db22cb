package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"dev.redditpulse/daemon/bus"
	"dev.redditpulse/daemon/db"
	"dev.redditpulse/daemon/pgtest"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// patience is how long any condition of these tests may take.
const patience = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// database gives a real one with the schema.
func database(t testing.TB) *db.DB {
	t.Helper()
	c := config.Default().Postgres
	primary, _ := pgtest.Database(t)
	c.PrimaryDSN = config.Secret(primary)
	m, err := db.OpenMigrator(c.PrimaryDSN, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(c, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// broker is a Kafka with our topics.
func broker(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(500*time.Millisecond),
		kfake.SeedTopics(3, wire.TopicRaw, wire.TopicRefresh, wire.TopicDead))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func openBus(t testing.TB, c *kfake.Cluster) *bus.Bus {
	t.Helper()
	b, err := bus.Open(bus.Config{
		Brokers: c.ListenAddrs(), Group: "g.dead", SessionTimeout: 2 * time.Second, RebalanceTimeout: 3 * time.Second,
		Heartbeat: 100 * time.Millisecond, WriteTimeout: 2 * time.Second, FetchWait: 50 * time.Millisecond, FetchBytes: 256 << 10,
	}, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// mirroring runs a mirror as a member of the group, until the stop that it gives.
func mirroring(t testing.TB, c *kfake.Cluster, store LetterStore) (m *Mirror, reg *prometheus.Registry, stop func()) {
	t.Helper()
	reg = prometheus.NewRegistry()
	m = NewMirror(store, quiet, reg, func() time.Time { return start.Add(time.Hour) })
	b := openBus(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, []string{wire.TopicDead}, func(ctx context.Context, c *bus.Claim) { m.Partition(ctx, c) })
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return m, reg, stop
}

// foreigner produces to the dead letters' topic what no process of ours would.
func foreigner(t testing.TB, c *kfake.Cluster, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ProducerBatchMaxBytes(2<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, r := range records {
		r.Topic = wire.TopicDead
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// letters makes dead letters of different posts.
func letters(n int) []wire.Record {
	var all []wire.Record
	for i := range n {
		r := dead(0, wire.Header{Key: wire.HeaderDeadID, Value: fmt.Appendf(nil, "reddit.posts.raw/1/%d", i)},
			wire.Header{Key: wire.HeaderDeadOffset, Value: fmt.Append(nil, i)},
			wire.Header{Key: wire.HeaderDeadReplays, Value: []byte("0")})
		r.Key = fmt.Appendf(nil, "t3_%d", i)
		all = append(all, r)
	}
	return all
}

func open(t testing.TB, d *db.DB) int64 {
	t.Helper()
	counts, err := d.DeadStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counts[pulse.DeadOpen]
}

func TestEveryRecordOfTheTopicIsMirroredOnce(t *testing.T) {
	t.Parallel()
	c, d := broker(t), database(t)
	ours := openBus(t, c)
	if err := ours.Produce(t.Context(), letters(100)); err != nil {
		t.Fatal(err)
	}
	huge := bytes.Repeat([]byte{0xff, 0}, 1<<19)
	foreigner(t, c, &kgo.Record{}, &kgo.Record{Key: []byte("k"), Value: huge},
		&kgo.Record{Value: []byte("x"), Headers: []kgo.RecordHeader{{Key: "\xff\x00", Value: []byte{0xff}}, {Key: wire.HeaderDeadID, Value: []byte("\xff\x00")}}})
	_, reg, stop := mirroring(t, c, d)
	until(t, "all are mirrored", func() bool { return open(t, d) == 103 })
	stop()
	got, err := d.DeadLetter(t.Context(), "reddit.posts.raw/1/42")
	if err != nil || string(got.Key) != "t3_42" || string(got.Value) != "{\x00\xff" || got.Message != "score: refused" || len(got.Headers) != 1 {
		t.Errorf("mirrored %+v, %v", got, err)
	}
	page, err := d.DeadLetters(t.Context(), pulse.DeadQuery{Filter: pulse.DeadFilter{Class: pulse.DeadForeign}, Limit: 10})
	if err != nil || len(page) != 3 {
		t.Fatalf("foreign are %+v, %v", page, err)
	}
	sizes := map[int]bool{}
	for _, l := range page {
		sizes[l.Size] = strings.HasPrefix(l.ID, wire.TopicDead+"/")
	}
	if !sizes[0] || !sizes[1] || !sizes[1+len(huge)] {
		t.Errorf("foreign letters of sizes %v", sizes)
	}
	if n, err := testutil.GatherAndCount(reg, "pulse_store_dead_letters_mirrored_total"); err != nil || n != 1 {
		t.Errorf("the counter: %d, %v", n, err)
	}

	// A group that has lost its offsets reads all again: nothing changes.
	if err := d.MarkReplayed(t.Context(), []pulse.DeadLetter{{ID: got.ID, Replays: 1}}, "olga"); err != nil {
		t.Fatal(err)
	}
	var again []pulse.DeadLetter
	for _, r := range letters(100) {
		r.Topic, r.Time = wire.TopicDead, start
		again = append(again, letterOf(&r, start))
	}
	if err := d.MirrorDeadLetters(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if n := open(t, d); n != 102 {
		t.Errorf("%d are open, want 102 and the replayed one left alone", n)
	}
}

func TestSeveralMirrorsShareTheTopicAndLoseNothing(t *testing.T) {
	t.Parallel()
	c, d := broker(t), database(t)
	ours := openBus(t, c)
	all := letters(600)
	_, _, stopFirst := mirroring(t, c, d)
	for i := 0; i < len(all); i += 100 {
		if i == 200 {
			mirroring(t, c, d)
		}
		if i == 400 {
			stopFirst()
		}
		if err := ours.Produce(t.Context(), all[i:i+100]); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all are mirrored", func() bool { return open(t, d) == int64(len(all)) })
}

// flaky is a store that fails as it is told.
type flaky struct {
	LetterStore
	mu   sync.Mutex // covers the rest
	fail func(letters []pulse.DeadLetter) error
}

func (f *flaky) MirrorDeadLetters(ctx context.Context, letters []pulse.DeadLetter) error {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	if err := fail(letters); err != nil {
		return err
	}
	return f.LetterStore.MirrorDeadLetters(ctx, letters)
}

func (f *flaky) set(fail func([]pulse.DeadLetter) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func TestAnOutageOfTheDatabaseIsWaitedOutAndTold(t *testing.T) {
	t.Parallel()
	c, d := broker(t), database(t)
	f := &flaky{LetterStore: d}
	f.set(func([]pulse.DeadLetter) error { return pulse.Errorf(pulse.Unavailable, "away") })
	if err := openBus(t, c).Produce(t.Context(), letters(30)); err != nil {
		t.Fatal(err)
	}
	m, _, _ := mirroring(t, c, f)
	until(t, "it is told", func() bool { return m.Paused() != nil })
	if n := open(t, d); n != 0 {
		t.Errorf("%d are mirrored", n)
	}
	f.set(func([]pulse.DeadLetter) error { return nil })
	until(t, "all are mirrored", func() bool { return open(t, d) == 30 })
	until(t, "the end is told", func() bool { return m.Paused() == nil })
}

func TestALetterThatTheDatabaseRefusesDoesNotStopTheMirror(t *testing.T) {
	t.Parallel()
	c, d := broker(t), database(t)
	f := &flaky{LetterStore: d}
	f.set(func(letters []pulse.DeadLetter) error {
		for _, l := range letters {
			if l.ID == "reddit.posts.raw/1/5" && l.Class != pulse.DeadForeign || l.ID == "reddit.posts.raw/1/6" {
				return pulse.Errorf(pulse.Invalid, "refused")
			}
		}
		return nil
	})
	if err := openBus(t, c).Produce(t.Context(), letters(30)); err != nil {
		t.Fatal(err)
	}
	m, _, _ := mirroring(t, c, f)
	until(t, "the others are mirrored", func() bool { return open(t, d) == 29 })
	if l, err := d.DeadLetter(t.Context(), "reddit.posts.raw/1/5"); err != nil || string(l.Value) != "{\x00\xff" {
		t.Errorf("got %+v, %v: want its bytes there all the same", l, err)
	}
	if err := m.Paused(); err != nil {
		t.Error(err)
	}
}

// still is a claim of one batch.
type still struct {
	records   []wire.Record
	commits   []int64
	committed func()
}

func (s *still) Partition() int { return 0 }

func (s *still) Fetch(ctx context.Context, _ int) ([]wire.Record, error) {
	if records := s.records; records != nil {
		s.records = nil
		return records, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *still) Commit(_ context.Context, next int64) error {
	s.commits = append(s.commits, next)
	s.committed()
	return nil
}

type refuser struct{ err error }

func (r refuser) MirrorDeadLetters(context.Context, []pulse.DeadLetter) error { return r.err }
func (refuser) DeadStates(context.Context) (map[pulse.DeadState]int64, error) {
	return map[pulse.DeadState]int64{pulse.DeadOpen: 3}, nil
}

func TestOffsetsMoveOnlyBehindTheRows(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	claim := &still{records: []wire.Record{dead(40), dead(41)}, committed: cancel}
	m := NewMirror(refuser{}, quiet, prometheus.NewRegistry(), time.Now)
	m.Partition(ctx, claim)
	if len(claim.commits) != 1 || claim.commits[0] != 42 {
		t.Errorf("committed %v, want 42", claim.commits)
	}

	ctx, cancel = context.WithCancel(t.Context())
	claim = &still{records: []wire.Record{dead(40)}, committed: func() {}}
	m = NewMirror(refuser{errors.New("a bug")}, quiet, prometheus.NewRegistry(), time.Now)
	var running sync.WaitGroup
	running.Go(func() { m.Partition(ctx, claim) })
	until(t, "it stands still", func() bool { return m.Paused() != nil })
	cancel()
	running.Wait()
	if len(claim.commits) != 0 || m.Paused() != nil {
		t.Errorf("committed %v, paused for %v after its end", claim.commits, m.Paused())
	}
}

func TestTheCountsOfStatesAreKept(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewMirror(refuser{}, quiet, reg, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	until(t, "the gauge is set", func() bool { return testutil.ToFloat64(m.states.WithLabelValues("open")) == 3 })
	cancel()
	running.Wait()
}

// forgetful refuses the first commits.
type forgetful struct {
	still
	refused int
}

func (f *forgetful) Fetch(ctx context.Context, limit int) ([]wire.Record, error) {
	if f.records == nil && len(f.commits) == 0 {
		return nil, ctx.Err() // none came for a moment
	}
	return f.still.Fetch(ctx, limit)
}

func (f *forgetful) Commit(ctx context.Context, next int64) error {
	if f.refused > 0 {
		f.refused--
		return errors.New("the coordinator is away")
	}
	return f.still.Commit(ctx, next)
}

func TestAnOffsetThatIsOwedIsCommittedLater(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	claim := &forgetful{still: still{records: []wire.Record{dead(40)}, committed: cancel}, refused: 3}
	NewMirror(refuser{}, quiet, prometheus.NewRegistry(), time.Now).Partition(ctx, claim)
	if len(claim.commits) != 1 || claim.commits[0] != 41 {
		t.Errorf("committed %v, want 41", claim.commits)
	}
}
