package thing

import (
	"strings"
	"time"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Bounds of package wire, in bytes: what is made here must pass there.
const (
	maxTitle = 2_000
	maxName  = 100
	maxFlair = 500
	maxURL   = 64 << 10
	maxCount = 1_000_000_000
	// Addresses that escape to more than a whole Kafka value are cut to this.
	shortURL = 16 << 10
	// Package wire allows a day, by a later clock.
	ahead = 23 * time.Hour
)

// What Reddit puts in the place of a name or a text.
const (
	deleted = "[deleted]"
	removed = "[removed]"
)

// opened is when the first post can have been made.
var opened = time.Date(2005, 6, 1, 0, 0, 0, 0, time.UTC)

// observation makes a reading of the object, but for its source and its moment.
// The error names the field that keeps the object from being a post. now bounds
// what times are possible.
func (o *Object) observation(now time.Time) (pulse.Observation, error) {
	p := builder{Object: o, now: now}
	p.kind()
	p.out = pulse.Observation{
		Title: p.title(), PostID: p.id(), Subreddit: p.subreddit(), CreatedAt: p.created(),
		Score: p.count(fieldScore, "score"), NumComments: p.count(fieldComments, "num_comments"),
	}
	if p.err != nil {
		return pulse.Observation{}, p.err
	}
	p.rest()
	return p.out, nil
}

// builder makes an observation and keeps the first fault.
type builder struct {
	*Object
	now time.Time
	out pulse.Observation
	err error
}

func (b *builder) fail(name, format string, args ...any) {
	if b.err == nil {
		b.err = pulse.InvalidField(name, format, args...)
	}
}

// kind refuses what says of itself that it is something else.
func (b *builder) kind() {
	if b.fields[fieldKind] == nil {
		if b.fields[fieldLinkID] != nil && b.fields[fieldTitle] == nil {
			b.fail("link_id", "this is a comment, want posts")
		}
		return
	}
	if kind, ok := b.text(fieldKind); b.wrapped && (!ok || kind != "t3") {
		b.fail("kind", "%s is no post, want t3", clip(b.fields[fieldKind]))
	}
}

func (b *builder) title() string {
	title, ok := b.text(fieldTitle)
	if !ok {
		b.missing(fieldTitle, "title", "a text")
	}
	return fit(title, maxTitle)
}

// id is the full name; old archives have the short one alone.
func (b *builder) id() string {
	name, ok := b.text(fieldName)
	field := "name"
	if !ok || name == "" {
		field = "id"
		short, ok := b.text(fieldID)
		if !ok {
			b.missing(fieldID, field, "the post's id")
			return ""
		}
		name = "t3_" + short
	}
	if !wire.ValidPostID(name) {
		b.fail(field, "%q is no post id, want t3_ and 1 to 13 of 0-9 a-z", clip([]byte(name)))
	}
	return name
}

func (b *builder) subreddit() string {
	name, ok := b.Subreddit()
	if !ok {
		b.missing(fieldSubreddit, "subreddit", "a community's name (an advertisement has none)")
	} else if name == "" || len(name) > maxName || strings.ContainsAny(name, "/ \t\r\n\x00") {
		b.fail("subreddit", "%q is no community's name", clip([]byte(name)))
	}
	return name
}

func (b *builder) created() time.Time {
	at, ok := b.CreatedAt()
	if !ok {
		b.missing(fieldCreated, "created_utc", "seconds since 1970")
	} else {
		b.possible("created_utc", at)
	}
	return at
}

// possible refuses times before Reddit and after now.
func (b *builder) possible(name string, at time.Time) {
	if at.Before(opened) || !at.Before(b.now.Add(ahead)) {
		b.fail(name, "%s is impossible, want between %s and now", wire.FormatTime(at), wire.FormatTime(opened))
	}
}

func (b *builder) count(f field, name string) int64 {
	n, ok := b.whole(f)
	if !ok {
		b.missing(f, name, "a whole number")
	} else if n < 0 || n > maxCount {
		b.fail(name, "%d is not between 0 and %d", n, maxCount)
	}
	return n
}

func (b *builder) missing(f field, name, want string) {
	if value := b.fields[f]; value != nil {
		b.fail(name, "%s, want %s", clip(value), want)
	} else {
		b.fail(name, "missing, want %s", want)
	}
}

// rest adds what may be missing.
func (b *builder) rest() {
	o := &b.out
	o.Author = fit(b.textOr(fieldAuthor, deleted), maxName)
	o.URL = fit(b.textOr(fieldURL, ""), maxURL)
	o.Permalink = fit(permalink(b.textOr(fieldPermalink, ""), o), maxURL)
	o.IsSelf, o.Over18 = b.isTrue(fieldIsSelf), b.isTrue(fieldOver18)
	o.State = b.state(o.Author)
	if flair, ok := b.text(fieldFlair); ok {
		flair = fit(flair, maxFlair)
		o.Flair = &flair
	}
	if ratio, ok := b.float(fieldRatio); ok && ratio >= 0 && ratio <= 1 {
		o.UpvoteRatio = &ratio
	}
	shorten(o)
}

// permalink is the path on Reddit: some archives have a whole address, some
// nothing.
func permalink(given string, o *pulse.Observation) string {
	if scheme, address, whole := strings.Cut(given, "://"); whole && strings.HasPrefix(scheme, "http") {
		host, path, _ := strings.Cut(address, "/")
		if host != "reddit.com" && !strings.HasSuffix(host, ".reddit.com") {
			path = ""
		}
		given = "/" + path
	}
	if strings.HasPrefix(given, "/") && given != "/" {
		return given
	}
	return "/r/" + o.Subreddit + "/comments/" + strings.TrimPrefix(o.PostID, "t3_") + "/"
}

// state reads what has become of the post. The category is missing from old
// answers; there, the text that Reddit puts in place of another tells.
func (b *builder) state(author string) pulse.State {
	category := b.textOr(fieldRemovedBy, "")
	if category != "" {
		return stateOf(category)
	}
	// A text can be long, and is not decoded to be compared.
	switch text := string(b.fields[fieldSelftext]); {
	case text == `"`+deleted+`"` && author == deleted:
		return pulse.Deleted
	case text == `"`+removed+`"`:
		return pulse.Removed
	}
	return pulse.Live
}

func stateOf(category string) pulse.State {
	if category == "deleted" || category == "author" {
		return pulse.Deleted
	}
	return pulse.Removed
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

// clip shortens what an error quotes.
func clip(text []byte) string {
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
