package score

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// VaderTables tells the size of the tables: words of the lexicon, words in all,
// emoji, and the length of the longest word that can be asked for, in bytes.
func VaderTables() (lexicon, words, emoji, longest int) {
	t := vaderTables()
	for word, term := range t.terms {
		if term.known {
			lexicon++
		}
		if utf8.RuneCountInString(word) == len(word) {
			longest = max(longest, len(word))
		}
	}
	return lexicon, len(t.terms), len(t.emoji), longest
}

const VaderLongest = vaderLongest

// VaderShares is how much of a text is positive, neutral and negative, as the
// reference tells it, to three decimals.
func VaderShares(text string) (pos, neu, neg float64) {
	text = vaderSpellOut(text)
	for _, w := range vaderWeigh(vaderWords(nil, text)) {
		switch {
		case w.weight > 0:
			pos += w.weight + 1
		case w.weight < 0:
			neg += 1 - w.weight
		default:
			neu++
		}
	}
	switch emphasis := vaderEmphasis(text); {
	case pos > neg:
		pos += emphasis
	case neg > pos:
		neg += emphasis
	}
	total := max(pos+neu+neg, math.SmallestNonzeroFloat64)
	return thousandths(pos / total), thousandths(neu / total), thousandths(neg / total)
}

func thousandths(f float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', 3, 64), 64)
	return rounded
}
