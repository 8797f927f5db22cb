package score

import "slices"

// What the words around change, found by experiment in Hutto & Gilbert 2014 and
// given in the README of vaderSentiment.
const (
	vaderNegation = -0.74 // factor of what is denied
	vaderShout    = 0.733 // added to what is in capitals
	vaderDegree   = 0.293 // added by "very", taken off by "hardly"
	vaderNeverSo  = 1.25  // factor of what was "never so"
	vaderYielding = 0.5   // factor of what stands before "but"
	vaderDecisive = 1.5   // and behind it
)

// A word takes its degree from up to three words before it, of which the further
// ones count less.
var vaderNear = [...]float64{1: 1, 2: 0.95, 3: 0.9}

// vaderWeigh gives each word its weight.
func vaderWeigh(words []vaderWord) []vaderWord {
	for i := range words {
		words[i].weight = vaderWeight(words, i)
	}
	vaderContrast(words)
	return words
}

// vaderWeight is the valence of word i among the others. Words of degree have
// none of their own, nor has the "kind" of "kind of". The products are rounded
// before they are added, on processors too that could do both at once: where a
// sum is to be 0 on one machine it is to be 0 on all.
func vaderWeight(words []vaderWord, i int) float64 {
	w := &words[i]
	if !w.known || w.degree != 0 || w.text == "kind" && vaderAt(words, i+1) == "of" {
		return 0
	}
	v := vaderAlone(words, i)
	for back := 1; back < len(vaderNear) && back <= i; back++ {
		if words[i-back].known {
			continue // it speaks for itself
		}
		v += float64(vaderBoost(&words[i-back], v) * vaderNear[back])
		v = vaderNegate(words, i, back, v)
		if back == 3 {
			v = vaderIdiom(words, i, v)
		}
	}
	// "Least" denies, "at least" and "the very least" do not.
	if before := vaderAt(words, i-2); vaderAt(words, i-1) == "least" && before != "at" && before != "very" {
		v *= vaderNegation
	}
	return v
}

// vaderAlone is the valence of word i with its capitals, and with a "no" before
// it, up to two words away or over an "or". A "no" before a word of the lexicon
// has none itself.
func vaderAlone(words []vaderWord, i int) float64 {
	w, before := &words[i], vaderAt(words, i-1)
	v := w.valence
	switch {
	case before == "no", vaderAt(words, i-2) == "no",
		vaderAt(words, i-3) == "no" && (before == "or" || before == "nor"):
		v *= vaderNegation
	case w.text == "no" && i+1 < len(words) && words[i+1].known:
		v = 0
	}
	if w.shouted {
		v += vaderAway(v, vaderShout)
	}
	return v
}

// vaderBoost is what a word of degree adds to the valence of a later one (Hutto
// & Gilbert 2014, heuristic 3).
func vaderBoost(w *vaderWord, v float64) float64 {
	if w.degree == 0 {
		return 0
	}
	boost := w.degree
	if v < 0 {
		boost = -boost
	}
	if w.shouted {
		boost += vaderAway(v, vaderShout)
	}
	return boost
}

// vaderAway gives by the sign that takes v further from 0; 0 itself counts as
// negative.
func vaderAway(v, by float64) float64 {
	if v > 0 {
		return by
	}
	return -by
}

// vaderNegate applies what the word that many before i denies (Hutto & Gilbert
// 2014, heuristic 5). "Never so" and "never this" praise, "without doubt" denies
// nothing. From three words back "so" and "this" do it without the "never".
func vaderNegate(words []vaderWord, i, back int, v float64) float64 {
	one, two, three := vaderAt(words, i-1), vaderAt(words, i-2), vaderAt(words, i-3)
	switch {
	case back == 2 && two == "never" && vaderSo(one),
		back == 3 && (three == "never" && vaderSo(two) || vaderSo(one)):
		return v * vaderNeverSo
	case back == 2 && two == "without" && one == "doubt",
		back == 3 && three == "without" && (two == "doubt" || one == "doubt"):
		return v
	case words[i-back].negates:
		return v * vaderNegation
	}
	return v
}

func vaderSo(text string) bool { return text == "so" || text == "this" }

// vaderIdiom gives a word that is part of an idiom the idiom's valence, and
// takes a degree off behind "kind of" and its like, from what is negative too.
// It needs three words before i: idioms go unnoticed at the start of a text.
func vaderIdiom(words []vaderWord, i int, v float64) float64 {
	for _, near := range [...][]vaderWord{
		words[i-1 : i+1], words[i-2 : i+1], words[i-2 : i], words[i-3 : i], words[i-3 : i-1],
	} {
		if valence, found := vaderIdiomOf(near); found {
			v = valence
			break
		}
	}
	for length := 2; length <= 3 && i+length <= len(words); length++ {
		if valence, found := vaderIdiomOf(words[i : i+length]); found {
			v = valence
		}
	}
	for _, near := range [...][]vaderWord{words[i-3 : i-1], words[i-2 : i]} {
		if vaderDampens(near[0].text, near[1].text) {
			v -= vaderDegree
		}
	}
	return v
}

func vaderIdiomOf(words []vaderWord) (valence float64, found bool) {
	for i := range vaderIdioms {
		if idiom := &vaderIdioms[i]; slices.EqualFunc(words, idiom.words, vaderWord.is) {
			return idiom.valence, true
		}
	}
	return 0, false
}

func vaderDampens(one, two string) bool {
	return two == "of" && (one == "kind" || one == "sort") || one == "just" && two == "enough"
}

// vaderContrast lets what comes after the first "but" count for more than what
// comes before (Hutto & Gilbert 2014, heuristic 4). The reference looks each
// weight up by its value in the list that it is changing: of equal weights the
// first takes the factors of all, as far as it still has that value. This takes
// the square of the words in time, a fraction of a millisecond for the longest
// title that may come in.
func vaderContrast(words []vaderWord) {
	but := slices.IndexFunc(words, func(w vaderWord) bool { return w.text == "but" })
	if but < 0 {
		return
	}
	for i := range words {
		weight := words[i].weight
		if weight == 0 {
			continue
		}
		switch first := vaderFirst(words, weight); {
		case first < but:
			words[first].weight *= vaderYielding
		case first > but:
			words[first].weight *= vaderDecisive
		}
	}
}

// vaderFirst is the first word of that weight; there is one.
func vaderFirst(words []vaderWord, weight float64) int {
	i := 0
	for words[i].weight != weight {
		i++
	}
	return i
}

// vaderAt is the word at i if the tables have it, "" if not or if the text has
// no word there.
func vaderAt(words []vaderWord, i int) string {
	if i < 0 || i >= len(words) {
		return ""
	}
	return words[i].text
}

func (w vaderWord) is(text string) bool { return w.text == text }
