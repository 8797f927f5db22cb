package session_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/shared/client/clienttest"
	"dev.redditpulse/shared/wire"
	"dev.redditpulse/tui/session"
)

func ids(v session.View) []string {
	var out []string
	for _, r := range v.Rows {
		if r.Gap != nil {
			out = append(out, "gap")
		} else {
			out = append(out, r.ID)
		}
	}
	return out
}

func TestStoreKeepsTheNewestReadingInPlace(t *testing.T) {
	t.Parallel()
	s := session.NewStore()
	one, two := clienttest.Post(1), clienttest.Post(2)
	s.Put([]wire.Post{one, two})
	newer, older := one, one
	newer.Score, newer.ObservedAt = 50, one.ObservedAt.Add(time.Minute)
	older.Score, older.ObservedAt = 7, one.ObservedAt.Add(-time.Minute)
	before := s.View()
	s.Put([]wire.Post{newer})
	s.Put([]wire.Post{older})
	v := s.View()
	if got := ids(v); !slices.Equal(got, []string{two.ID, one.ID}) {
		t.Errorf("order is %v", got)
	}
	if v.Rows[1].Score != 50 || s.Find(one.ID).Score != 50 || v.Arrived != 2 {
		t.Errorf("score is %d, %d arrived", v.Rows[1].Score, v.Arrived)
	}
	if before.Rows[1].Score != 1 {
		t.Error("a view that was taken before has changed")
	}
	if v.Rows[1].Rev == before.Rows[1].Rev {
		t.Error("the revision did not change with the reading")
	}
}

func TestStoreOrdersByCreationWithTiesById(t *testing.T) {
	t.Parallel()
	s := session.NewStore()
	var want []string
	for i := range 300 {
		p := clienttest.Post(i * 7 % 300)
		p.CreatedAt = time.Unix(int64(i%5), 0)
		s.Put([]wire.Post{p})
		if i%17 == 0 {
			s.View() // sorted in several rounds
		}
	}
	want = ids(s.View())
	again := session.NewStore()
	for i := 299; i >= 0; i-- {
		p := clienttest.Post(i * 7 % 300)
		p.CreatedAt = time.Unix(int64(i%5), 0)
		again.Put([]wire.Post{p})
	}
	if got := ids(again.View()); len(got) != 300 || !slices.Equal(got, want) {
		t.Error("the order depends on the order of arrival")
	}
	moved := clienttest.Post(0)
	moved.CreatedAt, moved.ObservedAt = time.Now(), time.Now()
	s.Put([]wire.Post{moved})
	if got := ids(s.View()); len(got) != 300 || got[0] != moved.ID {
		t.Errorf("a post of another creation stands wrong: %v", got[:3])
	}
}

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	s := session.NewStore()
	const n = session.MaxPosts * 2
	for i := range n {
		s.Put([]wire.Post{clienttest.Post(i)})
		if i%3000 == 0 {
			s.View()
		}
	}
	v := s.View()
	if v.Posts > session.MaxPosts || v.Posts < session.MaxPosts*9/10 || v.Posts+int(v.Evicted) != n {
		t.Errorf("%d held, %d evicted of %d", v.Posts, v.Evicted, n)
	}
	if v.Rows[0].ID != clienttest.Post(n-1).ID || s.Find(clienttest.Post(0).ID) != nil {
		t.Error("the wrong posts went")
	}
	for i := range 500 {
		s.Miss(uint64(i), uint64(i), time.Now())
	}
	if gaps := len(s.View().Rows) - v.Posts; gaps != 100 {
		t.Errorf("%d gaps are kept, want 100", gaps)
	}
}

func TestGapsStandWhereTheyWereNoticed(t *testing.T) {
	t.Parallel()
	s := session.NewStore()
	s.Put([]wire.Post{clienttest.Post(1), clienttest.Post(3)})
	s.Miss(5, 9, clienttest.Post(2).CreatedAt)
	if got := ids(s.View()); !slices.Equal(got, []string{"t3_p00003", "gap", "t3_p00001"}) {
		t.Errorf("order is %v", got)
	}
}

func TestStoreServesManyAtOnce(t *testing.T) {
	t.Parallel()
	s := session.NewStore()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				s.Put([]wire.Post{clienttest.Post(g*1000 + i)})
				if i%50 == 0 {
					s.View()
				}
			}
		})
	}
	wg.Wait()
	if v := s.View(); v.Posts != 2000 {
		t.Errorf("%d posts", v.Posts)
	}
}

func BenchmarkStoreView(b *testing.B) {
	s := session.NewStore()
	for i := range session.MaxPosts {
		s.Put([]wire.Post{clienttest.Post(i)})
	}
	for i := 0; b.Loop(); i++ {
		p := clienttest.Post(i % session.MaxPosts)
		p.Title = fmt.Sprint(i)
		s.Put([]wire.Post{p})
		s.View()
	}
}
