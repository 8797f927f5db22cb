package redditsim

import (
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

// source is a listing: it gives its items in their order until give returns
// false.
type source func(give func(item) bool)

// serveListing answers /r/NAME/SORT, where NAME may be many joined by "+".
func (s *Server) serveListing(r *http.Request, sort, joined string, at time.Time, hit *hits) reply {
	names, refusal := s.readable(joined, hit)
	if refusal != nil {
		return refusal.reply()
	}
	query := r.URL.Query()
	list := func(give func(item) bool) { s.world.newest(names, at, give) }
	if hit.has("empty_listing") {
		return s.listing(r, page{}, at)
	}
	var pinned []item
	if sort != "new" {
		var ranked []item
		ranked, pinned = s.rank(sort, names, query.Get("t"), at)
		list = sourceOf(ranked)
	}
	p := pageOf(list, query)
	if query.Get("after") == "" && query.Get("before") == "" {
		p.items = append(pinned, p.items...) // on top of the limit
	}
	return s.listing(r, p, at)
}

// readable are the communities to read, or the answer for those who may not
// read them.
func (s *Server) readable(joined string, hit *hits) (names []string, refusal *recorded) {
	many := strings.Contains(joined, "+")
	for name := range strings.SplitSeq(joined, "+") {
		if !validName.MatchString(name) {
			if many {
				continue
			}
			return nil, &notFound
		}
		switch state := s.standing(name, hit); {
		case state == open:
			names = append(names, name)
		case !many && state == missing:
			search := toSearch(name)
			return nil, &search
		case !many || state == private:
			// One private community closes a whole joined page; banned, missing,
			// gated and quarantined ones are only left out of it.
			closed := s.world.refusal(state)
			return nil, &closed
		}
	}
	if len(names) == 0 {
		return nil, &notFound
	}
	return names, nil
}

// standing is how a community stands; a fault may have changed that.
func (s *Server) standing(name string, hit *hits) standing {
	if state, changed := hit.standing(name); changed {
		return state
	}
	return s.world.community(name)
}

// page is one page of a listing.
type page struct {
	items         []item
	after, before string // "" is null
}

// pageOf reads what is asked for by limit, after, before and count. An anchor
// that is not in the listing gives an empty page.
func pageOf(list source, query url.Values) page {
	limit := pageLimit(query.Get("limit"))
	after, before := query.Get("after"), query.Get("before")
	if before != "" && after == "" {
		return pageBefore(list, before, limit, counted(query))
	}
	p := page{items: make([]item, 0, limit)}
	seen, found := 0, after == ""
	list(func(it item) bool {
		if seen++; seen > depth {
			return false
		}
		switch {
		case !found:
			found = named(it, after)
		case len(p.items) == limit:
			p.after = nameOf(p.items[limit-1]) // there is more
			return false
		default:
			p.items = append(p.items, it)
		}
		return true
	})
	if len(p.items) > 0 && after != "" && counted(query) {
		p.before = nameOf(p.items[0])
	}
	return p
}

// pageBefore is the page just newer than the anchor: those nearest to it, newest
// first.
func pageBefore(list source, anchor string, limit int, counted bool) page {
	var newer []item
	seen, found := 0, false
	list(func(it item) bool {
		seen++
		if found = named(it, anchor); found || seen > depth {
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
		p.after = nameOf(p.items[limit-1])
	}
	if more && counted {
		p.before = nameOf(p.items[0])
	}
	return p
}

// longestName is more than any full name has in bytes.
const longestName = 24

func nameOf(it item) string { return string(it.appendName(make([]byte, 0, longestName))) }

func named(it item, name string) bool {
	return string(it.appendName(make([]byte, 0, longestName))) == name
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
func (s *Server) serveInfo(r *http.Request, at time.Time, hit *hits) reply {
	return s.listing(r, s.byName(r.URL.Query().Get("id"), at, hit), at)
}

// serveByID answers /by_id/…, which says no where /api/info has nothing to say.
func (s *Server) serveByID(r *http.Request, ids string, at time.Time, hit *hits) reply {
	p := s.byName(ids, at, hit)
	if len(p.items) == 0 {
		return notFound.reply()
	}
	return s.listing(r, p, at)
}

func (s *Server) byName(ids string, at time.Time, hit *hits) page {
	p := page{items: make([]item, 0, pageMost)}
	if hit.has("empty_listing") {
		return p
	}
	n := 0
	for id := range strings.SplitSeq(ids, ",") {
		if n++; n > pageMost {
			break
		}
		it := s.world.post(id, at)
		if it == nil {
			continue
		}
		// What stands in a community that was closed is not there for others.
		if state, changed := hit.standing(it.subreddit()); changed && state != open {
			continue
		}
		p.items = append(p.items, it)
	}
	return p
}

// postBytes is what most posts have at most as JSON.
const postBytes = 1_600

func (s *Server) listing(r *http.Request, p page, at time.Time) reply {
	raw := r.URL.Query().Get("raw_json") == "1"
	w := newPen(512 + postBytes*len(p.items))
	w.add(`{"kind": "Listing", "data": {"after": `)
	w.add(nullable(p.after))
	w.add(`, "dist": `)
	w.add(strconv.Itoa(len(p.items)))
	w.add(`, "modhash": null, "geo_filter": "", "children": [`)
	for i, it := range p.items {
		if i > 0 {
			w.add(", ")
		}
		it.appendJSON(w, at, raw)
	}
	w.add(`], "before": `)
	w.add(nullable(p.before))
	w.add(`}}`)
	return recorded{status: 200, header: [][2]string{{"Content-Type", jsonType}}, body: w.out}.reply()
}

// nullable writes a full name, which needs no escapes, or null.
func nullable(id string) string {
	if id == "" {
		return "null"
	}
	return `"` + id + `"`
}
