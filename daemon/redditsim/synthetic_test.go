package redditsim_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// all reads a listing to its end.
func (s *site) all(path string) listing { return s.some(path, 1000) }

// some reads the first pages of a listing.
func (s *site) some(path string, pages int) listing {
	s.t.Helper()
	var whole listing
	for after := ""; ; {
		page := s.list(path + "&after=" + after)
		whole.ids = append(whole.ids, page.ids...)
		whole.posts = append(whole.posts, page.posts...)
		whole.raw = append(whole.raw, page.raw...)
		if after, pages = page.after, pages-1; after == "" || pages == 0 {
			return whole
		}
		if page.ids[len(page.ids)-1] != after {
			s.t.Fatalf("after is %s, the last post %s", after, page.ids[len(page.ids)-1])
		}
	}
}

func TestPagingReachesTheEndWithoutLossOrDuplicates(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{Seed: 7, Oddities: redditsim.NoOddities()}, noon)
	for _, names := range []string{"AskReddit", "some_small_place", "golang+rust+PYTHON+golang"} {
		once := s.all("/r/" + names + "/new?raw_json=1&limit=100")
		small := s.all("/r/" + names + "/new?raw_json=1&limit=37")
		if len(once.ids) != 1000 {
			t.Errorf("%s: %d posts deep, want 1000", names, len(once.ids))
		}
		if !slices.Equal(once.ids, small.ids) {
			t.Errorf("%s: pages of 100 and of 37 hold different posts", names)
		}
		seen := map[string]bool{}
		last := 1e12
		for i, p := range once.posts {
			if seen[once.ids[i]] {
				t.Errorf("%s: %s twice", names, once.ids[i])
			}
			seen[once.ids[i]] = true
			if at := p["created_utc"].(float64); at > last {
				t.Errorf("%s: %s stands behind an older post", names, once.ids[i])
			} else {
				last = at
			}
		}
	}
}

func TestRestartWithTheSameSeedContinues(t *testing.T) {
	t.Parallel()
	const path = "/r/AskReddit+golang+mytown/new?raw_json=1&limit=100"
	a := newSite(t, redditsim.Config{Seed: 42, Speed: 3}, noon).list(path)
	b := newSite(t, redditsim.Config{Seed: 42, Speed: 3}, noon).list(path)
	if !slices.Equal(a.raw, b.raw) {
		t.Error("two servers of one seed differ at the same moment")
	}
	later := newSite(t, redditsim.Config{Seed: 42, Speed: 3}, noon.Add(2*time.Minute)).list(path)
	if i := slices.Index(later.ids, a.ids[0]); i < 1 || i > 60 {
		t.Errorf("two minutes later the newest post is at place %d, want a few places down", i)
	}
	other := newSite(t, redditsim.Config{Seed: 43, Speed: 3}, noon).list(path)
	if slices.ContainsFunc(other.ids, func(id string) bool { return slices.Contains(a.ids, id) }) {
		t.Error("another seed makes the same posts")
	}
}

func TestAnchorsBehaveAsRedditsDo(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{Seed: 1}, noon)
	top := s.list("/r/news/new?limit=100")
	for _, c := range []struct {
		query         string
		ids           []string
		before, after string
	}{
		{"", top.ids[:25], "", top.ids[24]},
		{"limit=1024", top.ids, "", top.after},
		{"limit=0", top.ids[:1], "", top.ids[0]},
		{"limit=x", top.ids[:25], "", top.ids[24]},
		{"limit=3&after=" + top.ids[4], top.ids[5:8], "", top.ids[7]},
		{"limit=3&count=5&after=" + top.ids[4], top.ids[5:8], top.ids[5], top.ids[7]},
		{"limit=3&before=" + top.ids[9], top.ids[6:9], "", top.ids[8]},
		{"limit=3&count=10&before=" + top.ids[9], top.ids[6:9], top.ids[6], top.ids[8]},
		{"limit=50&before=" + top.ids[9], top.ids[:9], "", ""},
		{"limit=3&before=" + top.ids[0], nil, "", ""},
		{"limit=3&before=t3_gone", nil, "", ""},
		{"limit=3&after=t3_gone", nil, "", ""},
	} {
		got := s.list("/r/news/new?" + c.query)
		if !slices.Equal(got.ids, c.ids) || got.before != c.before || got.after != c.after {
			t.Errorf("%s: got %v before %q after %q, want %v before %q after %q",
				c.query, got.ids, got.before, got.after, c.ids, c.before, c.after)
		}
	}
}

func TestInfoKeepsTheOrderAndLeavesOutTheUnknown(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{Seed: 1}, noon)
	a, b := s.list("/r/golang/new?limit=2"), s.list("/r/tiny_village/new?limit=2")
	want := []string{b.ids[1], a.ids[0], b.ids[0], a.ids[1]}
	asked := []string{want[0], "t3_1", "t1_abc", want[1], "", "t3_zzzzzzzzzzzzz", want[2], "t3_UPPER", want[3], want[3][:len(want[3])-1]}
	if got := s.list("/api/info/?id=" + strings.Join(asked, ",")); !slices.Equal(got.ids, want) {
		t.Errorf("got %v, want %v", got.ids, want)
	}
}

func TestKnownCommunitiesArePresentAfterARestart(t *testing.T) {
	t.Parallel()
	old := newSite(t, redditsim.Config{Seed: 1}, noon).list("/r/tiny_village/new?limit=1").ids[0]
	s := newSite(t, redditsim.Config{Seed: 1}, noon)
	s.sim.Know("Tiny_Village", "no-such-name", "")
	if got := s.list("/api/info?id=" + old); !slices.Equal(got.ids, []string{old}) {
		t.Errorf("got %v, want %s", got.ids, old)
	}
}

func TestPostsMoveAsInLife(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{Seed: 5}, noon)
	first := s.list("/r/AskReddit/new?limit=100&raw_json=1")
	ids := strings.Join(first.ids, ",")
	now := noon
	s.sim.SetClock(func() time.Time { return now })
	last := map[string]float64{}
	fuzzed, grown := 0, 0
	for range 16 {
		a := s.list("/api/info?raw_json=1&id=" + ids)
		now = now.Add(time.Millisecond)
		b := s.list("/api/info?raw_json=1&id=" + ids)
		if !slices.Equal(a.ids, first.ids) {
			t.Fatal("posts vanish from /api/info")
		}
		for i, p := range a.posts {
			comments, score := p["num_comments"].(float64), p["score"].(float64)
			if comments < last[a.ids[i]] || comments < 0 || score < 0 {
				t.Errorf("%s: %v comments after %v, score %v", a.ids[i], comments, last[a.ids[i]], score)
			}
			last[a.ids[i]] = comments
			if d := b.posts[i]["score"].(float64) - score; d != 0 {
				fuzzed++
				if d > 20 || d < -20 {
					t.Errorf("%s: the score jumps by %v in a millisecond", a.ids[i], d)
				}
			}
			if score > first.posts[i]["score"].(float64)+50 {
				grown++
			}
		}
		now = now.Add(90 * time.Minute)
	}
	if fuzzed == 0 || grown == 0 {
		t.Errorf("%d readings fuzzed, %d grown", fuzzed, grown)
	}
}

func TestRemovedAndDeletedPostsLeaveTheListingAndStayInInfo(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{Seed: 5}, noon)
	early := s.all("/r/AskReddit/new?limit=100")
	now := noon.Add(time.Hour)
	s.sim.SetClock(func() time.Time { return now })
	late := s.all("/r/AskReddit/new?limit=100")
	found := map[string]int{}
	for chunk := range slices.Chunk(early.ids[:500], 100) {
		for i, p := range s.list("/api/info?id=" + strings.Join(chunk, ",")).posts {
			category, _ := p["removed_by_category"].(string)
			found[category]++
			gone := !slices.Contains(late.ids, chunk[i])
			if (category != "") != gone {
				t.Errorf("%s: category %q, gone from the listing: %v", chunk[i], category, gone)
			}
			if (p["author"] == "[deleted]") != (category == "deleted") {
				t.Errorf("%s: category %q, author %v", chunk[i], category, p["author"])
			}
		}
	}
	if found["deleted"] == 0 || found["moderator"] == 0 || found[""] < 450 {
		t.Errorf("categories of 500 posts: %v", found)
	}
}

func TestCommunitiesHaveTheirOwnPace(t *testing.T) {
	t.Parallel()
	perMinute := func(name string, speed float64) float64 {
		s := newSite(t, redditsim.Config{Seed: 9, Speed: speed}, noon)
		posts := s.all("/r/" + name + "/new?limit=100").posts
		span := posts[0]["created_utc"].(float64) - posts[len(posts)-1]["created_utc"].(float64)
		return float64(len(posts)) / (span / 60)
	}
	for name, want := range map[string]float64{"AskReddit": 3.4, "politics": 0.9, "golang": 0.05} {
		if got := perMinute(name, 1); got < want*0.6 || got > want*1.6 {
			t.Errorf("%s: %.3f posts a minute, want about %v", name, got, want)
		}
		if got := perMinute(name, 60); got < want*36 || got > want*96 {
			t.Errorf("%s at speed 60: %.2f posts a minute, want about %v", name, got, want*60)
		}
	}
}

func TestPostsLookLikeReddits(t *testing.T) {
	t.Parallel()
	s := newSite(t, redditsim.Config{Seed: 3, Oddities: redditsim.Oddities{Stale: -1}}, noon)
	titles, flairs, self := map[string]bool{}, 0, 0
	page := s.all("/r/all/new?raw_json=1&limit=100")
	for i, p := range page.posts {
		id := p["name"].(string)
		if !wire.ValidPostID(id) || id != "t3_"+p["id"].(string) || !strings.HasPrefix(p["permalink"].(string), "/r/") {
			t.Errorf("ids and addresses: %.300s", page.raw[i])
		}
		if !strings.Contains(page.raw[i], fmt.Sprintf(`"created_utc":%.1f,`, p["created_utc"])) {
			t.Errorf("%s: created_utc is not written as a float", id)
		}
		titles[p["title"].(string)] = true
		if p["link_flair_text"] != nil {
			flairs++
		}
		if p["is_self"].(bool) {
			self++
		}
	}
	if len(titles) < 800 || flairs < 200 || self < 200 || self > 900 {
		t.Errorf("of 1000 posts: %d titles, %d flairs, %d texts", len(titles), flairs, self)
	}
	escaped := s.all("/r/all/new?limit=100")
	var marks int
	for i, p := range escaped.posts {
		title := p["title"].(string)
		if raw := page.posts[i]["title"].(string); title != raw {
			marks++
			if strings.ContainsAny(title, "<>") || !strings.ContainsAny(raw, "<>&") {
				t.Errorf("%q became %q without raw_json", raw, title)
			}
		}
	}
	if marks == 0 {
		t.Error("no title is escaped without raw_json")
	}
}

func TestEveryTitleIsWhole(t *testing.T) {
	t.Parallel()
	made := redditsim.Titles(2000)
	for topic, titles := range made {
		distinct := map[string]bool{}
		for _, title := range titles {
			distinct[title] = true
			if strings.ContainsAny(title, "{}") || strings.Contains(title, "  ") || len(title) < 12 || len(title) > 200 {
				t.Fatalf("%s: %q", topic, title)
			}
		}
		if len(distinct) < 150 {
			t.Errorf("%s: only %d different titles in 2000", topic, len(distinct))
		}
	}
	for name, topic := range redditsim.Catalogue() {
		if made[topic] == nil {
			t.Errorf("%s is about %q, which has no words", name, topic)
		}
	}
}

func TestTheFirstCommunitiesCanBeConfigured(t *testing.T) {
	t.Parallel()
	sim, err := redditsim.New(redditsim.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	names := sim.Subreddits()
	known := redditsim.Catalogue()
	for _, name := range names {
		row := pulse.Subreddit{Name: name, IntervalSeconds: 60, Priority: pulse.Fast}
		if err := pulse.CheckSubreddit(row); err != nil || known[name] == "" || name == "politics" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(names) < 6 || len(known) < 55 || known["politics"] == "" {
		t.Errorf("%d names of %d known", len(names), len(known))
	}
}
