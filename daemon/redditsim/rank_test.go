package redditsim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

// calm is a world without oddities but for stickies.
var calm = redditsim.Oddities{Held: -1, Lag: -1, Disorder: -1, Stale: -1, Removed: -1, Gone: -1, Fuzz: -1}

func TestStickiesComeOnTopOfTheLimit(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{Seed: 1, Oddities: calm})
	most := 0
	for _, name := range []string{"AskReddit", "memes", "gaming", "politics", "news", "funny"} {
		page := s.list("/r/" + name + "/hot?limit=10")
		pinned := 0
		for i, p := range page.posts {
			if p["stickied"].(bool) && i == pinned {
				pinned++
			}
		}
		if len(page.ids) != 10+pinned || pinned > 2 {
			t.Errorf("r/%s: %d posts, %d pinned, want 10 and these", name, len(page.ids), pinned)
		}
		most = max(most, pinned)
		next := s.list("/r/" + name + "/hot?limit=10&after=" + page.after)
		if len(next.ids) != 10 || slices.ContainsFunc(next.ids, func(id string) bool { return slices.Contains(page.ids, id) }) {
			t.Errorf("r/%s: the second page has %d posts", name, len(next.ids))
		}
		if name == "AskReddit" {
			if whole := s.all("/r/AskReddit/hot?limit=100"); len(whole.ids) != 1000+pinned {
				t.Errorf("hot is %d posts deep, want 1000 and %d pinned", len(whole.ids), pinned)
			}
		}
	}
	if most != 2 {
		t.Errorf("at most %d posts are pinned, want 2 somewhere", most)
	}
	if page := s.list("/r/AskReddit+memes+gaming/hot?limit=10"); len(page.ids) != 10 {
		t.Errorf("of several communities: %d posts, want 10", len(page.ids))
	}
}

func TestRankedListingsGoByTheirOwnOrder(t *testing.T) {
	t.Parallel()
	s, now := inside(t, redditsim.Config{Seed: 1, Oddities: redditsim.NoOddities()})
	newest := s.all("/r/politics/new?limit=100&raw_json=1")
	inNew := map[string]bool{}
	for _, id := range newest.ids {
		inNew[id] = true
	}
	for _, c := range []struct {
		path string
		age  time.Duration
	}{{"top?t=hour", time.Hour}, {"top", 24 * time.Hour}, {"top?t=day", 24 * time.Hour}, {"top?t=all", 0}, {"rising", 6 * time.Hour}} {
		list := s.all("/r/politics/" + c.path + map[bool]string{true: "&", false: "?"}[strings.Contains(c.path, "?")] + "limit=100")
		last := 1e12
		for i, p := range list.posts {
			made := time.Unix(int64(p["created_utc"].(float64)), 0)
			if c.age > 0 && now.Sub(made) > c.age+time.Second {
				t.Errorf("%s: a post of %s", c.path, made)
			}
			if score := p["score"].(float64); c.path != "rising" {
				if score > last {
					t.Errorf("%s: place %d has %v points, the one before %v", c.path, i, score, last)
				}
				last = score
			}
			if !inNew[list.ids[i]] {
				t.Errorf("%s: %s is not in /new", c.path, list.ids[i])
			}
		}
		if len(list.ids) < 10 || c.age == 0 && len(list.ids) != len(newest.ids) {
			t.Errorf("%s: %d posts", c.path, len(list.ids))
		}
	}
	both := s.list("/r/AskReddit+golang/hot?limit=2")
	if got := []any{both.posts[0]["subreddit"], both.posts[1]["subreddit"]}; !slices.Contains(got, "golang") {
		t.Errorf("the best of a small community drowns: %v", got)
	}
}

func TestByIDIsLikeInfo(t *testing.T) {
	t.Parallel()
	s, _ := inside(t, redditsim.Config{})
	ids := s.list("/r/golang/new?limit=3").ids
	slices.Reverse(ids)
	if got := s.list("/by_id/t3_x," + strings.Join(ids, ",") + "/"); !slices.Equal(got.ids, ids) {
		t.Errorf("got %v, want %v", got.ids, ids)
	}
}
