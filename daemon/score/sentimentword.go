package score

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// No word of the tables is longer, in bytes; a test holds them to it.
const vaderLongest = 24

// kelvin is the one sign outside ASCII whose small letter is inside.
const kelvin = '\u212a'

// vaderWord is a word or an emoticon of a text.
type vaderWord struct {
	vaderTerm         // what the tables know of it, zero if nothing
	shouted   bool    // in capitals, in a text that is not all in capitals
	weight    float64 // its valence where it stands
}

// vaderSpellOut puts the names of emoji in their place, parted by a space from
// what stands before but not from what follows. Those of several code points
// are not recognised as wholes.
func vaderSpellOut(text string) string {
	emoji := vaderTables().emoji
	first := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf && emoji[r] != "" })
	if first < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(2 * len(text))
	b.WriteString(text[:first])
	parted := first == 0 || text[first-1] == ' '
	for _, r := range text[first:] {
		name := emoji[r]
		if name == "" {
			b.WriteRune(r)
			parted = r == ' '
			continue
		}
		if !parted {
			b.WriteByte(' ')
		}
		b.WriteString(name)
		parted = false
	}
	return b.String()
}

// vaderWords appends the words of a text, not weighed yet.
func vaderWords(words []vaderWord, text string) []vaderWord {
	terms := vaderTables().terms
	shouted := 0
	for token := range strings.FieldsFuncSeq(text, vaderSpace) {
		token = vaderStrip(token)
		w := vaderWord{vaderTerm: vaderLookUp(terms, token), shouted: vaderCapitals(token)}
		w.negates = w.negates || vaderContracted(token)
		if w.shouted {
			shouted++
		}
		words = append(words, w)
	}
	if shouted == len(words) {
		for i := range words {
			words[i].shouted = false
		}
	}
	return words
}

// vaderSpace tells what Python splits words at: the spaces of Unicode, and four
// separators of ASCII that Unicode does not count among them.
func vaderSpace(r rune) bool {
	return r == ' ' || r >= '\t' && r <= '\r' || r >= 0x1c && r <= 0x1f ||
		r >= utf8.RuneSelf && unicode.IsSpace(r)
}

// vaderStrip takes punctuation off both ends. Where fewer than three characters
// are left it was probably an emoticon, which stays whole.
func vaderStrip(token string) string {
	from, to := 0, len(token)
	for from < to && vaderPunctuation(token[from]) {
		from++
	}
	for from < to && vaderPunctuation(token[to-1]) {
		to--
	}
	// A character has at most four bytes.
	if inner := token[from:to]; len(inner) > 2*utf8.UTFMax || utf8.RuneCountInString(inner) > 2 {
		return inner
	}
	return token
}

func vaderPunctuation(c byte) bool {
	return c >= '!' && c <= '/' || c >= ':' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
}

// vaderLookUp finds a word by its small letters. All words of the tables are
// ASCII.
func vaderLookUp(terms map[string]vaderTerm, token string) vaderTerm {
	var room [vaderLongest]byte
	n := 0
	for _, r := range token {
		switch {
		case n == len(room):
			return vaderTerm{}
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r == kelvin:
			r = 'k'
		case r >= utf8.RuneSelf:
			return vaderTerm{}
		}
		room[n] = byte(r)
		n++
	}
	return terms[string(room[:n])]
}

// vaderCapitals tells whether a token has capital letters and no small ones, as
// Unicode derives them: Ⓐ and Ⅷ are capitals, ª is small.
func vaderCapitals(token string) bool {
	capitals := false
	for _, r := range token {
		switch {
		case r >= 'a' && r <= 'z':
			return false
		case r >= 'A' && r <= 'Z':
			capitals = true
		case r < utf8.RuneSelf:
		case unicode.In(r, unicode.Ll, unicode.Lt, unicode.Other_Lowercase):
			return false
		case unicode.In(r, unicode.Lu, unicode.Other_Uppercase):
			capitals = true
		}
	}
	return capitals
}

// vaderContracted tells whether a token has "n't" in it, in any case.
func vaderContracted(token string) bool {
	for i := 1; i < len(token)-1; i++ {
		if token[i] == '\'' && token[i-1]|0x20 == 'n' && token[i+1]|0x20 == 't' {
			return true
		}
	}
	return false
}
