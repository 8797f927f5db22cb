package thing

import (
	"fmt"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Listing turns a page into observations of this source, made at observedAt. A
// post that lacks what makes it one, or whose figures are impossible, is skipped
// and counted; children of other kinds are passed over. now bounds what times
// are possible.
func Listing(body []byte, source string, observedAt, now time.Time) (pulse.ListingPage, error) {
	l := listing{r: reader{text: body}, now: now, source: source, at: observedAt.UTC().Truncate(time.Millisecond)}
	if !l.read() {
		return pulse.ListingPage{}, fmt.Errorf("the listing of %d bytes is not JSON at byte %d", len(body), l.r.at)
	}
	if l.kind != "Listing" || l.page.Observations == nil {
		return pulse.ListingPage{}, fmt.Errorf("the answer of %d bytes is not a listing", len(body))
	}
	return l.page, nil
}

// listing is a page while it is read. Of a name that is there twice the last
// counts.
type listing struct {
	r      reader
	now    time.Time
	source string
	at     time.Time
	kind   string
	page   pulse.ListingPage
}

func (l *listing) read() bool {
	if l.r.next() == '{' {
		return l.r.object(l.member) && l.r.ended()
	}
	return l.r.skip() && l.r.ended()
}

func (l *listing) member(name []byte) bool {
	switch {
	case string(name) == `"kind"`:
		value, ok := l.r.value()
		l.kind, _ = textOf(value)
		return ok
	case string(name) == `"data"` && l.r.next() == '{':
		l.page = pulse.ListingPage{}
		return l.r.object(l.data)
	}
	return l.r.skip()
}

func (l *listing) data(name []byte) bool {
	switch {
	case string(name) == `"after"`:
		value, ok := l.r.value()
		after, _ := textOf(value)
		if l.page.After = ""; wire.ValidPostID(after) {
			l.page.After = after
		}
		return ok
	case string(name) == `"children"` && l.r.next() == '[':
		l.page.Observations, l.page.Skipped = make([]pulse.Observation, 0, 100), 0
		return l.r.array(l.child)
	}
	return l.r.skip()
}

func (l *listing) child() bool {
	if l.r.next() != '{' {
		l.page.Skipped++
		return l.r.skip()
	}
	var o Object
	if !o.read(&l.r) {
		return false
	}
	if kind, _ := o.text(fieldKind); kind != "t3" && kind != "" {
		return true
	}
	post, err := o.observation(l.now)
	if err != nil || !o.wrapped {
		l.page.Skipped++
		return true
	}
	post.Source, post.ObservedAt = l.source, l.at
	l.page.Observations = append(l.page.Observations, post)
	return true
}
