package redditsim

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// validName is Reddit's rule for communities, and profiles, and those older
// than the rule.
var validName = regexp.MustCompile(`(?i)^(?:[a-z0-9][a-z0-9_]{1,20}|u_[a-z0-9_-]{3,20}|reddit\.com)$`)

// serveNew answers /r/NAME/new, where NAME may be many joined by "+".
func (s *Server) serveNew(w http.ResponseWriter, r *http.Request, joined string, now time.Time) {
	var names []string
	many := strings.Contains(joined, "+")
	for name := range strings.SplitSeq(joined, "+") {
		if !validName.MatchString(name) {
			if many {
				continue
			}
			notFound.write(w, r)
			return
		}
		switch state := s.world.community(name); {
		case state == open:
			names = append(names, name)
		case !many && state == missing:
			toSearch(name).write(w, r)
			return
		case !many || state == private:
			// One private community closes a whole joined page; banned, missing,
			// gated and quarantined ones are only left out of it.
			s.world.refusal(state).write(w, r)
			return
		}
	}
	if len(names) == 0 {
		notFound.write(w, r)
		return
	}
	s.writeListing(w, r, s.page(names, r.URL.Query(), now), now)
}

// page is one page of a listing.
type page struct {
	items         []item
	after, before string // "" is null
}

// page reads the newest posts as asked for by limit, after, before and count.
// An anchor that is not in the listing gives an empty page.
func (s *Server) page(names []string, query url.Values, now time.Time) page {
	limit := pageLimit(query.Get("limit"))
	after, before := query.Get("after"), query.Get("before")
	if before != "" && after == "" {
		return s.pageBefore(names, before, limit, counted(query), now)
	}
	var p page
	seen, found := 0, after == ""
	s.world.newest(names, now, func(it item) bool {
		if seen++; seen > depth {
			return false
		}
		switch {
		case !found:
			found = it.fullName() == after
		case len(p.items) == limit:
			p.after = p.items[limit-1].fullName() // there is more
			return false
		default:
			p.items = append(p.items, it)
		}
		return true
	})
	if len(p.items) > 0 && after != "" && counted(query) {
		p.before = p.items[0].fullName()
	}
	return p
}

// pageBefore is the page just newer than the anchor: those nearest to it, newest
// first.
func (s *Server) pageBefore(names []string, anchor string, limit int, counted bool, now time.Time) page {
	var newer []item
	seen, found := 0, false
	s.world.newest(names, now, func(it item) bool {
		seen++
		if found = it.fullName() == anchor; found || seen > depth {
			return false
		}
		newer = append(newer, it)
		return true
	})
	if !found {
		return page{}
	}
	more := len(newer) > limit
	p := page{items: newer[max(0, len(newer)-limit):]}
	if len(p.items) == limit {
		p.after = p.items[limit-1].fullName()
	}
	if more && counted {
		p.before = p.items[0].fullName()
	}
	return p
}

// counted tells whether the client says how many items it has seen already;
// only then does Reddit say what lies before a page.
func counted(query url.Values) bool {
	n, err := strconv.Atoi(query.Get("count"))
	return err == nil && n > 0
}

func pageLimit(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return pageDefault
	}
	return min(max(n, 1), pageMost)
}

// serveInfo answers /api/info?id=…: the posts that there are, in the order in
// which they were asked for.
func (s *Server) serveInfo(w http.ResponseWriter, r *http.Request, now time.Time) {
	var p page
	for i, id := range strings.Split(r.URL.Query().Get("id"), ",") {
		if i == pageMost {
			break
		}
		if it := s.world.post(id, now); it != nil {
			p.items = append(p.items, it)
		}
	}
	s.writeListing(w, r, p, now)
}

func (s *Server) writeListing(w http.ResponseWriter, r *http.Request, p page, now time.Time) {
	raw := r.URL.Query().Get("raw_json") == "1"
	var b bytes.Buffer
	b.WriteString(`{"kind": "Listing", "data": {"after": `)
	b.WriteString(nullable(p.after))
	b.WriteString(`, "dist": `)
	b.WriteString(strconv.Itoa(len(p.items)))
	b.WriteString(`, "modhash": null, "geo_filter": "", "children": [`)
	for i, it := range p.items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(it.json(now, raw))
	}
	b.WriteString(`], "before": `)
	b.WriteString(nullable(p.before))
	b.WriteString(`}}`)
	recorded{status: 200, header: [][2]string{{"Content-Type", jsonType}}, body: b.Bytes()}.write(w, r)
}

// nullable writes a full name, which needs no escapes, or null.
func nullable(id string) string {
	if id == "" {
		return "null"
	}
	return `"` + id + `"`
}
