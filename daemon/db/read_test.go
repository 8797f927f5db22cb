package db_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/pulse"
)

func execute(t testing.TB, c config.Postgres, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.PrimaryDSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestEveryOrderWalksAllPostsForthAndBack(t *testing.T) {
	t.Parallel()
	d := open(t)
	var all []pulse.Post
	for i := range 37 {
		p := post(fmt.Sprintf("t3_%02d", i), time.Duration(i%5)*time.Minute, int64(i%7)) // many ties
		p.CreatedAt = start.Add(-time.Duration(i%4) * time.Hour)
		if i%3 > 0 {
			v := float64(i % 6)
			p.Velocity = &v
		}
		all = append(all, p)
	}
	// An older reading of each lies in the history and must not show.
	for _, p := range all {
		p.ObservedAt = start.Add(-time.Hour)
		write(t, d, p)
	}
	write(t, d, all...)
	for _, order := range []pulse.Order{pulse.ByObserved, pulse.ByCreated, pulse.ByScore, pulse.ByVelocity} {
		t.Run(string(order), func(t *testing.T) {
			var seen []string
			var pages [][]pulse.Post
			q := pulse.PostQuery{Order: order, Limit: 5}
			for {
				page, _, err := d.ListPosts(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				more := len(page) > q.Limit
				page = page[:min(len(page), q.Limit)]
				pages = append(pages, page)
				for _, p := range page {
					seen = append(seen, p.PostID)
				}
				if !more {
					break
				}
				last := pulse.PlaceOf(&page[len(page)-1], order)
				q.After = &last
			}
			if unique := slices.Compact(slices.Sorted(slices.Values(seen))); len(seen) != 37 || len(unique) != 37 {
				t.Fatalf("saw %d posts, %d different, want 37", len(seen), len(unique))
			}
			first := pulse.PlaceOf(&pages[2][0], order)
			back, _, err := d.ListPosts(t.Context(), pulse.PostQuery{Order: order, Limit: 5, After: &first, Before: true})
			if err != nil || len(back) != 6 || back[5].PostID != pages[1][4].PostID || back[1].PostID != pages[1][0].PostID {
				t.Errorf("the page before the third has %d posts, %v", len(back), err)
			}
		})
	}
}

func TestFiltersChoose(t *testing.T) {
	t.Parallel()
	d := open(t)
	a, b, c := post("t3_a", 0, 10), post("t3_b", time.Minute, 20), post("t3_c", 2*time.Minute, 30)
	b.Subreddit, b.Title = "rust", "the Borrow checker"
	v := 5.0
	c.Velocity = &v
	write(t, d, a, b, c)
	num, speed := int64(20), 4.0
	cases := map[string]struct {
		f    pulse.PostFilter
		want []string
	}{
		"everything":       {pulse.PostFilter{}, []string{"t3_c", "t3_b", "t3_a"}},
		"subreddit":        {pulse.PostFilter{Subreddits: []string{"golang"}}, []string{"t3_c", "t3_a"}},
		"several":          {pulse.PostFilter{Subreddits: []string{"RUST", "golang"}}, []string{"t3_c", "t3_b", "t3_a"}},
		"none there":       {pulse.PostFilter{Subreddits: []string{"python"}}, nil},
		"words":            {pulse.PostFilter{Words: "borrow THE"}, []string{"t3_b"}},
		"hostile words":    {pulse.PostFilter{Words: "'; drop table posts; -- & | !"}, nil},
		"score":            {pulse.PostFilter{MinScore: &num}, []string{"t3_c", "t3_b"}},
		"velocity":         {pulse.PostFilter{MinVelocity: &speed}, []string{"t3_c"}},
		"since":            {pulse.PostFilter{Since: start.Add(time.Minute)}, []string{"t3_c", "t3_b"}},
		"until":            {pulse.PostFilter{Until: start.Add(time.Minute)}, []string{"t3_a"}},
		"nothing trending": {pulse.PostFilter{Trending: true}, nil},
	}
	for name, tc := range cases {
		for _, order := range []pulse.Order{pulse.ByObserved, pulse.ByScore} {
			posts, _, err := d.ListPosts(t.Context(), pulse.PostQuery{Filter: tc.f, Order: order, Limit: 10})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var ids []string
			for _, p := range posts {
				ids = append(ids, p.PostID)
			}
			if !slices.Equal(ids, tc.want) {
				t.Errorf("%s by %s: got %v, want %v", name, order, ids, tc.want)
			}
		}
	}
}

func TestStatsCount(t *testing.T) {
	t.Parallel()
	d := open(t)
	if s, _, err := d.Stats(t.Context()); err != nil || s.Posts != 0 || s.NewestObservedAt != nil {
		t.Fatalf("an empty database: %+v, %v", s, err)
	}
	other := post("t3_b", time.Minute, 20)
	other.Subreddit = "golang" // the same, spelt otherwise
	third := post("t3_c", time.Minute, 5)
	third.Subreddit = "rust"
	write(t, d, post("t3_a", 0, 10), other, third)
	s, _, err := d.Stats(t.Context())
	if err != nil || s.Posts != 3 || s.Subreddits != 2 || len(s.BySubreddit) != 2 || s.BySubreddit[0].Posts != 2 || s.BySubreddit[0].MaxScore != 20 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestMissingPostsAreNotFound(t *testing.T) {
	t.Parallel()
	d := open(t)
	if _, _, err := d.GetPost(t.Context(), "t3_x"); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("got %v, want not found", err)
	}
	if known, err := d.KnownPosts(t.Context(), []string{"t3_x"}); err != nil || len(known) != 0 {
		t.Errorf("known %v, %v", known, err)
	}
}

func TestReadsGoToTheReplicaOnceItIsClose(t *testing.T) {
	t.Parallel()
	d := open(t)
	write(t, d, post("t3_a", 0, 1))
	if _, by, _ := d.Stats(t.Context()); by != pulse.Primary {
		t.Errorf("before the first probe %s answered, want the primary", by)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.Watch(ctx)
	}()
	defer func() { cancel(); <-watched }()
	eventually(t, "the replica answers with the post", func() bool {
		s, by, err := d.Stats(t.Context())
		return err == nil && by == pulse.Replica && s.Posts == 1
	})
}

func TestADeadReplicaCostsNoError(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	c.ReplicaDSN = "postgres://u:p@127.0.0.1:1/d"
	d := openAt(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.Watch(ctx)
	}()
	defer func() { cancel(); <-watched }()
	for range 20 {
		if _, by, err := d.Stats(t.Context()); err != nil || by != pulse.Primary {
			t.Fatalf("%s answered, %v", by, err)
		}
	}
}

// eventually waits for a condition that another goroutine or process makes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestAFrozenServerCostsTimeNotForEver(t *testing.T) {
	t.Parallel()
	// A server that takes connections and never says a word.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config.Default().Postgres
	c.PrimaryDSN = config.Secret("postgres://u:p@" + l.Addr().String() + "/d?sslmode=disable")
	c.StatementTimeout = time.Second
	d := openAt(t, c)
	if _, _, err := d.Stats(context.Background()); pulse.CodeOf(err) != pulse.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}
