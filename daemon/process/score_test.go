package process

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func reading(id string, after time.Duration, score int64) wire.Record {
	o := pulse.Observation{
		PostID: id, ObservedAt: start.Add(after), Source: "test", Subreddit: "golang", Title: "what a great day",
		Author: "a", CreatedAt: start, Score: score, State: pulse.Live,
	}
	return wire.Record{Key: []byte(id), Value: wire.EncodeObservation(&o), Time: start}
}

// add appends records to the log of a world that is drained.
func (w *world) add(records ...wire.Record) {
	for _, r := range records {
		r.Topic, r.Offset = wire.TopicRaw, int64(len(w.log))
		w.log = append(w.log, r)
	}
	w.drained = make(chan struct{})
}

func velocityOf(t *testing.T, w *world, id string) float64 {
	t.Helper()
	p := w.posts[id]
	if p.Velocity == nil {
		t.Fatalf("%s: velocity unknown", id)
	}
	return *p.Velocity
}

func TestTheSecondReadingHasAVelocityAndAFeeling(t *testing.T) {
	t.Parallel()
	w := newWorld(reading("t3_a", 0, 10), reading("t3_a", 2*time.Minute, 40))
	w.run(t, w.processor())
	if v := velocityOf(t, w, "t3_a"); v != 15 {
		t.Errorf("velocity %v, want 15 a minute", v)
	}
	if first := w.history["t3_a"+start.String()]; first.Velocity != nil {
		t.Errorf("the first sight has velocity %v, want unknown", *first.Velocity)
	}
	if s := w.posts["t3_a"].Sentiment; s == nil || *s <= 0 {
		t.Errorf("sentiment %v, want a good one", s)
	}
}

func TestALostMemoryIsContinuedFromTheDatabase(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(w *world){
		"all of it":       func(w *world) { w.memories, w.began = map[string]pulse.Memory{}, start.Add(time.Hour) },
		"made unreadable": func(w *world) { w.memories["t3_a"] = pulse.Memory{PostID: "t3_a", Body: []byte("?")} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(reading("t3_a", 0, 10), reading("t3_a", 2*time.Minute, 40))
			w.run(t, w.processor())
			lose(w)
			w.add(reading("t3_a", 4*time.Minute, 70))
			w.run(t, w.processor())
			if v := velocityOf(t, w, "t3_a"); v < 14.99 || v > 15.01 {
				t.Errorf("velocity %v, want 15 a minute", v)
			}
		})
	}
}

func TestAPostThatIsNowhereIsUnknownNotStill(t *testing.T) {
	t.Parallel()
	w := newWorld(reading("t3_a", 0, 10))
	w.began = start.Add(time.Hour)
	w.run(t, w.processor())
	if v := w.posts["t3_a"].Velocity; v != nil {
		t.Errorf("velocity %v, want unknown", *v)
	}
}

func TestARefusedReadingIsNotRemembered(t *testing.T) {
	t.Parallel()
	refused := record("t3_a", 0, "refused")
	w := newWorld(refused, record("t3_b", 0, "good"))
	w.run(t, w.processor())
	if _, ok := w.memories["t3_a"]; ok || len(w.dead) != 1 {
		t.Fatalf("remembered: %v, %d dead letters, want nothing remembered of the one dead letter", ok, len(w.dead))
	}
	if _, ok := w.memories["t3_b"]; !ok {
		t.Error("the good one is not remembered")
	}
}

func TestWhatIsLearntIsStoredAndReadBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(reading("t3_a", 0, 10), reading("t3_a", 2*time.Minute, 40))
		p := w.processor()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = p.Run(ctx)
		}()
		go p.Partition(ctx, w)
		time.Sleep(5500 * time.Millisecond)
		w.mu.Lock()
		cells := len(w.baselines)
		w.mu.Unlock()
		if cells == 0 || p.usual.Load() == nil {
			t.Errorf("%d cells stored, want some, and read back", cells)
		}
		// What comes last is stored on the way out.
		w.mu.Lock()
		w.log = append(w.log, reading("t3_a", 4*time.Minute, 70))
		w.drained = make(chan struct{})
		w.fail = func(act string) error {
			if act == "learn" && ctx.Err() == nil {
				t.Error("flushed before the end")
			}
			return nil
		}
		w.mu.Unlock()
		time.Sleep(200 * time.Millisecond)
		cancel()
		<-ended
		if len(w.baselines) <= cells {
			t.Errorf("%d cells stored, want more than %d", len(w.baselines), cells)
		}
	})
}

func TestWhatMayBeStoredAlreadyIsNotLearntAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(reading("t3_a", 0, 10), reading("t3_a", 2*time.Minute, 40))
	w.fail = func(act string) error {
		if act == "learn" {
			return pulse.Errorf(pulse.Unavailable, "away")
		}
		return nil
	}
	p := w.processor()
	w.run(t, p)
	p.flush(t.Context())
	w.fail = func(string) error { return nil }
	p.flush(t.Context())
	if len(w.baselines) != 0 {
		t.Errorf("%d cells stored, want none: it is not known whether they were", len(w.baselines))
	}
}

func TestAStateThatDidNotMoveIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(reading("t3_a", 2*time.Minute, 40))
	w.run(t, w.processor())
	// Another claim has stored the row and is about to remember its state.
	w.memories, w.began = map[string]pulse.Memory{}, start.Add(time.Hour)
	w.add(reading("t3_a", time.Minute, 20), reading("t3_a", 2*time.Minute, 40))
	w.run(t, w.processor())
	if m, ok := w.memories["t3_a"]; ok {
		t.Errorf("remembered %+v, want it left to whoever moved it", m)
	}
}
