package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"dev.redditpulse/shared/pulse"
)

// concrete fills in the parameters of a path.
func concrete(path string) string {
	path = strings.Replace(path, "dead-letters/{id}", "dead-letters/reddit.posts.raw:0:7", 1)
	return strings.NewReplacer("{id}", "t3_001", "{name}", "golang").Replace(path)
}

func TestClosedRoutesAskForATokenAndARole(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	weaker := map[pulse.Role]pulse.Role{pulse.Operator: pulse.Viewer, pulse.Admin: pulse.Operator}
	open := 0
	for _, r := range g.server.routes() {
		path := concrete(r.path)
		if r.role == anyone {
			open++
			if got := g.do(r.method, path, ""); got.status == http.StatusForbidden || got.header.Get("Www-Authenticate") != "" {
				t.Errorf("%s %s: %d, want it open", r.method, path, got.status)
			}
			continue
		}
		got := g.do(r.method, path, "")
		wantProblem(t, got, http.StatusUnauthorized, pulse.Unauthenticated, "", "Authorization: Bearer")
		if got.header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s %s: WWW-Authenticate = %q, want Bearer", r.method, path, got.header.Get("Www-Authenticate"))
		}
		got = g.do(r.method, path, "", "Authorization: Bearer forged")
		wantProblem(t, got, http.StatusUnauthorized, pulse.Unauthenticated, "", "the token is not valid")
		if low, ok := weaker[r.role]; ok {
			wantProblem(t, g.do(r.method, path, "{}", g.as(low)), http.StatusForbidden, pulse.Forbidden, "", string(r.role))
		}
		if got := g.do(r.method, path, "", g.as(r.role)); got.status == http.StatusUnauthorized || got.status == http.StatusForbidden {
			t.Errorf("%s %s as %s: %d, want it admitted", r.method, path, r.role, got.status)
		}
	}
	if open != 6 {
		t.Errorf("%d routes are open, want the six of the token, health and document", open)
	}
}

func TestNothingButTheTableIsReachable(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	known := map[string]bool{}
	paths := map[string]string{}
	for _, r := range g.server.routes() {
		known[r.method+" "+r.path] = true
		paths[r.path] = concrete(r.path)
		if r.path == "/api/subreddits/{name}/" { // a subreddit may have the name of a path
			known[r.method+" /api/subreddits/preview/"] = true
		}
		if r.path == "/api/dead-letters/{id}/" {
			known[r.method+" /api/dead-letters/replay/"], known[r.method+" /api/dead-letters/discard/"] = true, true
		}
	}
	admin := g.as(pulse.Admin)
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"}
	for path, url := range paths {
		for _, method := range methods {
			got := g.do(method, url, "", admin)
			if known[method+" "+path] == (got.status == http.StatusMethodNotAllowed) {
				t.Errorf("%s %s: %d, in the table: %t", method, url, got.status, known[method+" "+path])
			}
			if got.status == http.StatusMethodNotAllowed {
				wantProblem(t, got, http.StatusMethodNotAllowed, pulse.Invalid, "", got.header.Get("Allow"))
			}
		}
		got := g.do("OPTIONS", url, "")
		for _, method := range methods {
			if allowed := slices.Contains(strings.Split(got.header.Get("Allow"), ", "), method); allowed != known[method+" "+path] {
				t.Errorf("OPTIONS %s: Allow %q, but %s in the table: %t", url, got.header.Get("Allow"), method, known[method+" "+path])
			}
		}
		if got.status != http.StatusNoContent {
			t.Errorf("OPTIONS %s: %d, want 204", url, got.status)
		}
	}
	for _, path := range []string{
		"/", "/api/", "/api", "/api/post/", "/api/posts/t3_1/x/", "//api/posts/", "/api//posts/", "/api/./posts/", "/api/x/../posts/",
		"/api/users/", "/api/trends/", "/docs", "/openapi.json", "/openapi.yaml", "/schemas/Page.json", "/api/docs/", "/metrics",
		"/api/posts%2F", "/api/posts/t3_001%2Fhistory", "/ws/", "/API/posts/",
	} {
		for _, token := range []string{admin, "X-Nothing: 1"} {
			got := g.do("GET", path, "", token)
			if path == "/api/posts/t3_001%2Fhistory" && token == admin { // one segment, so an id
				wantProblem(t, got, http.StatusBadRequest, pulse.Invalid, "id", "")
				continue
			}
			if path == "/api/posts/t3_001%2Fhistory" {
				continue
			}
			wantProblem(t, got, http.StatusNotFound, pulse.NotFound, "", "openapi.json")
		}
	}
}

func TestSlashAndHeadMakeNoDifference(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	if got := g.do("POST", "/api/subreddits", `{"name":"golang"}`, g.as(pulse.Operator)); got.status != http.StatusCreated {
		t.Fatalf("POST without the slash: %d %s", got.status, got.body)
	}
	admin := g.as(pulse.Admin)
	for _, r := range g.server.routes() {
		if r.method != http.MethodGet {
			continue
		}
		path := strings.TrimSuffix(concrete(r.path), "/")
		with, without := g.do("GET", path+"/", "", admin), g.do("GET", path, "", admin)
		if with.status != without.status || r.path != "/ws/posts/" && with.body != without.body {
			t.Errorf("GET %s: with the slash %d, without %d", path, with.status, without.status)
		}
		if head := g.do("HEAD", path, "", admin); head.status != with.status || head.body != "" {
			t.Errorf("HEAD %s: %d %q, want %d and no body", path, head.status, head.body, with.status)
		}
		if with.status >= 400 && r.path != "/ws/posts/" {
			t.Errorf("GET %s: %d %s", path, with.status, with.body)
		}
	}
}

func TestOpenAPIDescribesExactlyTheTable(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	got := g.do("GET", "/api/openapi.json", "")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("openapi.json: %d %s", got.status, got.header.Get("Content-Type"))
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]json.RawMessage
		}
	}
	got.decode(t, &doc)
	if doc.OpenAPI != "3.1.0" || strings.Contains(got.body, "$schema") {
		t.Errorf("openapi = %q, want 3.1.0 and no $schema", doc.OpenAPI)
	}
	documented := 0
	for _, methods := range doc.Paths {
		documented += len(methods)
	}
	routes := g.server.routes()
	if documented != len(routes) {
		t.Errorf("%d operations documented, %d routes", documented, len(routes))
	}
	for _, r := range routes {
		op, ok := doc.Paths[r.path][strings.ToLower(r.method)]
		if !ok {
			t.Errorf("%s %s is not documented", r.method, r.path)
			continue
		}
		if closed := len(op.Security) > 0; closed != (r.role != anyone) {
			t.Errorf("%s %s: documented as closed: %t", r.method, r.path, closed)
		}
		if op.Responses["default"] == nil {
			t.Errorf("%s %s: documents no problem", r.method, r.path)
		}
	}
}

func TestRoutesHaveSeriesFromTheStart(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	families, err := g.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	if series["pulse_api_requests_total"] != len(g.server.routes()) || series["pulse_api_request_seconds"] != 1 {
		t.Errorf("series = %v", series)
	}
	g.do("GET", "/api/posts/?limit=0", "", g.as(pulse.Viewer))
	g.do("BREW", "/nowhere", "")
	got := map[string]float64{}
	families, _ = g.registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var key []string
			for _, l := range m.GetLabel() {
				key = append(key, l.GetValue())
			}
			got[strings.Join(key, " ")] = m.GetCounter().GetValue()
		}
	}
	if got["400 GET /api/posts/"] != 1 || got["404 other unmatched"] != 1 {
		t.Errorf("counted %v", got)
	}
}
