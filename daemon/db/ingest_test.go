package db_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
)

func configure(t testing.TB, d *db.DB, names ...string) {
	t.Helper()
	for _, name := range names {
		s := politics()
		s.Name = name
		if _, err := d.AddSubreddit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func statusOf(t testing.TB, d *db.DB, name string) pulse.SubredditStatus {
	t.Helper()
	s, err := d.GetSubreddit(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.Status
}

func save(t testing.TB, d *db.DB, statuses map[string]pulse.SubredditStatus) {
	t.Helper()
	if err := d.SaveStatuses(t.Context(), statuses); err != nil {
		t.Fatal(err)
	}
}

func sameTime(got *time.Time, want time.Time) bool { return got != nil && got.Equal(want) }

func TestAStatusKeepsWhatIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	d := open(t)
	configure(t, d, "politics", "GoLang")
	at, next, covered, interval, rate := start, start.Add(time.Minute), start.Add(-time.Hour), 90.0, 2.5
	save(t, d, map[string]pulse.SubredditStatus{
		"POLITICS": {State: pulse.Polling, LastPollAt: &at, NextPollAt: &next, EffectiveIntervalSeconds: &interval,
			PostsPerMinute: &rate, CoveredUntil: &covered, RatePosts: 7.5, RateMinutes: 3},
		"golang": {State: pulse.Backoff, LastError: "503", Gaps: 9},
		"nobody": {State: pulse.Polling},
	})
	save(t, d, map[string]pulse.SubredditStatus{"politics": {State: pulse.Private, LastError: "403", RatePosts: 5, RateMinutes: 2}})
	got := statusOf(t, d, "politics")
	if got.State != pulse.Private || got.LastError != "403" || !sameTime(got.LastPollAt, at) || *got.PostsPerMinute != 2.5 ||
		!sameTime(got.CoveredUntil, covered) || got.NextPollAt != nil || got.RatePosts != 5 || got.RateMinutes != 2 {
		t.Errorf("got %+v", got)
	}
	if other := statusOf(t, d, "golang"); other.State != pulse.Backoff || other.LastError != "503" || other.Gaps != 0 || other.LastPollAt != nil {
		t.Errorf("the other: %+v", other)
	}
	if all, err := d.ListSubreddits(t.Context()); err != nil || len(all) != 2 || all[1].Status.RatePosts != 5 {
		t.Errorf("listed %+v, %v", all, err)
	}
	if err := d.SaveStatuses(t.Context(), nil); err != nil {
		t.Errorf("no status at all: %v", err)
	}
}

func TestARemovedSubredditTakesItsStatusAndGapsWithIt(t *testing.T) {
	t.Parallel()
	c := settings(t)
	migrate(t, c)
	d := openAt(t, c)
	for _, remove := range []string{"the api", "delete from subreddit_config", "update subreddit_config set name = 'other'"} {
		configure(t, d, "Politics")
		save(t, d, map[string]pulse.SubredditStatus{"politics": {State: pulse.Polling, CoveredUntil: &start}})
		if err := d.AddGaps(t.Context(), []pulse.Gap{gap("politics", 0)}); err != nil {
			t.Fatal(err)
		}
		if remove == "the api" {
			if err := d.RemoveSubreddit(t.Context(), "politics", 0); err != nil {
				t.Fatal(err)
			}
		} else {
			execute(t, c, remove)
		}
		configure(t, d, "politics")
		if s := statusOf(t, d, "politics"); !reflect.DeepEqual(s, pulse.SubredditStatus{State: pulse.Pending}) {
			t.Errorf("removed by %s and added again: %+v", remove, s)
		}
		if gaps, err := d.Gaps(t.Context(), "politics", 10); err != nil || len(gaps) != 0 {
			t.Errorf("removed by %s and added again: gaps %v, %v", remove, gaps, err)
		}
		execute(t, c, "delete from subreddit_config")
	}
}

func gap(subreddit string, hour int) pulse.Gap {
	from := start.Add(time.Duration(hour) * time.Hour)
	return pulse.Gap{Subreddit: subreddit, From: from, To: from.Add(10 * time.Minute),
		NoticedAt: from.Add(time.Hour), Reason: fmt.Sprintf("reason %d", hour)}
}

func TestAGapIsRecordedOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	configure(t, d, "GoLang", "rust")
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for hour := range 5 {
				again := gap("golang", hour)
				again.Reason = "another reason"
				if err := d.AddGaps(context.Background(), []pulse.Gap{gap("GOLANG", hour), again, gap("nobody", hour)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := d.AddGaps(t.Context(), nil); err != nil {
		t.Errorf("no gap at all: %v", err)
	}
	gaps, err := d.Gaps(t.Context(), "golang", 3)
	if want := []pulse.Gap{gap("GoLang", 4), gap("GoLang", 3), gap("GoLang", 2)}; err != nil || !reflect.DeepEqual(gaps, want) {
		t.Errorf("gaps %+v, %v\nwant %+v", gaps, err, want)
	}
	newest := gap("GoLang", 4)
	if s := statusOf(t, d, "golang"); s.Gaps != 5 || !reflect.DeepEqual(s.LastGap, &newest) {
		t.Errorf("%d gaps, the last %+v", s.Gaps, s.LastGap)
	}
	if gaps, err := d.Gaps(t.Context(), "rust", 3); err != nil || len(gaps) != 0 {
		t.Errorf("one without gaps: %v, %v", gaps, err)
	}
	if s := statusOf(t, d, "rust"); s.Gaps != 0 || s.LastGap != nil {
		t.Errorf("one without gaps: %+v", s)
	}
	if _, err := d.Gaps(t.Context(), "nobody", 3); pulse.CodeOf(err) != pulse.NotFound {
		t.Errorf("one that is not configured: %v, want not found", err)
	}
	save(t, d, map[string]pulse.SubredditStatus{"golang": {State: pulse.Polling}})
	if s := statusOf(t, d, "golang"); s.Gaps != 5 {
		t.Errorf("a status set the count of gaps to %d", s.Gaps)
	}
	backwards := gap("rust", 1)
	backwards.From, backwards.To = backwards.To, backwards.From
	if err := d.AddGaps(t.Context(), []pulse.Gap{backwards}); pulse.CodeOf(err) != pulse.Invalid {
		t.Errorf("a gap that ends before it begins: %v, want invalid", err)
	}
}

func TestGapsRecordedDuringARemovalAreNoError(t *testing.T) {
	t.Parallel()
	d := open(t)
	configure(t, d, "rust")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 30 {
			if err := d.RemoveSubreddit(context.Background(), "rust", 0); err != nil {
				t.Error(i, err)
			}
			if _, err := d.AddSubreddit(context.Background(), pulse.Subreddit{Name: "rust", IntervalSeconds: 60, Priority: pulse.Slow, IsActive: true}); err != nil {
				t.Error(i, err)
			}
		}
	}()
	for hour := 0; ; hour++ {
		if err := d.AddGaps(t.Context(), []pulse.Gap{gap("rust", hour)}); err != nil {
			t.Error(err)
		}
		if err := d.SaveStatuses(t.Context(), map[string]pulse.SubredditStatus{"rust": {State: pulse.Polling}}); err != nil {
			t.Error(err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestTheLastBudgetIsKept(t *testing.T) {
	t.Parallel()
	d := open(t)
	if b, err := d.LastBudget(t.Context()); err != nil || b != (pulse.Budget{}) {
		t.Errorf("before the first: %+v, %v", b, err)
	}
	full := pulse.Budget{At: start, Allowed: 90, Sent: 45.5, Discovery: 120, Refresh: 30, Sweep: 1.5, Factor: 1.7,
		RefreshFactor: 2.5, LivePosts: 12_345,
		Window: pulse.Window{Limit: 1000, Used: 17.5, ResetAt: start.Add(time.Minute), StoppedUntil: start.Add(time.Second)}}
	bare := pulse.Budget{At: start.Add(time.Minute), Factor: 1, RefreshFactor: 1}
	for _, want := range []pulse.Budget{full, bare} {
		if err := d.SaveBudget(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := d.LastBudget(t.Context()); err != nil || got != want {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
}

func TestLivePostsAreTheNewestThatCanBeSeen(t *testing.T) {
	t.Parallel()
	d := open(t)
	var all []pulse.Post
	for i := range 6 {
		p := post(fmt.Sprintf("t3_%d", i), 0, int64(i))
		p.CreatedAt = start.Add(time.Duration(i) * time.Minute)
		v := float64(i)
		p.Velocity = &v
		all = append(all, p)
	}
	all[1].State, all[4].State = pulse.Gone, pulse.Removed
	all[3].Velocity = nil
	write(t, d, all...)
	got, err := d.LivePosts(t.Context(), start.Add(time.Minute), 2)
	if err != nil || len(got) != 2 || got[0].PostID != "t3_5" || got[1].PostID != "t3_3" || got[1].Velocity != nil {
		t.Fatalf("got %+v, %v, want t3_5 and t3_3", got, err)
	}
	v := 5.0
	want := pulse.Post{Velocity: &v, Observation: pulse.Observation{PostID: "t3_5", Subreddit: "GoLang", State: pulse.Live,
		CreatedAt: all[5].CreatedAt, ObservedAt: start, Score: 5, NumComments: 2}}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v\nwant %+v", got[0], want)
	}
	if got, err := d.LivePosts(t.Context(), start.Add(time.Minute), 10); err != nil || len(got) != 3 {
		t.Errorf("since the second post: %d, %v, want 3", len(got), err)
	}
}

func TestPostsAreFoundByTheirIDs(t *testing.T) {
	t.Parallel()
	d := open(t)
	write(t, d, post("t3_a", 0, 1), post("t3_b", 0, 2), post("t3_c", 0, 3))
	got, err := d.PostsByID(t.Context(), []string{"t3_c", "t3_x", "t3_a", "t3_a"})
	if err != nil || len(got) != 2 || got[0].Title == "" || got[0].PostID == got[1].PostID || got[0].PostID == "t3_b" || got[1].PostID == "t3_b" {
		t.Errorf("got %+v, %v, want t3_a and t3_c", got, err)
	}
	if got, err := d.PostsByID(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of no ids: %v, %v", got, err)
	}
}
