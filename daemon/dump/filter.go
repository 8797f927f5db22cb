package dump

import (
	"slices"
	"strings"
	"time"

	"dev.redditpulse/shared/wire"
)

// Filter says which posts of a file are imported. The zero value is all.
type Filter struct {
	Subreddits []string  // names in any spelling of case; none: all
	Since      time.Time // made then or later; zero: at any time
	Until      time.Time // made before; zero: at any time
}

// String is the same for filters that mean the same, "" for all.
func (f Filter) String() string {
	var parts []string
	for _, name := range f.Subreddits {
		parts = append(parts, "r/"+strings.ToLower(name))
	}
	slices.Sort(parts)
	parts = slices.Compact(parts)
	if !f.Since.IsZero() {
		parts = append(parts, "since "+wire.FormatTime(f.Since))
	}
	if !f.Until.IsZero() {
		parts = append(parts, "until "+wire.FormatTime(f.Until))
	}
	return strings.Join(parts, " ")
}

// sieve is a Filter made ready for many posts.
type sieve struct {
	Filter
	names map[string]bool // in lower case
}

func newSieve(f Filter) *sieve {
	s := &sieve{Filter: f, names: make(map[string]bool, len(f.Subreddits))}
	for _, name := range f.Subreddits {
		s.names[strings.ToLower(name)] = true
	}
	return s
}

func (s *sieve) takesSubreddit(name string) bool {
	return len(s.names) == 0 || s.names[strings.ToLower(name)]
}

func (s *sieve) takesTime(created time.Time) bool {
	return !created.Before(s.Since) && (s.Until.IsZero() || created.Before(s.Until))
}
