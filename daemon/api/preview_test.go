package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const previewPath = "/api/subreddits/preview/"

// watch puts rows as if they had been polled.
func (g *rig) watch(rows ...pulse.Subreddit) {
	g.subreddits.mu.Lock()
	defer g.subreddits.mu.Unlock()
	for _, row := range rows {
		g.subreddits.rows[strings.ToLower(row.Name)] = row
	}
}

func (g *rig) preview(body string) wire.Preview {
	g.t.Helper()
	got := g.do("POST", previewPath, body, g.as(pulse.Viewer))
	if got.status != http.StatusOK || got.header.Get("X-Served-By") != "primary" {
		g.t.Fatalf("preview of %.200s: %d %s", body, got.status, got.body)
	}
	var p wire.Preview
	got.decode(g.t, &p)
	return p
}

func TestPreviewTellsWhatChangesWouldDo(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.watch(watched(20, 60, 1)...)
	g.watch(pulse.Subreddit{Name: "closed", IntervalSeconds: 60, Priority: pulse.Fast, IsActive: true,
		Status: pulse.SubredditStatus{State: pulse.Private}})
	g.polling.say(pulse.Budget{At: start, Allowed: 84, Refresh: 10, Sweep: 1})

	p := g.preview(`{"changes":[{"name":"Added"},{"name":"SUB00003","interval_seconds":600},` +
		`{"name":"sub00004","remove":true},{"name":"sub00005","is_active":false},{"name":"closed","priority":"slow"}]}`)
	if p.Now.Subreddits != 20 || p.Then.Subreddits != 19 || p.Now.Allowed != 84 || !p.PromiseHolds {
		t.Errorf("preview = %+v", p)
	}
	if p.Now.Refresh != 10 || p.Then.Refresh >= 10 || p.Then.Refresh < 8 || p.Then.Sweep >= 1 {
		t.Errorf("refresh and sweep: %+v to %+v", p.Now, p.Then)
	}
	for _, l := range []wire.Load{p.Now, p.Then} {
		if !near(l.Total, l.Discovery+l.Refresh+l.Sweep) || !near(l.Share, l.Total/84) || l.IntervalFactor != 1 || l.Discovery <= 0 {
			t.Errorf("load = %+v", l)
		}
	}
	if !strings.HasSuffix(p.Detail, " of 84 requests a minute; every interval holds") {
		t.Errorf("detail = %q", p.Detail)
	}
	want := []struct {
		name      string
		interval  int
		priority  string
		now, then bool // polled
	}{
		{"Added", 60, "medium", false, true}, {"sub00003", 600, "medium", true, true}, {"sub00004", 60, "medium", true, false},
		{"sub00005", 60, "medium", true, false}, {"closed", 60, "slow", false, false},
	}
	if len(p.Subreddits) != len(want) {
		t.Fatalf("subreddits = %+v", p.Subreddits)
	}
	for i, w := range want {
		row := p.Subreddits[i]
		if row.Name != w.name || row.IntervalSeconds != w.interval || row.Priority != w.priority || !row.Changed || !row.PromiseHolds ||
			(row.NowEffective != nil) != w.now || (row.ThenEffective != nil) != w.then {
			t.Errorf("row %d = %+v, want %+v", i, row, w)
		}
	}
	if len(g.subreddits.rows) != 21 || g.subreddits.rows["sub00003"].IntervalSeconds != 60 {
		t.Error("a preview has changed something")
	}
}

func TestPreviewTakesOneChangeAsPostDoes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	p := g.preview(`{"name":"golang","interval_seconds":120,"priority":"fast","is_active":true}`)
	if p.Now.Allowed != 90 || p.Now.Subreddits != 0 || p.Then.Subreddits != 1 || len(p.Subreddits) != 1 || !p.Subreddits[0].Changed {
		t.Errorf("the first subreddit: %+v", p)
	}
	if p = g.preview(`{"name":"golang","is_active":false}`); p.Detail != "no subreddit is polled, nothing is asked of Reddit" || p.Then.Share != 0 {
		t.Errorf("a paused one: %+v", p)
	}
	g.watch(watched(1, 60, 1)...)
	if p = g.preview(`{"name":"sub00000"}`); p.Now != p.Then || len(p.Subreddits) != 1 {
		t.Errorf("no change: %+v", p)
	}
}

func TestPreviewNamesTheOthersThatWouldWait(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(d *Deps) { d.RequestsPerMinute = 10 })
	g.watch(watched(1200, 3600, 0.01)...)
	if p := g.preview(`{"name":"sub00007","interval_seconds":1800}`); len(p.Subreddits) != 1 || p.More != 0 {
		t.Errorf("while there is room, %d and %d more change: %s", len(p.Subreddits), p.More, p.Detail)
	}
	var changes []string
	for i := range 1000 {
		changes = append(changes, fmt.Sprintf(`{"name":"sub%05d","interval_seconds":10,"priority":"medium","is_active":true,"remove":false}`, i))
	}
	body := `{"changes":[` + strings.Join(changes, ",\n") + `]}`
	p := g.preview(body) // larger than other bodies may be
	if len(p.Subreddits) != 1000 || p.More != 200 || p.PromiseHolds || p.Then.IntervalFactor <= 1 || p.Then.Share <= 1 {
		t.Errorf("overfull: %d rows and %d more, %s, %+v", len(p.Subreddits), p.More, p.Detail, p.Then)
	}
	if last := p.Subreddits[999]; last.PromiseHolds || !last.Changed || *last.ThenEffective <= 10 {
		t.Errorf("one that would miss its promise: %+v", last)
	}
	p = g.preview(`{"changes":[` + strings.Join(changes[:900], ",") + `]}`)
	other := p.Subreddits[len(p.Subreddits)-1]
	if p.More != 200 || other.Changed || *other.ThenEffective <= *other.NowEffective {
		t.Errorf("one that waits for others: %+v and %d more", other, p.More)
	}
}

func TestBadPreviewsAreRefusedByField(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.watch(watched(2, 60, 1)...)
	viewer := g.as(pulse.Viewer)
	many := `{"changes":[` + strings.Repeat(`{"name":"abc"},`, 1000) + `{"name":"abc"}]}`
	const ok = `{"changes":[{"name":"abc"},{"name":"def"},{"name":"ghi"},`
	for _, test := range []struct{ body, field, says string }{
		{`{}`, "name", "missing"},
		{`{"interval_seconds":60}`, "name", "missing"},
		{`{"name":""}`, "name", "missing"},
		{`{"changes":[]}`, "changes", "length >= 1"},
		{`{"changes":null}`, "name", "or changes"},
		{`{"changes":{"name":"abc"}}`, "changes", "array"},
		{`{"changes":[1]}`, "changes[0]", "object"},
		{`{"changes":[null]}`, "changes[0]", "object"},
		{many, "changes", "<= 1000"},
		{`{"changes":[{"name":"abc"}],"name":"def"}`, "changes", "not together"},
		{`{"changes":[{"name":"abc"}],"remove":true}`, "changes", "not together"},
		{`{"name":"abc","interval":60}`, "interval", "unexpected"},
		{`{"name":"r/politics"}`, "name", "without r/"},
		{`{"name":"abc","interval_seconds":9}`, "interval_seconds", "10 to 86400"},
		{`{"name":"abc","priority":"urgent"}`, "priority", "fast, medium or slow"},
		{`{"name":"abc","remove":true}`, "name", "not configured"},
		{`{"name":"sub00000","remove":true,"interval_seconds":60}`, "remove", "not together"},
		{ok + `{"name":"jkl","interval_seconds":5}]}`, "changes[3].interval_seconds", "10 to 86400"},
		{ok + `{"name":"jkl","interval_seconds":1e400}]}`, "changes[3].interval_seconds", "out of range"},
		{ok + `{"name":"jkl","interval_seconds":1.5}]}`, "changes[3].interval_seconds", "integer"},
		{ok + `{"name":"jkl","name":"mno"}]}`, "changes[3].name", "twice"},
		{ok + `{"name":"j\u0000l"}]}`, "changes[3].name", "NUL"},
		{ok + `{"name":"jkl","priority":"none"}]}`, "changes[3].priority", "fast"},
		{ok + `{"name":"jkl","is_active":"no"}]}`, "changes[3].is_active", "boolean"},
		{ok + `{"name":"jkl","why":"x"}]}`, "changes[3].why", "unexpected"},
		{ok + `{"interval_seconds":60}]}`, "changes[3].name", "missing"},
		{ok + `{"name":"DEF"}]}`, "changes[3].name", "earlier"},
		{ok + `{"name":"jkl","remove":true}]}`, "changes[3].name", "not configured"},
		{ok + `{"name":"SUB00001","remove":true},{"name":"sub00001"}]}`, "changes[4].name", "earlier"},
	} {
		got := g.do("POST", previewPath, test.body, viewer)
		wantProblem(t, got, http.StatusBadRequest, pulse.Invalid, test.field, test.says)
		if t.Failed() {
			t.Fatalf("%.300s: %s", test.body, got.body)
		}
	}
	big := `{"name":"abc"` + strings.Repeat(" ", maxPreviewBody) + `}`
	wantProblem(t, g.do("POST", previewPath, big, viewer), http.StatusRequestEntityTooLarge, pulse.Invalid, "", "262144")
}

func TestPreviewOfAnAbsentPartIsAProblem(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.polling.err = &pulse.Error{Code: pulse.Unavailable, Message: "the database is away", Err: errors.New("secret host")}
	for _, get := range []string{"/api/subreddits/", "/api/subreddits/golang/gaps/"} {
		wantProblem(t, g.do("GET", get, "", g.as(pulse.Viewer)), http.StatusServiceUnavailable, pulse.Unavailable, "", "away")
	}
	wantProblem(t, g.do("POST", previewPath, `{"name":"abc"}`, g.as(pulse.Viewer)), http.StatusServiceUnavailable, pulse.Unavailable, "", "away")
}

func TestASubredditMayHaveTheNameOfAPath(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator := g.as(pulse.Operator)
	if got := g.do("POST", "/api/subreddits/", `{"name":"preview"}`, operator); got.status != http.StatusCreated {
		t.Fatalf("POST: %d %s", got.status, got.body)
	}
	var row wire.Subreddit
	got := g.do("PATCH", previewPath, `{"interval_seconds":90}`, operator, "If-Match: *")
	if got.decode(t, &row); row.Name != "preview" || row.IntervalSeconds != 90 {
		t.Errorf("PATCH: %d %s", got.status, got.body)
	}
	wantProblem(t, g.do("PATCH", previewPath, `{}`, g.as(pulse.Viewer), "If-Match: *"), http.StatusForbidden, pulse.Forbidden, "", "operator")
	if got := g.do("GET", "/api/subreddits/preview", "", operator); got.header.Get("ETag") != `"v2"` {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	if got := g.do("DELETE", previewPath, "", operator); got.status != http.StatusNoContent {
		t.Errorf("DELETE: %d %s", got.status, got.body)
	}
}

func TestGapsAndBudgetAreShown(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	viewer := g.as(pulse.Viewer)
	var gaps []pulse.Gap
	for i := range 3 {
		from := start.Add(-time.Duration(i+1) * time.Hour)
		gaps = append(gaps, pulse.Gap{Subreddit: "Politics", From: from, To: from.Add(20 * time.Minute),
			NoticedAt: from.Add(time.Hour).In(time.FixedZone("x", 7200)), Reason: "the listing ends"})
	}
	g.polling.gaps["politics"] = gaps
	row := pulse.Subreddit{Name: "Politics", IntervalSeconds: 60, Priority: pulse.Fast, IsActive: true, Version: 1,
		Status: pulse.SubredditStatus{State: pulse.Polling, Gaps: 3, LastGap: &gaps[0]}}
	g.watch(row)

	got := g.do("GET", "/api/subreddits/POLITICS/gaps/?limit=2", "", viewer)
	if want := `{"results":[{"from":"2026-03-01T11:00:00Z","to":"2026-03-01T11:20:00Z","noticed_at":"2026-03-01T12:00:00Z","reason":"the listing ends"},` +
		`{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T10:20:00Z","noticed_at":"2026-03-01T11:00:00Z","reason":"the listing ends"}]}` + "\n"; got.body != want {
		t.Errorf("gaps: %s", got.body)
	}
	if got := g.do("GET", "/api/subreddits/golang/gaps/", "", viewer); got.body != `{"results":[]}`+"\n" || got.header.Get("X-Served-By") != "primary" {
		t.Errorf("no gaps: %s", got.body)
	}
	wantProblem(t, g.do("GET", "/api/subreddits/nobody/gaps/", "", viewer), http.StatusNotFound, pulse.NotFound, "", "nobody")
	wantProblem(t, g.do("GET", "/api/subreddits/r_/gaps/?limit=1001", "", viewer), http.StatusBadRequest, pulse.Invalid, "limit", "1000")
	wantProblem(t, g.do("GET", "/api/subreddits/x/gaps/", "", viewer), http.StatusBadRequest, pulse.Invalid, "name", "")

	g.polling.say(pulse.Budget{At: start, Allowed: 84, Sent: 41.23456, Discovery: 30, Refresh: 10, Sweep: 2, Factor: 1, RefreshFactor: 1,
		LivePosts: 12_345, Window: pulse.Window{Limit: 1000, Used: 412, ResetAt: start.Add(3 * time.Minute)}})
	var list wire.SubredditList
	g.do("GET", "/api/subreddits/", "", viewer).decode(t, &list)
	if last := list.Results[0].Status.LastGap; last == nil || !last.From.Equal(gaps[0].From) || list.Results[0].Status.Gaps != 3 {
		t.Errorf("last gap: %+v", last)
	}
	if b := list.Budget; b == nil || b.Sent != 41.235 || b.Wanted() != 42 || b.LivePosts != 12_345 || b.Reddit.Used != 412 ||
		!b.Reddit.ResetsAt.Equal(start.Add(3*time.Minute)) || b.Reddit.StoppedUntil != nil {
		t.Errorf("budget: %+v", b)
	}
}

// FuzzPreview sends any body: it is answered or refused by name.
func FuzzPreview(f *testing.F) {
	g := newRig(f)
	g.watch(watched(5, 60, 1)...)
	token := g.as(pulse.Viewer)[len("Authorization: "):]
	for _, seed := range []string{
		`{"name":"abc"}`, `{"changes":[{"name":"abc"},{"name":"sub00001","remove":true}]}`, `{"changes":[]}`, `{"changes":[{}]}`,
		`{"name":"sub00001","interval_seconds":86400,"priority":"slow","is_active":false}`, `{"changes":[[[{"a":[1,{"b":1e999}]}]]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, previewPath, strings.NewReader(string(body)))
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %s", body, w.Body)
		}
	})
}
