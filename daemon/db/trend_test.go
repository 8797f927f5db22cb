package db_test

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
)

// rising is a post that trends, with a velocity and a feeling.
func rising(id string, after time.Duration, velocity float64) pulse.Post {
	p := post(id, after, 100)
	feeling := -0.25
	p.Velocity, p.Sentiment = &velocity, &feeling
	p.Trend = &pulse.Trend{
		Score: 91.5, TimesUsual: 9.1, Usual: 3.7, Percentile: 99, AgeBucket: "1-3h",
		Since: start, Reason: "34/min, 9.1× usual for posts 1–3 h old in r/golang",
	}
	return p
}

func trending(t *testing.T, d *db.DB, q pulse.PostQuery) []string {
	t.Helper()
	q.Filter.Trending = true
	posts, _, err := d.ListPosts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for i := range posts {
		ids = append(ids, posts[i].PostID)
	}
	return ids
}

func TestATrendComesAndGoesWithTheNewestReading(t *testing.T) {
	t.Parallel()
	d := open(t)
	newest := pulse.PostQuery{Order: pulse.ByObserved, Limit: 10}
	steps := []struct {
		what string
		post pulse.Post
		want []string
	}{
		{"an ordinary post", post("t3_a", 0, 1), []string{}},
		{"it begins to trend", rising("t3_a", time.Minute, 34), []string{"t3_a"}},
		{"the same reading again", rising("t3_a", time.Minute, 34), []string{"t3_a"}},
		{"an older one that does not trend", post("t3_a", 30*time.Second, 1), []string{"t3_a"}},
		{"a newer one that does not", post("t3_a", 2*time.Minute, 1), []string{}},
		{"an older one that did", rising("t3_a", 90*time.Second, 30), []string{}},
	}
	for _, s := range steps {
		write(t, d, s.post)
		if got := trending(t, d, newest); !slices.Equal(got, s.want) {
			t.Errorf("%s: %v trend, want %v", s.what, got, s.want)
		}
	}
	want := rising("t3_b", 0, 34)
	write(t, d, want)
	got, _, err := d.GetPost(t.Context(), "t3_b")
	want.Source = ""
	if err != nil || !reflect.DeepEqual(got.Trend, want.Trend) || *got.Sentiment != *want.Sentiment {
		t.Errorf("stored %+v, %v, want %+v", got.Trend, err, want.Trend)
	}
	if err := d.ExpireTrends(t.Context(), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := trending(t, d, newest); len(got) != 0 {
		t.Errorf("%v trend although their readings are old", got)
	}
}

func TestAReplayIsAnnouncedAsItWasStored(t *testing.T) {
	t.Parallel()
	d := open(t)
	first := rising("t3_a", 0, 34)
	write(t, d, first)
	again := post("t3_a", 0, 100) // computed anew, and differently
	stored, repeated, err := d.WriteBatch(t.Context(), []pulse.Post{again})
	if err != nil || len(stored) != 0 || len(repeated) != 1 {
		t.Fatalf("%d stored, %d repeated, %v", len(stored), len(repeated), err)
	}
	if got := repeated[0]; got.Velocity == nil || *got.Velocity != 34 || !reflect.DeepEqual(got.Trend, first.Trend) {
		t.Errorf("repeated as %+v, want what was stored", got)
	}
}

func TestTrendingPostsArePagedInEveryOrder(t *testing.T) {
	t.Parallel()
	d := open(t)
	var all []pulse.Post
	for i, id := range []string{"t3_a", "t3_b", "t3_c", "t3_d", "t3_e"} {
		p := rising(id, time.Duration(i*7%5)*time.Minute, float64(i*3%5))
		p.Score = int64(i * 2 % 5)
		all = append(all, p)
	}
	write(t, d, all...)
	for _, order := range []pulse.Order{pulse.ByObserved, pulse.ByCreated, pulse.ByScore, pulse.ByVelocity} {
		whole := trending(t, d, pulse.PostQuery{Order: order, Limit: 10})
		if len(whole) != 5 {
			t.Fatalf("%s: %v, want five", order, whole)
		}
		third := all[slices.IndexFunc(all, func(p pulse.Post) bool { return p.PostID == whole[2] })]
		place := pulse.PlaceOf(&third, order)
		if got := trending(t, d, pulse.PostQuery{Order: order, Limit: 10, After: &place}); !slices.Equal(got, whole[3:]) {
			t.Errorf("%s: behind the third %v, want %v", order, got, whole[3:])
		}
		if got := trending(t, d, pulse.PostQuery{Order: order, Limit: 10, After: &place, Before: true}); !slices.Equal(got, whole[:2]) {
			t.Errorf("%s: before the third %v, want %v", order, got, whole[:2])
		}
		if got := trending(t, d, pulse.PostQuery{Order: order, Limit: 1}); !slices.Equal(got, whole[:2]) {
			t.Errorf("%s: a page of one %v, want %v and one more", order, got, whole[:1])
		}
	}
	if got := trending(t, d, pulse.PostQuery{Order: pulse.ByScore, Limit: 10, Filter: pulse.PostFilter{Subreddits: []string{"rust"}}}); len(got) != 0 {
		t.Errorf("%v trend in a subreddit without posts", got)
	}
}

func TestBaselinesAddUp(t *testing.T) {
	t.Parallel()
	d := open(t)
	day := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	cell := func(subreddit string, day time.Time, comments int64, seconds ...int64) pulse.Baseline {
		return pulse.Baseline{Subreddit: subreddit, AgeBucket: "1-3h", Day: day, Seconds: seconds, Comments: comments}
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 5 {
				err := d.AddBaselines(context.Background(), []pulse.Baseline{
					cell("", day, 1, 1, 2), cell("golang", day.AddDate(0, 0, -1), 3, 5), cell("golang", day, 2, 0, 0, 7),
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := d.AddBaselines(t.Context(), []pulse.Baseline{cell("", day, 0, 1, 1, 1, 9)}); err != nil {
		t.Fatal(err)
	}
	read := func(since time.Time) (cells []pulse.Baseline) {
		if err := d.EachBaseline(t.Context(), since, func(b pulse.Baseline) { cells = append(cells, b) }); err != nil {
			t.Fatal(err)
		}
		return cells
	}
	all := []pulse.Baseline{
		cell("", day, 20, 21, 41, 1, 9), cell("golang", day.AddDate(0, 0, -1), 60, 100), cell("golang", day, 40, 0, 0, 140),
	}
	if got := read(day.AddDate(0, 0, -1)); !reflect.DeepEqual(got, all) {
		t.Errorf("read %+v\nwant %+v", got, all)
	}
	if err := d.ForgetBaselines(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	if got := read(time.Time{}); !reflect.DeepEqual(got, []pulse.Baseline{all[0], all[2]}) {
		t.Errorf("after forgetting %+v", got)
	}
}
