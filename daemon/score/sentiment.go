package score

import (
	"math"
	"strconv"
	"strings"
)

// Titles of up to so many words are weighed without the heap; longer texts
// merely cost an allocation.
const vaderRoom = 64

// What punctuation adds to the sum of a text (Hutto & Gilbert 2014, heuristic 1):
// each of the first marks of exclamation, each of two or three question marks,
// and any more of those together.
const (
	vaderExclamation  = 0.292
	vaderExclamations = 4
	vaderQuestion     = 0.18
	vaderQuestions    = 0.96
)

// vaderAlpha says how soon the compound score saturates: it is 0.71 where the sum
// is the root of it.
const vaderAlpha = 15

// Sentiment is VADER's compound score of an English text: -1 is the most
// negative, 1 the most positive, 0 is a text without sentiment. It has four
// decimals.
//
// The method is C. J. Hutto and E. Gilbert's, "VADER: A Parsimonious Rule-based
// Model for Sentiment Analysis of Social Media Text", ICWSM 2014: each word has
// a valence from a lexicon, its neighbours change that by a few rules, and the
// sum is squeezed into the range. The result is that of their vaderSentiment
// 3.3.2 with the idioms it took up since, to the last digit: what looks odd in a
// rule here is odd there.
//
// It is about words, not about meaning: "war" and "dead" are negative wherever
// they stand.
func Sentiment(text string) float64 {
	text = vaderSpellOut(text)
	var room [vaderRoom]vaderWord
	words := vaderWeigh(vaderWords(room[:0], text))
	sum := 0.0
	for i := range words {
		sum += words[i].weight
	}
	switch emphasis := vaderEmphasis(text); {
	case sum > 0:
		sum += emphasis
	case sum < 0:
		sum -= emphasis
	}
	return vaderRound(sum / math.Sqrt(float64(sum*sum)+vaderAlpha))
}

func vaderEmphasis(text string) float64 {
	exclaims := float64(min(strings.Count(text, "!"), vaderExclamations)) * vaderExclamation
	switch asks := strings.Count(text, "?"); {
	case asks <= 1:
		return exclaims
	case asks <= 3:
		return exclaims + float64(float64(asks)*vaderQuestion)
	}
	return exclaims + vaderQuestions
}

// vaderRound gives four decimals, rounded as decimal figures are and not by way
// of a product that may itself be rounded across a half. It never gives -0.
func vaderRound(f float64) float64 {
	var digits [32]byte
	rounded, err := strconv.ParseFloat(string(strconv.AppendFloat(digits[:0], f, 'f', 4, 64)), 64)
	if err != nil || rounded == 0 {
		return 0
	}
	return rounded
}
