package ingest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/pulse"
)

func newTestLive(most int) *live {
	l := newLive(24*time.Hour, most, newMetrics(prometheus.NewRegistry()))
	l.begun = noon
	return l
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func reading(id string, age time.Duration, at time.Time, score, comments int64) pulse.Observation {
	return pulse.Observation{
		PostID: "t3_" + id, CreatedAt: at.Add(-age), ObservedAt: at, Score: score, NumComments: comments, State: pulse.Live,
	}
}

// waitOfPost is how long a post may go unread, but for the spreading.
func waitOfPost(l *live, id string) time.Duration {
	return time.Duration(l.wait(l.posts["t3_"+id])) * time.Millisecond
}

// saw takes note of readings when they were made.
func saw(l *live, readings ...pulse.Observation) {
	for _, o := range readings {
		l.saw([]pulse.Observation{o}, o.ObservedAt)
	}
}

func TestWhatMovesIsReadSooner(t *testing.T) {
	t.Parallel()
	l := newTestLive(100)
	for i := range 30 {
		at := noon.Add(time.Duration(i) * time.Minute)
		saw(l,
			reading("still", time.Hour, at, 5, 1),
			reading("fuzzy", time.Hour, at, int64(100+i%2*5), 1),
			reading("rising", time.Hour, at, int64(i*60), int64(i)),
			reading("slow", time.Hour, at, int64(i*8), 1),
		)
	}
	still, fuzzy, slow, rising := waitOfPost(l, "still"), waitOfPost(l, "fuzzy"), waitOfPost(l, "slow"), waitOfPost(l, "rising")
	if still != 15*time.Minute || fuzzy != still {
		t.Errorf("what stands still waits %s, what only flickers %s", still, fuzzy)
	}
	if rising != time.Minute || slow <= rising || slow >= still {
		t.Errorf("waits: rising %s, slow %s", rising, slow)
	}
}

func TestWhatHasStoppedIsReadSeldom(t *testing.T) {
	t.Parallel()
	l := newTestLive(100)
	saw(l, reading("a", time.Hour, noon, 5, 1))
	saw(l, reading("a", 61*time.Minute, noon.Add(time.Minute), 500, 1))
	for i := range 600 { // an estimate fades to next to nothing
		saw(l, reading("a", 2*time.Hour, noon.Add(time.Duration(i+2)*time.Minute), 500, 1))
		l.posts["t3_a"].created = noon.Add(time.Duration(i-120) * time.Minute).UnixMilli()
	}
	if wait := waitOfPost(l, "a"); wait != 15*time.Minute {
		t.Errorf("it waits %s", wait)
	}
}

func TestPostsThatEndedAreLeftAlone(t *testing.T) {
	t.Parallel()
	l := newTestLive(100)
	saw(l, reading("a", time.Hour, noon, 1, 1), reading("old", 25*time.Hour, noon, 1, 1))
	removed := reading("a", time.Hour, noon.Add(time.Minute), 1, 1)
	removed.State = pulse.Removed
	if l.len() != 1 {
		t.Errorf("%d posts, want the young one", l.len())
	}
	saw(l, removed)
	if l.len() != 0 || len(l.due) != 0 {
		t.Errorf("%d posts are read on after their end", l.len())
	}
}

func TestRefreshesAreFull(t *testing.T) {
	t.Parallel()
	l := newTestLive(1000)
	for i := range 250 {
		saw(l, reading(fmt.Sprint(i), 2*time.Hour, noon.Add(time.Duration(i)*time.Second), 1, 1))
	}
	for _, p := range l.posts { // without the spreading
		p.due = p.read + l.wait(p)
		l.place(p)
	}
	if ids, next := l.batch(noon.Add(10 * time.Minute)); ids != nil || next.Before(noon.Add(14*time.Minute)) {
		t.Errorf("%d ids before any is due, next %s", len(ids), next)
	}
	at := noon.Add(15*time.Minute + 5*time.Second)
	if ids, _ := l.batch(at); ids != nil {
		t.Errorf("%d ids while five are due: more will be soon", len(ids))
	}
	at = at.Add(6 * time.Second)
	ids, _ := l.batch(at)
	if len(ids) != 100 || ids[0] != "t3_0" {
		t.Errorf("%d ids from %v, want a whole request", len(ids), ids[:1])
	}
	if again, _ := l.batch(at.Add(time.Minute)); slices.Contains(again, "t3_0") {
		t.Error("a post that is being read is asked for again")
	}
	l.release(ids, at.Add(2*time.Minute))
	again, _ := l.batch(at.Add(3 * time.Minute))
	if len(again) != 100 {
		t.Errorf("after a failure %d are asked for", len(again))
	}
}

func TestPostsJustReadDoNotFillARequest(t *testing.T) {
	t.Parallel()
	l := newTestLive(1000)
	saw(l, reading("due", 2*time.Hour, noon, 1, 1))
	now := noon.Add(16 * time.Minute)
	saw(l, reading("fresh", time.Minute, now.Add(-10*time.Second), 1, 1))
	if ids, _ := l.batch(now); !slices.Equal(ids, []string{"t3_due"}) {
		t.Errorf("asked for %v", ids)
	}
	if l.len() != 2 || len(l.due) != 1 {
		t.Error("the fresh one is lost")
	}
}

func TestTooManyLivePostsCostTheQuietOnes(t *testing.T) {
	t.Parallel()
	l := newTestLive(500)
	for i := range 100 {
		for k := range 10 {
			saw(l, reading(fmt.Sprint("busy", i), 2*time.Hour, noon.Add(time.Duration(k)*time.Minute), int64(100*k), 1))
		}
	}
	for i := range 5000 {
		saw(l, reading(fmt.Sprint("quiet", i), 7*time.Hour, noon.Add(9*time.Minute), 1, 1))
	}
	if l.len() != 500 || len(l.due) != 500 {
		t.Errorf("%d posts, %d wait", l.len(), len(l.due))
	}
	busy := 0
	for i := range 100 {
		if l.posts["t3_"+fmt.Sprint("busy", i)] != nil {
			busy++
		}
	}
	if busy < 95 {
		t.Errorf("only %d of the 100 that move are left", busy)
	}
}

func TestOldReadingsChangeNothing(t *testing.T) {
	t.Parallel()
	l := newTestLive(10)
	saw(l, reading("a", time.Hour, noon, 100, 1))
	due := waitOfPost(l, "a")
	old := reading("a", time.Hour, noon.Add(-time.Minute), 5000, 1)
	saw(l, old, reading("a", time.Hour, noon, 100, 1))
	if waitOfPost(l, "a") != due || l.posts["t3_a"].score != 100 {
		t.Error("an old reading counts")
	}
}

func TestPostsAreReadAgainAndTheirEndIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	w.rows[0].IntervalSeconds = 3600
	runs(t, w, func() {
		for i := range 250 {
			w.post("golang", fmt.Sprint(i))
		}
		w.edit(func() { w.rows[0].Version++ })
		pass(10 * time.Minute)
		w.set(func() { w.gone["t3_7"] = true })
		pass(20 * time.Minute)
		requests, posts := w.refreshes()
		if perRequest := float64(posts) / float64(requests); perRequest < 80 {
			t.Errorf("%.0f posts a request in %d requests", perRequest, requests)
		}
		if w.known("t3_7").State != pulse.Gone || w.known("t3_8").State != pulse.Live {
			t.Errorf("the one that is gone is %q, its neighbour %q", w.known("t3_7").State, w.known("t3_8").State)
		}
		if w.known("t3_7").Title != "7" {
			t.Error("its last figures are gone, too")
		}
		pass(24 * time.Hour)
		before, _ := w.refreshes()
		pass(2 * time.Hour)
		if after, _ := w.refreshes(); after != before {
			t.Error("posts are read again after a day")
		}
	})
}

func TestAnAnswerWithoutAnyPostIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld("golang")
	runs(t, w, func() {
		for i := range 100 {
			w.post("golang", fmt.Sprint(i))
		}
		pass(time.Minute)
		w.set(func() {
			for i := range 100 {
				w.gone[fmt.Sprint("t3_", i)] = true
			}
			w.posts["golang"] = w.posts["golang"][:0]
		})
		pass(30 * time.Minute)
		w.set(func() {
			for id, p := range w.stored {
				if p.State != pulse.Live {
					t.Errorf("%s is %s", id, p.State)
				}
			}
		})
	})
}

func BenchmarkLiveDemand(b *testing.B) {
	l := newTestLive(200_000)
	for i := range 200_000 {
		saw(l, reading(fmt.Sprint(i), 2*time.Hour, noon, 1, 1))
	}
	for b.Loop() {
		l.demand()
	}
}
