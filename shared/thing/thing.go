// Package thing reads Reddit's posts (t3 objects) as its listings and public
// archive files have them, and makes observations of them. Fields come and go
// with the years: one that may be missing never costs the post, whatever is in
// its place. It does no I/O.
package thing

import (
	"math"
	"strconv"
	"time"

	"dev.redditpulse/shared/pulse"
)

// A field is one of those that are read of a post. All others are passed over.
type field int

const (
	fieldID field = iota
	fieldName
	fieldSubreddit
	fieldTitle
	fieldAuthor
	fieldURL
	fieldPermalink
	fieldSelftext
	fieldFlair
	fieldIsSelf
	fieldOver18
	fieldCreated
	fieldScore
	fieldComments
	fieldRatio
	fieldRemovedBy
	// In archives only: when and how the post was read.
	fieldRetrievedOn
	fieldRetrievedUTC
	fieldMeta
	// Around a post, or of what is none.
	fieldKind
	fieldLinkID
	fieldVersion

	fieldCount
)

// fieldOf knows a field by its name, still quoted.
func fieldOf(name []byte) (field, bool) {
	switch string(name) {
	case `"id"`:
		return fieldID, true
	case `"name"`:
		return fieldName, true
	case `"subreddit"`:
		return fieldSubreddit, true
	case `"title"`:
		return fieldTitle, true
	case `"author"`:
		return fieldAuthor, true
	case `"url"`:
		return fieldURL, true
	case `"permalink"`:
		return fieldPermalink, true
	case `"selftext"`:
		return fieldSelftext, true
	case `"link_flair_text"`:
		return fieldFlair, true
	case `"is_self"`:
		return fieldIsSelf, true
	case `"over_18"`:
		return fieldOver18, true
	case `"created_utc"`:
		return fieldCreated, true
	case `"score"`:
		return fieldScore, true
	case `"num_comments"`:
		return fieldComments, true
	case `"upvote_ratio"`:
		return fieldRatio, true
	case `"removed_by_category"`:
		return fieldRemovedBy, true
	case `"retrieved_on"`:
		return fieldRetrievedOn, true
	case `"retrieved_utc"`:
		return fieldRetrievedUTC, true
	case `"_meta"`:
		return fieldMeta, true
	case `"kind"`:
		return fieldKind, true
	case `"link_id"`:
		return fieldLinkID, true
	case `"v"`:
		return fieldVersion, true
	}
	return 0, false
}

// Object is a JSON object that may be a post: its grammar is checked, its values
// are found, none is decoded yet. It borrows the text that it was parsed from.
type Object struct {
	fields  [fieldCount][]byte // the JSON of each, nil if missing
	wrapped bool               // it stood in {"kind":…,"data":…}
}

// Parse reads one object, a post as it is or as a thing, {"kind":"t3","data":{…}}.
// Of a name that is there twice the last counts.
func Parse(text []byte) (Object, error) {
	r := reader{text: text}
	var o Object
	isObject := r.next() == '{'
	ok := isObject && o.read(&r) || !isObject && r.skip()
	if !ok || !r.ended() {
		return Object{}, pulse.InvalidField("value", "not JSON at byte %d", r.at)
	}
	if !isObject {
		return Object{}, pulse.InvalidField("value", "not a JSON object")
	}
	return o, nil
}

// read takes an object, out of its envelope where it has one.
func (o *Object) read(r *reader) bool {
	var data Object
	ok := r.object(func(name []byte) bool {
		if string(name) != `"data"` || r.next() != '{' {
			return o.member(r, name)
		}
		data = Object{wrapped: true}
		return r.object(func(name []byte) bool { return data.member(r, name) })
	})
	if data.wrapped && o.fields[fieldTitle] == nil && o.fields[fieldVersion] == nil {
		data.fields[fieldKind] = o.fields[fieldKind]
		*o = data
	}
	return ok
}

func (o *Object) member(r *reader, name []byte) bool {
	f, known := fieldOf(name)
	if !known {
		return r.skip()
	}
	value, ok := r.value()
	o.fields[f] = value
	return ok
}

// IsRecord tells that the object has a "v", as our own records do and nothing
// of Reddit's.
func (o *Object) IsRecord() bool { return !o.wrapped && o.fields[fieldVersion] != nil }

// Subreddit is the community's name as it stands there.
func (o *Object) Subreddit() (string, bool) { return o.text(fieldSubreddit) }

// CreatedAt is when the post says that it was made, be that possible or not.
func (o *Object) CreatedAt() (time.Time, bool) { return o.instant(fieldCreated) }

func (o *Object) text(f field) (string, bool) { return textOf(o.fields[f]) }

// textOr gives the text of a field, or other where there is none.
func (o *Object) textOr(f field, other string) string {
	if text, ok := o.text(f); ok {
		return text
	}
	return other
}

func (o *Object) isTrue(f field) bool { return string(o.fields[f]) == "true" }

func (o *Object) isNull(f field) bool { return string(o.fields[f]) == "null" }

func (o *Object) whole(f field) (int64, bool) {
	n, err := strconv.ParseInt(string(o.fields[f]), 10, 64)
	return n, err == nil
}

func (o *Object) float(f field) (float64, bool) { return floatOf(o.fields[f]) }

func (o *Object) instant(f field) (time.Time, bool) { return instantOf(o.fields[f]) }

func floatOf(number []byte) (float64, bool) {
	if len(number) == 0 || number[0] != '-' && (number[0] < '0' || number[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(number), 64)
	return n, err == nil
}

// instantOf reads seconds of Unix time: a number, or in the archives of some
// years a string of one. The outcome has whole microseconds.
func instantOf(value []byte) (time.Time, bool) {
	if len(value) > 2 && value[0] == '"' {
		value = value[1 : len(value)-1]
	}
	seconds, ok := floatOf(value)
	if !ok || !(seconds >= 0 && seconds < 1<<40) {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1e3).UTC(), true
}
