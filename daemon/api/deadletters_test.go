package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// memoryDead keeps dead letters as the database does, and settles them.
type memoryDead struct {
	mu      sync.Mutex // covers all
	letters []pulse.DeadLetter
	err     error // of everything
	actErr  error // of replays and discards
	acts    []string

	unsendable int // letters that a replay refuses
}

// someLetters has ties in time, two classes, and one letter of every state.
func someLetters(n int) []pulse.DeadLetter {
	var letters []pulse.DeadLetter
	for i := range n {
		letters = append(letters, pulse.DeadLetter{
			ID: fmt.Sprintf("reddit.posts.raw/0/%d", i), State: pulse.DeadOpen, Topic: wire.TopicRaw, Offset: int64(i),
			Stage: "store", Class: []string{"invalid:score", "invalid:title"}[i%2], Message: "refused", Group: "g", AppVersion: "v",
			FirstFailedAt: start, FailedAt: start.Add(time.Duration(i/4) * time.Millisecond), Size: 5,
			Key: []byte("t3_1"), Value: []byte("v"), Headers: []pulse.DeadHeader{{Key: "h", Value: []byte{0xff}}},
		})
	}
	letters[3].State, letters[3].Replays, letters[3].ChangedBy, letters[3].ChangedAt = pulse.DeadReplayed, 1, "olga", &start
	letters[4].Replays = pulse.MaxReplays
	letters[5].Value = []byte("bad \xff bytes \x00")
	return letters
}

func (m *memoryDead) chosen(l *pulse.DeadLetter, f *pulse.DeadFilter) bool {
	return (f.State == "" || l.State == f.State) && (f.Topic == "" || l.Topic == f.Topic) && (f.Stage == "" || l.Stage == f.Stage) &&
		(f.Class == "" || l.Class == f.Class) && (f.Since.IsZero() || !l.FailedAt.Before(f.Since)) && (f.Until.IsZero() || l.FailedAt.Before(f.Until))
}

func (m *memoryDead) DeadLetters(_ context.Context, q pulse.DeadQuery) ([]pulse.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	compare := func(a, b pulse.DeadPlace) int {
		return cmp.Or(b.FailedAt.Compare(a.FailedAt), strings.Compare(b.ID, a.ID))
	}
	place := func(l *pulse.DeadLetter) pulse.DeadPlace { return pulse.DeadPlace{FailedAt: l.FailedAt, ID: l.ID} }
	var list []pulse.DeadLetter
	for i := range m.letters {
		if l := &m.letters[i]; m.chosen(l, &q.Filter) && (q.After == nil || compare(place(l), *q.After) > 0) {
			bare := *l
			bare.Key, bare.Value, bare.Headers = nil, nil, nil
			list = append(list, bare)
		}
	}
	slices.SortFunc(list, func(a, b pulse.DeadLetter) int { return compare(place(&a), place(&b)) })
	return list[:min(len(list), q.Limit+1)], m.err
}

func (m *memoryDead) DeadLetter(_ context.Context, id string) (pulse.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.ID == id {
			return l, m.err
		}
	}
	return pulse.DeadLetter{}, cmp.Or(m.err, error(pulse.Errorf(pulse.NotFound, "there is no dead letter %q", id)))
}

func (m *memoryDead) DeadReasons(_ context.Context, f pulse.DeadFilter) ([]pulse.DeadCount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.State = pulse.DeadOpen
	return m.count(func(l *pulse.DeadLetter) bool { return m.chosen(l, &f) }), m.err
}

func (m *memoryDead) count(is func(*pulse.DeadLetter) bool) []pulse.DeadCount {
	var counts []pulse.DeadCount
	for i := range m.letters {
		l := &m.letters[i]
		if !is(l) {
			continue
		}
		at := slices.IndexFunc(counts, func(c pulse.DeadCount) bool { return c.Class == l.Class })
		if at < 0 {
			counts, at = append(counts, pulse.DeadCount{Class: l.Class}), len(counts)
		}
		counts[at].Count++
	}
	return counts
}

func (m *memoryDead) ready(c pulse.DeadChoice, most int) func(*pulse.DeadLetter) bool {
	return func(l *pulse.DeadLetter) bool {
		named := slices.Contains(c.IDs, l.ID)
		if c.Filter != nil {
			named = m.chosen(l, c.Filter)
		}
		return named && l.State == pulse.DeadOpen && l.Replays < most
	}
}

func (m *memoryDead) outlook(c pulse.DeadChoice, most int) (pulse.DeadOutlook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var o pulse.DeadOutlook
	o.Reasons = m.count(m.ready(c, most))
	for _, r := range o.Reasons {
		o.Ready += r.Count
	}
	o.Refused = []pulse.DeadRefusal{{Why: "already replayed", Count: 1}}
	return o, m.err
}

func (m *memoryDead) act(c pulse.DeadChoice, most, limit int, to pulse.DeadState, said string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acts = append(m.acts, said)
	done := 0
	is := m.ready(c, most)
	for i := range m.letters {
		if done < limit && m.actErr == nil && is(&m.letters[i]) {
			m.letters[i].State = to
			done++
		}
	}
	return done, m.actErr
}

func (m *memoryDead) ReplayOutlook(_ context.Context, c pulse.DeadChoice) (pulse.DeadOutlook, error) {
	return m.outlook(c, pulse.MaxReplays)
}

func (m *memoryDead) DiscardOutlook(_ context.Context, c pulse.DeadChoice) (pulse.DeadOutlook, error) {
	return m.outlook(c, 1<<30)
}

func (m *memoryDead) Replay(_ context.Context, c pulse.DeadChoice, by string, limit int) (done, refused int, err error) {
	done, err = m.act(c, pulse.MaxReplays, limit, pulse.DeadReplayed, "replay by "+by)
	return done, m.unsendable, err
}

func (m *memoryDead) Discard(_ context.Context, c pulse.DeadChoice, by, reason string, limit int) (int, error) {
	return m.act(c, 1<<30, limit, pulse.DeadDiscarded, "discard by "+by+": "+reason)
}

func TestDeadLettersArePagedWithTheirReasons(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for query, want := range map[string]int{"": 23, "state=open": 22, "state=replayed": 1, "class=invalid:title": 11, "class=invalid:title&state=discarded": 0,
		"topic=reddit.posts.raw&stage=store": 23, "since=2026-03-01T12:00:00.002Z&until=2026-03-01T12:00:00.004Z": 8} {
		seen := map[string]bool{}
		open := int64(0)
		path := "/api/dead-letters/?limit=4&" + query
		for path = strings.TrimSuffix(path, "&"); path != ""; {
			got := g.do("GET", path, "", g.as(pulse.Operator))
			if got.status != http.StatusOK || got.header.Get("X-Served-By") != "primary" {
				t.Fatalf("%s: %d %s", path, got.status, got.body)
			}
			var page wire.DeadLetterList
			got.decode(t, &page)
			for _, l := range page.Results {
				if seen[l.ID] {
					t.Errorf("%s: %s comes twice", query, l.ID)
				}
				seen[l.ID] = true
			}
			open = 0
			for _, r := range page.Reasons {
				open += r.Count
			}
			path = ""
			if page.Next != nil {
				path = "/api/dead-letters/?limit=4&" + query + "&cursor=" + url.QueryEscape(*page.Next)
				path = strings.Replace(path, "&&", "&", 1)
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d letters, want %d", query, len(seen), want)
		}
		if query == "" && open != 22 {
			t.Errorf("%d are counted as open, want 22", open)
		}
	}
}

func TestADeadLetterCursorServesItsOwnListOnly(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator := g.as(pulse.Operator)
	var page wire.DeadLetterList
	g.do("GET", "/api/dead-letters/?limit=4", "", operator).decode(t, &page)
	var posts wire.Page
	g.do("GET", "/api/posts/?limit=4", "", operator).decode(t, &posts)
	for path, says := range map[string]string{
		"/api/dead-letters/?class=x&cursor=" + *page.Next: "another filter",
		"/api/dead-letters/?cursor=" + *posts.Next:        "not a cursor",
		"/api/posts/?cursor=" + *page.Next:                "not a cursor",
		"/api/dead-letters/?cursor=AAAA":                  "not a cursor",
		"/api/dead-letters/?cursor=" + (*page.Next)[1:]:   "not a cursor",
	} {
		wantProblem(t, g.do("GET", path, "", operator), http.StatusBadRequest, pulse.Invalid, "cursor", says)
	}
}

func TestADeadLetterShowsItsBytes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for id, text := range map[string]bool{"reddit.posts.raw:0:6": true, "reddit.posts.raw:0:5": false} {
		got := g.do("GET", "/api/dead-letters/"+id+"/", "", g.as(pulse.Operator))
		var l wire.DeadLetterDetail
		got.decode(t, &l)
		stored, _ := g.dead.DeadLetter(t.Context(), strings.ReplaceAll(id, ":", "/"))
		if got.status != http.StatusOK || l.ID != id || string(l.Value) != string(stored.Value) || string(l.Key) != "t3_1" {
			t.Errorf("%s: %d %s", id, got.status, got.body)
		}
		if !strings.Contains(got.body, `"value_base64":"`+base64.StdEncoding.EncodeToString(stored.Value)+`"`) {
			t.Errorf("%s: no base64 of its value in %s", id, got.body)
		}
		if (l.ValueText != nil) != text || text && *l.ValueText != string(stored.Value) {
			t.Errorf("%s: its text is %v, want one: %t", id, l.ValueText, text)
		}
		if len(l.Headers) != 1 || l.Headers[0].Key != "h" || string(l.Headers[0].Value) != "\xff" {
			t.Errorf("%s: its headers are %v", id, l.Headers)
		}
	}
	wantProblem(t, g.do("GET", "/api/dead-letters/reddit.posts.raw:0:999/", "", g.as(pulse.Operator)), http.StatusNotFound, pulse.NotFound, "", "dead letter")
	wantProblem(t, g.do("GET", "/api/dead-letters/reddit.posts.raw:0:7/", "", g.as(pulse.Viewer)), http.StatusForbidden, pulse.Forbidden, "", "operator")
}

func TestABadDeadLetterIDIsNamedBeforeTheDatabaseSeesIt(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, id := range []string{"a%00b", "%ff", "reddit.posts.raw:0", "reddit.posts.raw:x:1", strings.Repeat("a", 301)} {
		wantProblem(t, g.do("GET", "/api/dead-letters/"+id+"/", "", g.as(pulse.Operator)), http.StatusBadRequest, pulse.Invalid, "id", "")
	}
}

func TestActsOnDeadLetters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, body string
		want       wire.DeadLetterReport
		acts       string
	}{
		"dry run of all":      {"replay", `{"filter":{},"dry_run":true}`, wire.DeadLetterReport{DryRun: true, Remaining: 21}, ""},
		"dry run of a class":  {"replay", `{"filter":{"class":"invalid:title"},"dry_run":true}`, wire.DeadLetterReport{DryRun: true, Remaining: 10}, ""},
		"dry run of ids":      {"replay", `{"ids":["reddit.posts.raw:0:1","reddit.posts.raw/0/2","reddit.posts.raw:0:3"],"dry_run":true}`, wire.DeadLetterReport{DryRun: true, Remaining: 2}, ""},
		"all":                 {"replay", `{"filter":{},"all":true}`, wire.DeadLetterReport{Done: 21}, "replay by operator"},
		"a few":               {"replay", `{"filter":{"state":"open"},"limit":5}`, wire.DeadLetterReport{Done: 5, Remaining: 16}, "replay by operator"},
		"ids":                 {"replay", `{"ids":["reddit.posts.raw:0:1","reddit.posts.raw:0:99"]}`, wire.DeadLetterReport{Done: 1}, "replay by operator"},
		"nobody":              {"replay", `{"filter":{"class":"none"}}`, wire.DeadLetterReport{}, "replay by operator"},
		"discard":             {"discard", `{"filter":{"class":"invalid:title"},"reason":" not ours "}`, wire.DeadLetterReport{Done: 10}, "discard by operator: not ours"},
		"discard in dry run":  {"discard", `{"filter":{},"dry_run":true}`, wire.DeadLetterReport{DryRun: true, Remaining: 22}, ""},
		"discard a spent one": {"discard", `{"ids":["reddit.posts.raw:0:4"],"reason":"hopeless"}`, wire.DeadLetterReport{Done: 1}, "discard by operator: hopeless"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			got := g.do("POST", "/api/dead-letters/"+c.path+"/", c.body, g.as(pulse.Operator))
			if got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.body)
			}
			var report wire.DeadLetterReport
			got.decode(t, &report)
			if report.DryRun != c.want.DryRun || report.Done != c.want.Done || report.Remaining != c.want.Remaining {
				t.Errorf("report %+v, want %+v", report, c.want)
			}
			if report.Reasons == nil || report.Refused == nil {
				t.Errorf("a list is null in %s", got.body)
			}
			if acts := strings.Join(g.dead.acts, ","); acts != c.acts {
				t.Errorf("done was %q, want %q", acts, c.acts)
			}
		})
	}
}

func TestABadActOnDeadLettersIsNamedAndDoesNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ids := `"x"` + strings.Repeat(`,"x"`, 1000)
	for _, c := range []struct{ path, body, field string }{
		{"replay", `{}`, "ids"}, {"replay", `{"ids":[]}`, "ids"}, {"replay", `{"ids":[` + ids + `]}`, "ids"},
		{"replay", `{"ids":["a"],"filter":{}}`, "filter"}, {"replay", `{"filter":{}}`, "filter"}, {"replay", `{"all":true}`, ""},
		{"replay", `{"filter":{"klass":"x"},"dry_run":true}`, "filter.klass"}, {"replay", `{"filter":{"state":"closed"}}`, "filter.state"},
		{"replay", `{"filter":{"since":"yesterday"}}`, "filter.since"}, {"replay", `{"filter":{},"dryrun":true}`, "dryrun"},
		{"replay", `{"filter":{},"all":true,"limit":0}`, "limit"}, {"replay", `{"filter":{},"all":true,"limit":1001}`, "limit"},
		{"replay", `{"ids":["a"],"reason":"b"}`, "reason"},
		{"discard", `{"ids":["a"]}`, "reason"}, {"discard", `{"ids":["a"],"reason":"  "}`, "reason"},
		{"discard", `{"ids":["a"],"reason":"` + strings.Repeat("x", 501) + `"}`, "reason"},
	} {
		got := g.do("POST", "/api/dead-letters/"+c.path+"/", c.body, g.as(pulse.Operator))
		if p := wantProblem(t, got, http.StatusBadRequest, pulse.Invalid, c.field, ""); p.Detail == "" {
			t.Errorf("%s: nothing said", c.body)
		}
	}
	for _, act := range []string{"replay", "discard"} {
		wantProblem(t, g.do("POST", "/api/dead-letters/"+act+"/", `{"ids":["a"],"reason":"b"}`, g.as(pulse.Viewer)), http.StatusForbidden, pulse.Forbidden, "", "operator")
	}
	if len(g.dead.acts) != 0 {
		t.Errorf("done was %v", g.dead.acts)
	}
}

func TestTimesTheWrongWayRoundAreRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator := g.as(pulse.Operator)
	wantProblem(t, g.do("GET", "/api/dead-letters/?since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z", "", operator), http.StatusBadRequest, pulse.Invalid, "until", "")
	wantProblem(t, g.do("POST", "/api/dead-letters/replay/", `{"filter":{"since":"2026-03-02T00:00:00Z","until":"2026-03-01T00:00:00Z"}}`, operator), http.StatusBadRequest, pulse.Invalid, "filter.until", "")
}

func TestOutagesOfDeadLettersAre503(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	operator := g.as(pulse.Operator)
	away := &pulse.Error{Code: pulse.Unavailable, Message: "take dead letters", Err: fmt.Errorf("dial secret-host")}
	g.dead.actErr = away
	for _, err := range []error{away, fmt.Errorf("produce: outcome unknown: %w", context.DeadlineExceeded)} {
		g.dead.actErr = err
		got := g.do("POST", "/api/dead-letters/replay/", `{"ids":["reddit.posts.raw:0:1"]}`, operator)
		wantProblem(t, got, http.StatusServiceUnavailable, pulse.Unavailable, "", "")
		if got.header.Get("Retry-After") == "" || strings.Contains(got.body, "secret-host") {
			t.Errorf("%v %s", got.header, got.body)
		}
	}
	g.dead.err = away
	for _, path := range []string{"/api/dead-letters/", "/api/dead-letters/reddit.posts.raw:0:1/"} {
		wantProblem(t, g.do("GET", path, "", operator), http.StatusServiceUnavailable, pulse.Unavailable, "", "")
	}
}

func TestLettersThatCannotBeSentAreReported(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.dead.unsendable = 2
	var report wire.DeadLetterReport
	g.do("POST", "/api/dead-letters/replay/", `{"filter":{"state":"open"},"limit":5}`, g.as(pulse.Operator)).decode(t, &report)
	if report.Done != 5 || report.Remaining != 14 || len(report.Refused) != 2 || report.Refused[1].Count != 2 {
		t.Errorf("report %+v, want 5 done, 14 remaining, and the 2 named", report)
	}
}
