package redditsim

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

// tape is a Reddit of recorded answers. A request that was recorded gets its
// recorded answer, byte for byte; several recordings of one request take turns.
// Beside that, every recorded post stands, byte for byte, in its community's
// /new and in /api/info. Where a post was recorded more than once, its newest
// recording counts: by the Date header (files without one are the oldest), then
// by file name, then by place in the file.
type tape struct {
	log      *slog.Logger
	posts    map[string]*take       // by full name
	shelves  map[string]*shelf      // communities by name in lower case
	refusals map[standing]recorded  // quoted bodies
	mu       sync.Mutex             // covers the turns in answers
	answers  map[string]*recordings // by request, see requestKey
}

// take is one recorded post.
type take struct {
	id        string
	community string
	created   float64
	score     float64
	sticky    bool
	raw       []byte // {"kind": "t3", "data": {…}} as recorded

	// Which recording it is.
	date time.Time
	file string
}

func (t *take) appendName(to []byte) []byte { return append(to, t.id...) }

func (t *take) subreddit() string { return t.community }

func (t *take) rank(*pen, time.Time) rank { return rank{t.created, t.score, t.sticky} }

func (t *take) appendJSON(p *pen, _ time.Time, _ bool) { p.out = append(p.out, t.raw...) }

// shelf is the recorded posts of a community, newest first.
type shelf struct {
	name  string // as its newest recording spells it
	posts []*take
}

// recordings are the answers to one request, in the order of the index.
type recordings struct {
	all  []recorded
	turn int
}

// add keeps a post unless a newer recording of it is there.
func (t *tape) add(p *take) {
	old := t.posts[p.id]
	if old != nil && (p.date.Before(old.date) || p.date.Equal(old.date) && p.file < old.file) {
		return
	}
	t.posts[p.id] = p
}

// arrange puts the posts on their communities' shelves.
func (t *tape) arrange() {
	newestOf := map[*shelf]*take{}
	for _, p := range t.posts {
		lower := strings.ToLower(p.community)
		s := t.shelves[lower]
		if s == nil {
			s = &shelf{}
			t.shelves[lower] = s
		}
		s.posts = append(s.posts, p)
		if n := newestOf[s]; n == nil || cmp.Or(p.date.Compare(n.date), strings.Compare(p.id, n.id)) > 0 {
			newestOf[s], s.name = p, p.community
		}
	}
	for _, s := range t.shelves {
		slices.SortFunc(s.posts, newerFirst)
	}
}

// newerFirst orders by age, then by id as a number, the larger first.
func newerFirst(a, b *take) int {
	return cmp.Or(
		cmp.Compare(b.created, a.created),
		cmp.Compare(len(b.id), len(a.id)),
		strings.Compare(b.id, a.id),
	)
}

func (t *tape) names() []string {
	var names []string
	for _, s := range t.shelves {
		row := pulse.Subreddit{Name: s.name, IntervalSeconds: pulse.MaxInterval, Priority: pulse.Medium}
		if pulse.CheckSubreddit(row) == nil {
			names = append(names, s.name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
	})
	return names
}

func (t *tape) community(name string) standing {
	if t.shelves[strings.ToLower(name)] != nil {
		return open
	}
	if state := standingOf(name); state != open {
		return state
	}
	return missing
}

func (t *tape) refusal(state standing) recorded {
	if own, ok := t.refusals[state]; ok {
		return own
	}
	return refusals[state]
}

func (t *tape) newest(names []string, _ time.Time, give func(item) bool) {
	chosen := map[*shelf]bool{}
	var posts []*take
	for _, name := range names {
		if s := t.shelves[strings.ToLower(name)]; s != nil && !chosen[s] {
			chosen[s] = true
			posts = append(posts, s.posts...)
		}
	}
	if len(chosen) > 1 {
		slices.SortFunc(posts, newerFirst)
	}
	for _, p := range posts {
		if !give(p) {
			return
		}
	}
}

func (t *tape) post(id string, _ time.Time) item {
	if p := t.posts[id]; p != nil {
		return p
	}
	return nil
}

// exact finds the recorded answer to a request, except to /r/NAME/new of a
// recorded community: that is its shelf.
func (t *tape) exact(r *http.Request) (recorded, bool) {
	if name, ok := newOf(r.URL.Path); ok && t.shelves[strings.ToLower(name)] != nil {
		return recorded{}, false
	}
	key := requestKey(r.Method, r.URL)
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.answers[key]
	if found == nil {
		return recorded{}, false
	}
	a := found.all[found.turn%len(found.all)]
	found.turn++
	return a, true
}

// newOf reads NAME of /r/NAME/new.
func newOf(path string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), "/r/")
	if !ok {
		return "", false
	}
	name, ok := strings.CutSuffix(rest, "/new")
	return name, ok && !strings.Contains(name, "/")
}

// requestKey is the same for requests that mean the same: the order and the
// escapes of the query and the last slash of the path do not matter.
func requestKey(method string, u *url.URL) string {
	var pairs []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		pairs = append(pairs, strconv.Quote(unescape(k))+"="+strconv.Quote(unescape(v)))
	}
	slices.Sort(pairs)
	return method + " " + strings.TrimSuffix(u.Path, "/") + "?" + strings.Join(slices.Compact(pairs), "&")
}

// unescape decodes what it can: recorded addresses are not all well-formed.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
