package reddit

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Bounds of package wire, in bytes: what is emitted here must pass there.
const (
	maxTitle = 2_000
	maxName  = 100
	maxFlair = 500
	maxURL   = 64 << 10
	maxCount = 1_000_000_000
	// Addresses that escape to more than a whole Kafka value are cut to this.
	shortURL = 16 << 10
)

// opened is when the first post can have been made.
var opened = time.Date(2005, 6, 1, 0, 0, 0, 0, time.UTC)

// listing is what is read of a page. All the rest of it is passed over.
type listing struct {
	Kind string `json:"kind"`
	Data struct {
		After    string   `json:"after"`
		Children *[]child `json:"children"`
	} `json:"data"`
}

type child struct {
	Kind string `json:"kind"`
	Data *post  `json:"data"`
}

// post is what is read of a t3.
type post struct {
	ID                field[string]  `json:"id"`
	Name              field[string]  `json:"name"`
	Subreddit         field[string]  `json:"subreddit"`
	Title             field[string]  `json:"title"`
	Author            field[string]  `json:"author"`
	URL               field[string]  `json:"url"`
	Permalink         field[string]  `json:"permalink"`
	Selftext          field[string]  `json:"selftext"`
	LinkFlairText     field[string]  `json:"link_flair_text"`
	IsSelf            field[bool]    `json:"is_self"`
	Over18            field[bool]    `json:"over_18"`
	CreatedUTC        field[float64] `json:"created_utc"`
	Score             field[int64]   `json:"score"`
	NumComments       field[int64]   `json:"num_comments"`
	UpvoteRatio       field[float64] `json:"upvote_ratio"`
	RemovedByCategory field[string]  `json:"removed_by_category"`
}

// field is a value that may be missing, null or of the wrong type; none of
// these is an error, and then is is false.
type field[T any] struct {
	value T
	is    bool
}

func (f *field[T]) UnmarshalJSON(b []byte) error {
	var value *T
	if json.Unmarshal(b, &value) == nil && value != nil {
		f.value, f.is = *value, true
	} else {
		*f = field[T]{}
	}
	return nil
}

// decodeListing turns a page into observations made at observedAt. A t3 that
// lacks what makes it a post, or whose figures are impossible, is skipped and
// counted; children of other kinds are passed over. now bounds what times are
// possible.
func decodeListing(body []byte, source string, observedAt, now time.Time) (pulse.ListingPage, error) {
	var l listing
	// A child of the wrong type stays empty and does not stop the decoder.
	if err := json.Unmarshal(body, &l); err != nil && !onlyTypes(err) {
		return pulse.ListingPage{}, fmt.Errorf("the listing of %d bytes is not JSON: %w", len(body), err)
	}
	if l.Kind != "Listing" || l.Data.Children == nil {
		return pulse.ListingPage{}, fmt.Errorf("the answer of %d bytes is not a listing", len(body))
	}
	var page pulse.ListingPage
	if wire.ValidPostID(l.Data.After) {
		page.After = l.Data.After
	}
	page.Observations = make([]pulse.Observation, 0, len(*l.Data.Children))
	for i := range *l.Data.Children {
		c := &(*l.Data.Children)[i]
		if c.Kind != "t3" && c.Kind != "" {
			continue
		}
		o, ok := c.Data.observation(now)
		if !ok {
			page.Skipped++
			continue
		}
		o.Source, o.ObservedAt = source, observedAt
		page.Observations = append(page.Observations, o)
	}
	return page, nil
}

// onlyTypes tells whether a JSON error is about fields of the wrong type, in
// spite of which everything else was decoded.
func onlyTypes(err error) bool {
	var typed *json.UnmarshalTypeError
	return errors.As(err, &typed)
}

func (p *post) observation(now time.Time) (pulse.Observation, bool) {
	var none pulse.Observation
	if p == nil || !p.Title.is || !p.CreatedUTC.is || !possible(p.Score) || !possible(p.NumComments) {
		return none, false
	}
	name := p.Name.value
	if name == "" {
		name = "t3_" + p.ID.value
	}
	created, ok := instant(p.CreatedUTC.value, now)
	if !ok || !wire.ValidPostID(name) || !plausibleName(p.Subreddit.value) {
		return none, false
	}
	o := pulse.Observation{
		PostID: name, Subreddit: p.Subreddit.value, Title: fit(p.Title.value, maxTitle),
		Author: fit(p.Author.value, maxName), URL: fit(p.URL.value, maxURL),
		Permalink: fit(p.Permalink.value, maxURL), IsSelf: p.IsSelf.value, Over18: p.Over18.value,
		CreatedAt: created, Score: p.Score.value, NumComments: p.NumComments.value, State: p.state(),
	}
	if p.LinkFlairText.is {
		flair := fit(p.LinkFlairText.value, maxFlair)
		o.Flair = &flair
	}
	if r := p.UpvoteRatio; r.is && r.value >= 0 && r.value <= 1 {
		o.UpvoteRatio = &r.value
	}
	shorten(&o)
	return o, true
}

// state reads what has become of the post. The category is missing from old
// answers; there, the text that Reddit puts in place of a deleted one tells.
func (p *post) state() pulse.State {
	switch p.RemovedByCategory.value {
	case "":
		if p.Author.value == "[deleted]" && p.Selftext.value == "[deleted]" {
			return pulse.Deleted
		}
		return pulse.Live
	case "deleted", "author":
		return pulse.Deleted
	}
	return pulse.Removed
}

func possible(n field[int64]) bool { return n.is && n.value >= 0 && n.value <= maxCount }

func plausibleName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsAny(s, "/ \t\r\n\x00")
}

// instant turns seconds of Unix time into a time of whole microseconds.
func instant(seconds float64, now time.Time) (time.Time, bool) {
	const ahead = 23 * time.Hour // package wire allows a day, by a later clock
	if !(seconds >= 0 && seconds < 1<<40) {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	t := time.Unix(int64(whole), int64(math.Round(part*1e6))*1e3).UTC()
	return t, !t.Before(opened) && t.Before(now.Add(ahead))
}

// fit replaces what cannot be stored and cuts s to at most most bytes of whole
// characters.
func fit(s string, most int) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// shorten keeps o within the size of a Kafka value: control characters escape
// to six bytes each.
func shorten(o *pulse.Observation) {
	const worst = 6
	if worst*(len(o.URL)+len(o.Permalink)+maxTitle+maxFlair+3*maxName)+1000 <= wire.MaxValueBytes {
		return
	}
	if len(wire.EncodeObservation(o))+1000 > wire.MaxValueBytes {
		o.URL, o.Permalink = fit(o.URL, shortURL), fit(o.Permalink, shortURL)
	}
}
