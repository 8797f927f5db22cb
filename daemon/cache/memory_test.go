package cache_test

import (
	"fmt"
	"testing"
	"time"

	"dev.redditpulse/daemon/cache"
	"dev.redditpulse/shared/pulse"
)

func memory(id string, after time.Duration, body string) pulse.Memory {
	return pulse.Memory{PostID: id, ObservedAt: start.Add(after), Body: []byte(body)}
}

func recallOne(t *testing.T, r *cache.Cache, id string) string {
	t.Helper()
	bodies, _, err := r.Recall(t.Context(), []string{id})
	if err != nil {
		t.Fatal(err)
	}
	return string(bodies[0])
}

func TestOfTwoMemoriesTheNewerReadingWins(t *testing.T) {
	t.Parallel()
	r := open(t)
	steps := []struct {
		what  string
		after time.Duration
		body  string
		want  string
	}{
		{"the first is kept", time.Minute, "a", "a"},
		{"the same time again changes nothing", time.Minute, "b", "a"},
		{"an older one changes nothing", 0, "c", "a"},
		{"a newer one wins", time.Minute + time.Millisecond, "d\x00\xff", "d\x00\xff"},
		{"also by years", 30 * 365 * 24 * time.Hour, "e", "e"},
	}
	for _, s := range steps {
		if err := r.Remember(t.Context(), []pulse.Memory{memory("t3_a", s.after, s.body)}); err != nil {
			t.Fatalf("%s: %v", s.what, err)
		}
		if got := recallOne(t, r, "t3_a"); got != s.want {
			t.Errorf("%s: recalled %q, want %q", s.what, got, s.want)
		}
	}
}

func TestManyPostsAreRecalledInTheirOrder(t *testing.T) {
	t.Parallel()
	r := open(t)
	var ids []string
	var memories []pulse.Memory
	for i := range 1000 {
		id := fmt.Sprintf("t3_%d", i)
		ids = append(ids, id)
		if i%3 != 0 {
			memories = append(memories, memory(id, 0, "body of "+id))
		}
	}
	if err := r.Remember(t.Context(), memories); err != nil {
		t.Fatal(err)
	}
	bodies, _, err := r.Recall(t.Context(), ids)
	if err != nil || len(bodies) != len(ids) {
		t.Fatalf("%d bodies, %v", len(bodies), err)
	}
	for i, id := range ids {
		want := "body of " + id
		if i%3 == 0 {
			want = ""
		}
		if string(bodies[i]) != want || (bodies[i] == nil) != (want == "") {
			t.Fatalf("%s: %q, want %q", id, bodies[i], want)
		}
	}
}

func TestRedisSaysSinceWhenItRemembers(t *testing.T) {
	t.Parallel()
	r := open(t)
	_, first, err := r.Recall(t.Context(), nil)
	if err != nil || time.Since(first).Abs() > time.Minute {
		t.Fatalf("since %s, %v", first, err)
	}
	if _, again, err := r.Recall(t.Context(), nil); err != nil || !again.Equal(first) {
		t.Errorf("asked again: since %s, %v, want %s", again, err, first)
	}
	if err := r.Remember(t.Context(), []pulse.Memory{memory("t3_a", 0, "a")}); err != nil {
		t.Fatal(err)
	}
	if err := cache.FlushMemory(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	bodies, lost, err := r.Recall(t.Context(), []string{"t3_a"})
	if err != nil || bodies[0] != nil || lost.Before(first) {
		t.Errorf("after the loss: %q since %s, %v, want nothing since %s or later", bodies[0], lost, err, first)
	}
}

func TestRememberLoadsItsScriptAgain(t *testing.T) {
	t.Parallel()
	r := open(t)
	for i := range 2 {
		if err := r.Remember(t.Context(), []pulse.Memory{memory("t3_a", time.Duration(i)*time.Second, "x")}); err != nil {
			t.Fatal(err)
		}
		if err := cache.FlushScripts(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// Recalling and remembering the posts of one batch.
func BenchmarkMemory(b *testing.B) {
	r := open(b)
	ids := make([]string, 500)
	memories := make([]pulse.Memory, 500)
	for i := range ids {
		ids[i] = fmt.Sprintf("t3_%06d", i)
	}
	body := make([]byte, 100)
	at := start
	for b.Loop() {
		if _, _, err := r.Recall(b.Context(), ids); err != nil {
			b.Fatal(err)
		}
		at = at.Add(time.Second)
		for i := range memories {
			memories[i] = pulse.Memory{PostID: ids[i], ObservedAt: at, Body: body}
		}
		if err := r.Remember(b.Context(), memories); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*500)/b.Elapsed().Seconds(), "posts/s")
}
