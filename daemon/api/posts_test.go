package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func (g *rig) page(query string) wire.Page {
	g.t.Helper()
	got := g.do("GET", "/api/posts/?"+query, "", g.as(pulse.Viewer))
	if got.status != http.StatusOK || got.header.Get("X-Served-By") != "replica" {
		g.t.Fatalf("GET ?%s: %d %s %s", query, got.status, got.header.Get("X-Served-By"), got.body)
	}
	var page wire.Page
	got.decode(g.t, &page)
	return page
}

func ids(page wire.Page) []string {
	var list []string
	for _, p := range page.Results {
		list = append(list, p.ID)
	}
	return list
}

func TestPagesWalkForwardAndBackOverTheExactSet(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, order := range cursorOrders {
		for _, limit := range []int{1, 4, 22, 23, 24, 200} {
			query := "order=" + url.QueryEscape(string(order)) + "&limit=" + strconv.Itoa(limit)
			whole := ids(g.page("limit=200&order=" + string(order)))
			if len(whole) != 23 {
				t.Fatalf("%s: %d posts, want 23", order, len(whole))
			}
			var pages [][]string
			var walked []string
			var last wire.Page
			for cursor := ""; ; cursor = "&cursor=" + *last.Next {
				first := cursor == ""
				last = g.page(query + cursor)
				if (last.Previous == nil) != first {
					t.Errorf("%s %d: page %d has previous: %t", order, limit, len(pages), last.Previous != nil)
				}
				pages = append(pages, ids(last))
				walked = append(walked, ids(last)...)
				if last.Next == nil {
					break
				}
			}
			if !slices.Equal(walked, whole) {
				t.Errorf("%s by %d forward: %v, want %v", order, limit, walked, whole)
			}
			for i := len(pages) - 2; i >= 0; i-- {
				last = g.page(query + "&cursor=" + *last.Previous)
				if !slices.Equal(ids(last), pages[i]) || last.Next == nil {
					t.Fatalf("%s by %d, back to page %d: %v, want %v", order, limit, i, ids(last), pages[i])
				}
			}
			if last.Previous != nil {
				t.Errorf("%s by %d: the first page, reached backwards, has a previous", order, limit)
			}
		}
	}
}

func TestListPassesTheFilterOn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	page := g.page("subreddit=POLITICS&subreddit=Golang&subreddit=golang&q=%20number++1&min_score=0&min_velocity=-1.5&trending=false" +
		"&since=2026-03-01T12:00:00Z&until=2026-03-01T14:00:00.5%2B01:00&order=-score&limit=7")
	if len(page.Results) == 0 {
		t.Error("no results")
	}
	q := g.posts.asked[len(g.posts.asked)-1]
	f := q.Filter
	if !slices.Equal(f.Subreddits, []string{"golang", "politics"}) || f.Words != "number 1" || *f.MinScore != 0 || *f.MinVelocity != -1.5 ||
		f.Trending || !f.Since.Equal(start) || !f.Until.Equal(start.Add(time.Hour+500*time.Millisecond)) || q.Order != pulse.ByScore || q.Limit != 7 {
		t.Errorf("asked the store for %+v", q)
	}
	g.page("trending=true")
	q = g.posts.asked[len(g.posts.asked)-1]
	if !q.Filter.Trending || q.Filter.MinScore != nil || q.Filter.MinVelocity != nil || q.Order != pulse.ByObserved || q.Limit != 50 || q.After != nil {
		t.Errorf("asked the store for %+v, want the defaults", q)
	}
	if body := g.do("GET", "/api/posts/?limit=1", "", g.as(pulse.Viewer)).body; !strings.Contains(body, "<Post> & number") {
		t.Errorf("titles are escaped: %s", body)
	}
	if body := g.do("GET", "/api/posts/?q=nothing", "", g.as(pulse.Viewer)).body; body != `{"results":[],"next":null,"previous":null}`+"\n" {
		t.Errorf("empty page = %s", body)
	}
}

func TestBadQueriesAreRefusedByName(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	own := g.page("limit=2&q=number&order=-score")
	for _, test := range []struct{ path, field, says string }{
		{"/api/posts/?colour=red", "colour", "unknown query parameter"},
		{"/api/posts/?page_size=5", "page_size", "limit"},
		{"/api/posts/?limit=0", "limit", ">= 1"},
		{"/api/posts/?limit=201", "limit", "<= 200"},
		{"/api/posts/?limit=-5", "limit", ""},
		{"/api/posts/?limit=x", "limit", ""},
		{"/api/posts/?limit=5.0", "limit", ""},
		{"/api/posts/?limit=99999999999999999999", "limit", ""},
		{"/api/posts/?limit=1&limit=2", "limit", "2 times"},
		{"/api/posts/?limit=", "limit", "empty"},
		{"/api/posts/?limit", "limit", "empty"},
		{"/api/posts/?subreddit=&subreddit=golang", "subreddit", "empty"},
		{"/api/posts/?subreddit=" + strings.Repeat("x", 101), "subreddit", "no community's name"},
		{"/api/posts/?q=" + strings.Repeat("x", 201), "q", "200"},
		{"/api/posts/?q=a%00b", "q", "NUL"},
		{"/api/posts/?q=%ff%fe", "q", "UTF-8"},
		{"/api/posts/?q=%zz", "query", "malformed"},
		{"/api/posts/?a;b", "query", "malformed"},
		{"/api/posts/?min_score=1e400", "min_score", ""},
		{"/api/posts/?min_velocity=NaN", "min_velocity", "want a number"},
		{"/api/posts/?min_velocity=-Inf", "min_velocity", "want a number"},
		{"/api/posts/?trending=perhaps", "trending", ""},
		{"/api/posts/?since=yesterday", "since", "RFC 3339"},
		{"/api/posts/?since=2026-03-01T12:00:00+02:00", "since", "RFC 3339"},
		{"/api/posts/?since=0001-01-01T00:00:00Z", "since", "1970"},
		{"/api/posts/?until=9999-12-31T23:59:59Z", "until", "9998"},
		{"/api/posts/?since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z", "until", "later than since"},
		{"/api/posts/?order=score", "order", "-score"},
		{"/api/posts/?order=-title", "order", "-score"},
		{"/api/posts/?cursor=abc", "cursor", "not a cursor"},
		{"/api/posts/?cursor=" + strings.Repeat("A", 5000), "cursor", ""},
		{"/api/posts/?cursor=" + *own.Next, "cursor", "another filter or order"},
		{"/api/posts/?q=numbers&order=-score&cursor=" + *own.Next, "cursor", "another filter"},
		{"/api/posts/?q=number&cursor=" + *own.Next, "cursor", "another filter"},
		{"/api/posts/?q=number&order=-score&cursor=" + (*own.Next)[:20], "cursor", "not a cursor"},
		{"/api/posts/?q=number&order=-score&cursor=" + strings.Replace(*own.Next, (*own.Next)[8:12], "AAAA", 1), "cursor", "not a cursor"},
		{"/api/posts/t3_001/?limit=3", "limit", "unknown"},
		{"/api/posts/t3_UPPER/", "id", "t3_"},
		{"/api/posts/t1_001/", "id", "t3_"},
		{"/api/posts/t3_00000000000000/", "id", "t3_"},
		{"/api/posts/t3_1%00/", "id", "t3_"},
		{"/api/posts/t3_001/history/?resolution=year", "resolution", "raw"},
		{"/api/posts/t3_001/history/?limit=1001", "limit", "<= 1000"},
		{"/api/stats/?x=1", "x", "has none"},
		{"/api/subreddits/?q=x", "q", "unknown"},
		{"/api/subreddits/r%2Fgolang/", "name", "without r/"},
		{"/api/subreddits/a%00b/", "name", "without r/"},
		{"/ws/posts/?token=secret", "token", "unknown"},
	} {
		got := g.do("GET", test.path, "", g.as(pulse.Viewer))
		wantProblem(t, got, http.StatusBadRequest, pulse.Invalid, test.field, test.says)
		if t.Failed() {
			t.Fatalf("GET %s: %s", test.path, got.body)
		}
	}
	wantProblem(t, g.do("GET", "/api/health/?token=secret", ""), http.StatusBadRequest, pulse.Invalid, "token", "unknown")
	if q := "q=number&order=-score&limit=9&cursor=" + *own.Next; len(g.page(q).Results) != 9 {
		t.Error("a cursor is bound to the limit")
	}
}

func TestPostHistoryAndStatsAnswer(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.posts.posts = append(g.posts.posts, pulse.Post{Observation: pulse.Observation{PostID: "t3_none"}})
	viewer := g.as(pulse.Viewer)
	var post wire.Post
	got := g.do("GET", "/api/posts/t3_007/", "", viewer)
	got.decode(t, &post)
	if got.status != http.StatusOK || post.ID != "t3_007" || post.Velocity == nil || got.header.Get("X-Served-By") != "replica" {
		t.Errorf("post: %d %s", got.status, got.body)
	}
	wantProblem(t, g.do("GET", "/api/posts/t3_zzz/", "", viewer), http.StatusNotFound, pulse.NotFound, "", "t3_zzz")

	var history wire.History
	got = g.do("GET", "/api/posts/t3_007/history/?limit=2&resolution=raw", "", viewer)
	got.decode(t, &history)
	if history.ID != "t3_007" || len(history.Results) != 2 || history.Results[1].Score != 2 || got.header.Get("X-Served-By") != "replica" {
		t.Errorf("history: %d %s", got.status, got.body)
	}
	if got = g.do("GET", "/api/posts/t3_none/history/", "", viewer); got.body != `{"id":"t3_none","results":[]}`+"\n" {
		t.Errorf("a post without readings: %d %s", got.status, got.body)
	}
	wantProblem(t, g.do("GET", "/api/posts/t3_zzz/history/", "", viewer), http.StatusNotFound, pulse.NotFound, "", "")

	var stats wire.Stats
	got = g.do("GET", "/api/stats/", "", viewer)
	got.decode(t, &stats)
	if stats.Posts != 24 || len(stats.BySubreddit) != 1 || stats.BySubreddit[0].MaxScore != 9 || got.header.Get("X-Served-By") != "replica" {
		t.Errorf("stats: %d %s", got.status, got.body)
	}
}
