package feed

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"dev.redditpulse/shared/wire"
)

// filter is a client's filter in its one canonical form: two filters that
// choose the same by the same rules have the same key.
type filter struct {
	key         string
	subreddits  []string // any of these; lower case, sorted; empty: all
	words       []string // all of these in the title; lower case, sorted
	minScore    *int64
	minVelocity *float64 // an unknown velocity does not pass
	trending    bool
}

// canonical takes a filter that has passed its Check.
func canonical(in *wire.Filter) *filter {
	c := &filter{
		subreddits: fold(in.Subreddit), words: fold(wordsOf(in.Q)),
		minScore: in.MinScore, minVelocity: in.MinVelocity, trending: in.Trending,
	}
	key, err := json.Marshal([]any{c.subreddits, c.words, c.minScore, c.minVelocity, c.trending})
	if err != nil {
		panic("feed: encode filter: " + err.Error()) // Check lets no NaN through
	}
	c.key = string(key)
	return c
}

// wordsOf splits text as the database's search does: words are letters and
// digits, all else stands between them.
func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func fold(names []string) []string {
	lower := make([]string, len(names))
	for i, name := range names {
		lower[i] = strings.ToLower(name)
	}
	slices.Sort(lower)
	return slices.Compact(lower)
}

func (c *filter) matches(e *entry) bool {
	if e.body == nil {
		return false
	}
	if c.trending && !e.trending {
		return false
	}
	if c.minScore != nil && e.score < *c.minScore {
		return false
	}
	// Written so that NaN, an unknown velocity, fails.
	if c.minVelocity != nil && !(e.velocity >= *c.minVelocity) {
		return false
	}
	if len(c.subreddits) > 0 {
		if _, ok := slices.BinarySearch(c.subreddits, e.subreddit); !ok {
			return false
		}
	}
	for _, word := range c.words {
		if !strings.Contains(e.title, " "+word+" ") {
			return false
		}
	}
	return true
}
