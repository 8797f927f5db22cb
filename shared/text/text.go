// Package text makes untrusted text safe to store and to draw. It is pure and
// never fails: whatever goes in, something safe comes out.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// maxMarks is how many combining marks may stack on one character. Real
// scripts need two; more is decoration that spills over its line.
const maxMarks = 2

// Storable gives s as valid UTF-8 without NUL: what JSON, Kafka and Postgres
// all take. Bytes that are no UTF-8 become U+FFFD.
func Storable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	return strings.ReplaceAll(s, "\x00", "")
}

// Drawable gives s as one line that a terminal draws as it is and that takes
// Width(s) cells whether or not the terminal joins characters: no control
// characters, no line or direction marks, no invisible characters, at most two
// combining marks per character, in NFC. Every kind of space is a space.
// Doing it twice changes nothing.
func Drawable(s string) string {
	if plain(s) {
		return s
	}
	// Dropping a character can bring two together that combine, hence more
	// rounds; each only shortens, and two are enough for all but contrived text.
	for range 8 {
		next := settle(norm.NFC.String(scrub(s)))
		if next == s {
			return s
		}
		s = next
	}
	return ascii(s)
}

// plain tells whether s is printable ASCII only.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// ascii is the last resort: everything else becomes a question mark.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// scrub replaces or drops what must not be drawn, character by character.
func scrub(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	var last rune // the last character written
	for _, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			r = ' '
		case unicode.Is(unicode.Zs, r):
			r = ' '
		case r < ' ' || r >= 0x7f && r <= 0x9f:
			continue
		case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
			// Letters of some scripts need them; pictures joined by them take
			// two cells in one terminal and eight in the next.
			if !unicode.IsLetter(last) && !unicode.IsMark(last) {
				continue
			}
		case invisible(r):
			continue
		case !unicode.IsGraphic(r):
			r = utf8.RuneError // unassigned, private or no character at all
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

// invisible tells whether r changes only how its neighbours look: direction
// marks, tags, variation selectors, skin tones, fillers and the like.
func invisible(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Bidi_Control, r),
		unicode.Is(unicode.Variation_Selector, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return true
	case r >= 0xe0000 && r <= 0xe0fff: // tags
		return true
	case r >= 0x1f3fb && r <= 0x1f3ff: // skin tones
		return true
	}
	return false
}

// settle makes every character that a reader perceives take as many cells as
// its code points one by one, by keeping its base and its first marks only.
func settle(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for state := -1; s != ""; {
		var cluster string
		cluster, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
		first, size := utf8.DecodeRuneInString(cluster)
		if size == len(cluster) {
			if half := first - flagA; half >= 0 && half < 26 {
				cluster = string('A' + half) // half a flag: terminals disagree
			}
			b.WriteString(cluster)
			continue
		}
		cluster = limitMarks(cluster)
		if ansi.StringWidth(cluster) != apart(cluster) {
			cluster = withMarks(cluster)
		}
		b.WriteString(cluster)
	}
	return b.String()
}

// limitMarks drops all but the first marks of each base.
func limitMarks(cluster string) string {
	marks := 0
	return strings.Map(func(r rune) rune {
		if !unicode.IsMark(r) {
			marks = 0
			return r
		}
		if marks++; marks > maxMarks {
			return -1
		}
		return r
	}, cluster)
}

// apart is the width of a cluster in a terminal that joins nothing.
func apart(cluster string) int {
	n := 0
	for _, r := range cluster {
		if half := r - flagA; half >= 0 && half < 26 {
			n++ // two of these letters make a flag of two cells
			continue
		}
		n += ansi.StringWidth(string(r))
	}
	return n
}

// flagA is the first of the 26 letters that make flags in pairs.
const flagA = '\U0001f1e6'

// withMarks is the first character of a cluster with those of its marks that
// take no cell.
func withMarks(cluster string) string {
	first := true
	kept := strings.Map(func(r rune) rune {
		if first || unicode.In(r, unicode.Mn, unicode.Me) && ansi.StringWidth(string(r)) == 0 {
			first = false
			return r
		}
		return -1
	}, cluster)
	if ansi.StringWidth(kept) == apart(kept) {
		return kept
	}
	r, _ := utf8.DecodeRuneInString(cluster)
	return string(r)
}
