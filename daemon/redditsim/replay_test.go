package redditsim_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/daemon/redditsim"
)

const recordedDir = "../../../shared/reddit-recorded"

// entry is a line of the folder's index, read here once more and apart from the
// code under test.
type entry struct {
	File, Method, URI, Body string
	Status                  int
	Headers                 map[string]string
	N                       int `json:"n_t3"`
	Length                  int `json:"uri_len"` // differs where the address was cut
}

func readEntries(t testing.TB, dir string) []entry {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if os.IsNotExist(err) {
		t.Skipf("%s is not here", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	if err := json.Unmarshal(body, &entries); err != nil {
		t.Fatal(err)
	}
	return entries
}

func replaySite(t *testing.T, dir string) *site {
	t.Helper()
	return newSite(t, redditsim.Config{Replay: dir, RequestsPerWindow: 100_000}, time.Time{})
}

// known is the simulator of the recorded folder; reading it takes a while, so
// that the tests share one.
var known = sync.OnceValues(func() (*redditsim.Server, error) {
	return redditsim.New(redditsim.Config{Replay: recordedDir, RequestsPerWindow: 100_000}, slog.New(slog.DiscardHandler))
})

func knownSite(t *testing.T) *site {
	t.Helper()
	sim, err := known()
	if err != nil {
		t.Fatal(err)
	}
	return siteOf(t, sim)
}

// recordedPost is what the recordings say of one post.
type recordedPost struct {
	id, subreddit, file string
	date                time.Time
	raw                 []byte
	created             float64
}

// gather finds the posts of a body the slow and obvious way.
func gather(t testing.TB, raw json.RawMessage, give func(json.RawMessage)) {
	t.Helper()
	if !bytes.Contains(raw, []byte(`"t3"`)) {
		return
	}
	switch raw = bytes.TrimSpace(raw); raw[0] {
	case '{':
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		if string(fields["kind"]) == `"t3"` && len(fields["data"]) > 0 && fields["data"][0] == '{' {
			give(raw)
			if bytes.Count(raw, []byte(`"t3"`)) == 1 {
				return
			}
		}
		for name, value := range fields {
			if name != "crosspost_parent_list" {
				gather(t, value, give)
			}
		}
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			gather(t, item, give)
		}
	}
}

// recordedPosts is the newest recording of every post of the folder.
func recordedPosts(t testing.TB, dir string) map[string]recordedPost {
	t.Helper()
	posts := map[string]recordedPost{}
	for _, e := range readEntries(t, dir) {
		if e.Body != "json" {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, e.File))
		if err != nil {
			t.Fatal(err)
		}
		date, _ := http.ParseTime(e.Headers["date"])
		n := 0
		gather(t, body, func(raw json.RawMessage) {
			n++
			var p struct {
				Data struct {
					Name, Subreddit string
					CreatedUTC      float64 `json:"created_utc"`
				}
			}
			if err := json.Unmarshal(raw, &p); err != nil {
				t.Fatal(err)
			}
			old, known := posts[p.Data.Name]
			if !known || date.After(old.date) || date.Equal(old.date) && e.File >= old.file {
				posts[p.Data.Name] = recordedPost{p.Data.Name, p.Data.Subreddit, e.File, date, raw, p.Data.CreatedUTC}
			}
		})
		if n != e.N {
			t.Errorf("%s: %d posts, the index says %d", e.File, n, e.N)
		}
	}
	return posts
}

func TestEveryRecordedPostIsServedByteForByte(t *testing.T) {
	t.Parallel()
	posts := recordedPosts(t, recordedDir)
	byName := map[string]map[string]bool{}
	for id, p := range posts {
		lower := strings.ToLower(p.subreddit)
		if byName[lower] == nil {
			byName[lower] = map[string]bool{}
		}
		byName[lower][id] = true
	}
	if len(posts) != 3233 || len(byName) != 861 {
		t.Errorf("recorded: %d posts in %d communities, want 3233 in 861", len(posts), len(byName))
	}
	s := knownSite(t)
	names := s.sim.Subreddits()
	if len(names) != 860 {
		t.Errorf("%d communities can be configured, want 860", len(names))
	}
	served := 0
	for i, name := range names {
		if i%2 == 1 {
			name = strings.ToUpper(name)
		}
		page := s.all("/r/" + url.PathEscape(name) + "/new?raw_json=1&limit=60")
		if want := byName[strings.ToLower(name)]; len(page.ids) != len(want) {
			t.Errorf("r/%s: %d posts, want %d", name, len(page.ids), len(want))
		}
		for j, raw := range page.raw {
			p := posts[page.ids[j]]
			if raw != string(p.raw) || !byName[strings.ToLower(name)][p.id] {
				t.Errorf("r/%s: %s is not as recorded in %s", name, page.ids[j], p.file)
			}
			if j > 0 && p.created > posts[page.ids[j-1]].created {
				t.Errorf("r/%s: %s stands behind an older post", name, p.id)
			}
			served++
		}
	}
	if served != 3232 {
		t.Errorf("%d posts served in /new, want 3232", served)
	}
	var ids []string
	for id := range posts {
		ids = append(ids, id)
	}
	for chunk := range slices.Chunk(ids, 100) {
		page := s.list("/api/info?id=t3_nosuchpost," + strings.Join(chunk[1:], ",") + "&raw_json=1")
		if !slices.Equal(page.ids, chunk[1:]) {
			t.Fatalf("/api/info: got %d posts, want %d in order", len(page.ids), len(chunk)-1)
		}
		for j, raw := range page.raw {
			if raw != string(posts[page.ids[j]].raw) {
				t.Errorf("/api/info: %s is not as recorded", page.ids[j])
			}
		}
	}
}

func TestEveryRecordedRequestGetsItsAnswersInTurn(t *testing.T) {
	t.Parallel()
	entries := readEntries(t, recordedDir)
	s := knownSite(t)
	shelves := map[string]bool{}
	for _, name := range s.sim.Subreddits() {
		shelves[strings.ToLower(name)] = true
	}
	asked := 0
	for range 2 { // the second round gets the same in the same order
		for _, e := range entries {
			u, err := url.Parse(e.URI)
			if err != nil {
				t.Fatal(err)
			}
			path := strings.Split(strings.Trim(u.Path, "/"), "/")
			if u.Path == "/api/v1/access_token" || e.Length != len(e.URI) ||
				len(path) == 3 && path[2] == "new" && shelves[strings.ToLower(path[1])] {
				continue
			}
			query := strings.Split(u.RawQuery, "&")
			slices.Reverse(query)
			target := u.EscapedPath() + "?" + strings.ReplaceAll(strings.Join(query, "&"), ",", "%2c")
			resp, body := s.do(e.Method, target, "", map[string]string{"Authorization": "bearer " + s.token})
			want, err := os.ReadFile(filepath.Join(recordedDir, e.File))
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != e.Status || body != string(want) {
				t.Errorf("%s: got %d and %d bytes, want %d and %d", e.File, resp.StatusCode, len(body), e.Status, len(want))
			}
			for _, name := range []string{"location", "retry-after", "www-authenticate", "content-type"} {
				if v := e.Headers[name]; v != "" && resp.Header.Get(name) != v {
					t.Errorf("%s: %s is %q, recorded %q", e.File, name, resp.Header.Get(name), v)
				}
			}
			own := resp.Header.Get("X-Ratelimit-Used")
			if (e.Status >= 400 && own != e.Headers["x-ratelimit-used"]) || (e.Status < 400 && own == "") {
				t.Errorf("%s: x-ratelimit-used is %q, recorded %q", e.File, own, e.Headers["x-ratelimit-used"])
			}
			asked++
		}
	}
	if asked < 160 {
		t.Errorf("only %d requests compared", asked)
	}
}

func TestReplayRefusesWhatWasNotRecorded(t *testing.T) {
	t.Parallel()
	readEntries(t, recordedDir)
	s := knownSite(t)
	for _, c := range []struct {
		path   string
		status int
		quoted string
	}{
		{"/r/neverrecorded/new", 302, ""},
		{"/r/private_x/new", 403, "private_403.json"},
		{"/r/gated_x/new", 403, "gated_403.json"},
		{"/r/quarantined_x/new", 403, "quarantined_403_with_email_optin.json"},
		{"/r/banned_x/new", 404, "banned_404.json"},
		{"/r/no-name/new", 404, "invalid_name_404.json"},
	} {
		resp, body := s.get(c.path)
		want := ""
		if c.quoted != "" {
			quoted, err := os.ReadFile(filepath.Join(recordedDir, "quoted", c.quoted))
			if err != nil {
				t.Fatal(err)
			}
			want = string(quoted)
		}
		if resp.StatusCode != c.status || body != want {
			t.Errorf("%s: got %d %.200s, want %d %.200s", c.path, resp.StatusCode, body, c.status, want)
		}
	}
	many := s.list("/r/pics+neverrecorded+FUNNY/new?limit=100")
	if len(many.ids) != 100 {
		t.Errorf("two recorded communities together: %d posts on the first page", len(many.ids))
	}
}

// tapeDir writes a small replay folder.
func tapeDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNewestRecordingOfAPostCounts(t *testing.T) {
	t.Parallel()
	post := func(score string) string {
		return `{"kind":"Listing","data":{"children":[{"data":{"subreddit":"Abc","name":"t3_1","created_utc":5,"score":` +
			score + `,"crosspost_parent_list":[{"kind":"t3","data":{"name":"t3_2"}}]},"kind":"t3"}, {"kind":"t3","data":{}}]}}`
	}
	entry := func(file, date string) string {
		return `{"file":"` + file + `","method":"GET","uri":"https://oauth.reddit.com/x","status":200,"body":"json","headers":{"Date":"` + date + `"}}`
	}
	const early, late = "Sat, 04 Jul 2020 23:16:20 GMT", "Sat, 04 Jul 2020 23:16:21 GMT"
	dir := tapeDir(t, map[string]string{
		"a.json": post("1"), "b.json": post("2"), "c.json": post("3"), "d.json": post("4"), "z.json": post("5") + "{",
		"index.json": "[" + strings.Join([]string{
			entry("d.json", ""), entry("c.json", late), entry("b.json", late), entry("a.json", early), entry("z.json", late),
		}, ",") + "]",
	})
	s := replaySite(t, dir)
	page := s.list("/r/ABC/new")
	if len(page.posts) != 1 || page.posts[0]["score"] != 3.0 {
		t.Errorf("got %v, want only t3_1 as in c.json", page.raw)
	}
	if names := s.sim.Subreddits(); !slices.Equal(names, []string{"Abc"}) {
		t.Errorf("communities %v", names)
	}
	for _, want := range []string{post("4"), post("3"), post("2"), post("1"), post("5") + "{", post("4")} {
		if _, body := s.get("/x/"); body != want {
			t.Errorf("got %s, want %s", body, want)
		}
	}
}

func TestBadReplayFolderIsRefusedByTheNameOfTheFile(t *testing.T) {
	t.Parallel()
	const good = `{"file":"a.json","method":"GET","uri":"https://oauth.reddit.com/x","status":200,"body":"json"}`
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no index", nil, "index.json: no such file"},
		{"not JSON", map[string]string{"index.json": "[{"}, "index.json: "},
		{"no list", map[string]string{"index.json": `{"a":1}`}, "index.json: "},
		{"empty", map[string]string{"index.json": `[]`}, "index.json: no entries"},
		{"no file", map[string]string{"index.json": "[" + good + "]"}, "a.json: no such file"},
		{"outside", map[string]string{"index.json": `[{"file":"../a.json"}]`}, `entry 1 ("../a.json"): file:`},
		{"no method", map[string]string{"index.json": `[{"file":"a"}]`}, "method: missing"},
		{"bad uri", map[string]string{"index.json": `[{"file":"a","method":"GET","uri":"/x"}]`}, "uri: want"},
		{"bad status", map[string]string{"index.json": strings.Replace("["+good+"]", "200", "7", 1)}, "status: want"},
	} {
		_, err := redditsim.New(redditsim.Config{Replay: tapeDir(t, c.files)}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func FuzzThings(f *testing.F) {
	f.Add([]byte(`{"kind":"t3","data":{"x":[{"kind":"t3","data":{}}]}}`))
	f.Add([]byte(`[{"data":{"crosspost_parent_list":[{"kind":"t3","data":{}}]},"kind":"t3"} , 1e5,"\"\\"]`))
	f.Add([]byte(` {"kind": "t3" , "data" : null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, raw := range redditsim.Things(body) {
			var thing struct{ Kind json.RawMessage }
			if !json.Valid(raw) || !bytes.Contains(body, raw) {
				t.Errorf("found %q in %q", raw, body)
			}
			if err := json.Unmarshal(raw, &thing); err != nil {
				t.Errorf("%q: %v", raw, err)
			}
		}
	})
}
