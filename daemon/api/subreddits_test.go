package api

import (
	"net/http"
	"strings"
	"testing"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestSubredditLivesFromPostToDelete(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator, viewer := g.as(pulse.Operator), g.as(pulse.Viewer)
	var row wire.Subreddit

	got := g.do("POST", "/api/subreddits/", `{"name":"golang"}`, operator)
	got.decode(t, &row)
	if got.status != http.StatusCreated || got.header.Get("Location") != "/api/subreddits/golang/" || got.header.Get("ETag") != `"v1"` {
		t.Fatalf("POST: %d %v %s", got.status, got.header, got.body)
	}
	if row.IntervalSeconds != 60 || row.Priority != "medium" || !row.IsActive || row.AddedBy != "operator" || row.Status.State != "pending" {
		t.Errorf("defaults: %+v", row)
	}
	got = g.do("POST", "/api/subreddits/", `{"name":"politics","interval_seconds":90,"priority":"fast","is_active":false}`, operator)
	got.decode(t, &row)
	if row.IntervalSeconds != 90 || row.Priority != "fast" || row.IsActive {
		t.Errorf("given values: %+v", row)
	}
	p := wantProblem(t, g.do("POST", "/api/subreddits/", `{"name":"GoLang"}`, operator), http.StatusConflict, pulse.Conflict, "", "PATCH")
	if p.Current == nil || p.Current.Name != "golang" {
		t.Errorf("a duplicate's current row = %+v, want golang", p.Current)
	}

	var list wire.SubredditList
	got = g.do("GET", "/api/subreddits/", "", viewer)
	got.decode(t, &list)
	if len(list.Results) != 2 || got.header.Get("X-Served-By") != "primary" {
		t.Errorf("list: %s", got.body)
	}
	got = g.do("GET", "/api/subreddits/GOLANG/", "", viewer)
	if got.header.Get("ETag") != `"v1"` || got.header.Get("X-Served-By") != "primary" {
		t.Errorf("GET: %v", got.header)
	}

	const path = "/api/subreddits/golang/"
	got = g.do("PATCH", path, `{"interval_seconds":30}`, operator, `If-Match: "v1"`)
	got.decode(t, &row)
	if got.status != http.StatusOK || row.IntervalSeconds != 30 || row.Priority != "medium" || got.header.Get("ETag") != `"v2"` {
		t.Fatalf("PATCH: %d %s", got.status, got.body)
	}
	stale := g.do("PATCH", path, `{"interval_seconds":40}`, operator, `If-Match: "v1"`)
	p = wantProblem(t, stale, http.StatusConflict, pulse.Conflict, "", "changed")
	if p.Current == nil || p.Current.IntervalSeconds != 30 || p.Current.Version != 2 || stale.header.Get("ETag") != `"v2"` {
		t.Errorf("a stale edit's current row = %+v, ETag %s; want version 2", p.Current, stale.header.Get("ETag"))
	}
	got = g.do("PUT", path, `{"interval_seconds":120,"priority":"slow","is_active":false}`, operator, `If-Match: *`)
	got.decode(t, &row)
	if got.status != http.StatusOK || row.IntervalSeconds != 120 || row.Priority != "slow" || row.IsActive {
		t.Errorf("PUT: %d %s", got.status, got.body)
	}

	p = wantProblem(t, g.do("DELETE", path, "", operator, `If-Match: "v1"`), http.StatusConflict, pulse.Conflict, "", "changed")
	if p.Current == nil || p.Current.Version != 3 {
		t.Errorf("a stale removal's current row = %+v, want version 3", p.Current)
	}
	if got = g.do("DELETE", path, "", operator, `If-Match: W/"v3"`); got.status != http.StatusNoContent || got.body != "" {
		t.Errorf("DELETE: %d %q", got.status, got.body)
	}
	for _, method := range []string{"GET", "DELETE", "PATCH"} {
		body := ""
		if method == "PATCH" {
			body = `{"is_active":true}`
		}
		wantProblem(t, g.do(method, path, body, operator, "If-Match: *"), http.StatusNotFound, pulse.NotFound, "", "golang")
	}
	if got = g.do("DELETE", "/api/subreddits/politics", "", operator); got.status != http.StatusNoContent {
		t.Errorf("DELETE without If-Match: %d", got.status)
	}
	if got = g.do("GET", "/api/subreddits/", "", viewer); got.body != `{"results":[],"budget":null}`+"\n" {
		t.Errorf("empty list: %s", got.body)
	}
}

func TestBadSubredditsAreRefusedByField(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator := g.as(pulse.Operator)
	g.do("POST", "/api/subreddits/", `{"name":"golang"}`, operator)
	const one = "/api/subreddits/golang/"
	const all = `{"interval_seconds":60,"priority":"fast","is_active":true}`
	for _, test := range []struct {
		method, path, body, ifMatch string
		status                      int
		field, says                 string
	}{
		{"POST", "/api/subreddits/", `{}`, "", 400, "name", "name"},
		{"POST", "/api/subreddits/", `{"name":"r/golang"}`, "", 400, "name", "without r/"},
		{"POST", "/api/subreddits/", `{"name":""}`, "", 400, "name", ""},
		{"POST", "/api/subreddits/", `{"name":7}`, "", 400, "name", "string"},
		{"POST", "/api/subreddits/", `{"name":null}`, "", 400, "name", ""},
		{"POST", "/api/subreddits/", `{"Name":"x"}`, "", 400, "", ""},
		{"POST", "/api/subreddits/", `{"name":"abc","interval":5}`, "", 400, "interval", "unexpected"},
		{"POST", "/api/subreddits/", `{"name":"abc","interval_seconds":9}`, "", 400, "interval_seconds", "10 to 86400"},
		{"POST", "/api/subreddits/", `{"name":"abc","interval_seconds":86401}`, "", 400, "interval_seconds", ""},
		{"POST", "/api/subreddits/", `{"name":"abc","interval_seconds":60.5}`, "", 400, "interval_seconds", "integer"},
		{"POST", "/api/subreddits/", `{"name":"abc","interval_seconds":1e400}`, "", 400, "interval_seconds", "out of range"},
		{"POST", "/api/subreddits/", `{"name":"abc","interval_seconds":99999999999999999999}`, "", 400, "interval_seconds", "out of range"},
		{"POST", "/api/subreddits/", `{"name":"abc","interval_seconds":"60"}`, "", 400, "interval_seconds", "integer"},
		{"POST", "/api/subreddits/", `{"name":"abc","priority":"urgent"}`, "", 400, "priority", "fast, medium or slow"},
		{"POST", "/api/subreddits/", `{"name":"abc","is_active":"yes"}`, "", 400, "is_active", "boolean"},
		{"PATCH", one, `{"interval_seconds":30}`, "", 428, "If-Match", "ETag"},
		{"PUT", one, all, "", 428, "If-Match", "ETag"},
		{"PATCH", one, `{"interval_seconds":30}`, "v1", 400, "If-Match", `"v3"`},
		{"PATCH", one, `{"interval_seconds":30}`, `"v0"`, 400, "If-Match", ""},
		{"PATCH", one, `{"interval_seconds":30}`, `"v1", "v2"`, 400, "If-Match", "one ETag"},
		{"PATCH", one, `{"interval_seconds":3}`, `*`, 400, "interval_seconds", ""},
		{"PATCH", one, `{"priority":"none"}`, `*`, 400, "priority", ""},
		{"PATCH", one, `{}`, `*`, 400, "body", "changes nothing"},
		{"PATCH", one, `{"name":"other"}`, `*`, 400, "name", "unexpected"},
		{"PUT", one, `{"interval_seconds":60,"priority":"fast"}`, `*`, 400, "is_active", "missing"},
		{"PUT", one, `{"interval_seconds":60,"is_active":true}`, `*`, 400, "priority", "missing"},
		{"PUT", one, `{"is_active":true,"priority":"fast"}`, `*`, 400, "interval_seconds", "missing"},
		{"DELETE", one, "", `"1"`, 400, "If-Match", ""},
	} {
		headers := []string{operator}
		if test.ifMatch != "" {
			headers = append(headers, "If-Match: "+test.ifMatch)
		}
		got := g.do(test.method, test.path, test.body, headers...)
		wantProblem(t, got, test.status, pulse.Invalid, test.field, test.says)
		if strings.Contains(got.body, "Go ") || strings.Contains(got.body, "wire.") {
			t.Errorf("%s %s: the answer speaks of the inside: %s", test.method, test.body, got.body)
		}
		if t.Failed() {
			t.Fatalf("%s %s %s: %s", test.method, test.path, test.body, got.body)
		}
	}
	if got := g.do("GET", one, "", operator); got.header.Get("ETag") != `"v1"` {
		t.Errorf("a refused change has changed the row: %s", got.body)
	}
}
