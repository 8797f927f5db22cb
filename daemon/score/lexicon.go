package score

import (
	"strconv"
	"strings"
	"sync"

	"github.com/jonreiter/govader/data"
)

// vaderTerm is what the tables know of a word. The zero value is a word that
// they lack.
type vaderTerm struct {
	text    string // in small letters
	valence float64
	degree  float64 // what it adds to the words behind it: "very", "hardly"; 0 for others
	known   bool    // in the lexicon
	negates bool
}

// vaderTable is never changed once made.
type vaderTable struct {
	terms map[string]vaderTerm
	emoji map[rune]string // their names in English
}

// vaderTables makes the tables when first asked, which takes some milliseconds
// and leaves 1.2 MB. Lexicon and names of emoji are those of Hutto &
// Gilbert, as github.com/jonreiter/govader carries them.
var vaderTables = sync.OnceValue(func() *vaderTable {
	t := &vaderTable{terms: make(map[string]vaderTerm, 8192), emoji: make(map[rune]string, 1280)}
	t.readLexicon(string(data.MustAsset("rawdata/vaderLexicon.txt")))
	t.readEmoji(string(data.MustAsset("rawdata/emojiUTF8Lexicon.txt")))
	t.addRules()
	return t
})

// readLexicon takes lines of word, valence and more, parted by tabs. Of several
// lines for one word the last holds.
func (t *vaderTable) readLexicon(lines string) {
	for line := range strings.Lines(lines) {
		word, rest, _ := strings.Cut(line, "\t")
		figure, _, _ := strings.Cut(rest, "\t")
		if valence, err := strconv.ParseFloat(figure, 64); err == nil {
			t.addKnown(word, valence)
		}
	}
	// The lexicon got these later than the copy was made.
	t.addKnown("heart", 3.2)
	t.addKnown("hearts", 3.3)
}

// readEmoji takes lines of emoji and name, parted by tabs. Texts are searched by
// code point, so that emoji of several are left out.
func (t *vaderTable) readEmoji(lines string) {
	for line := range strings.Lines(lines) {
		emoji, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if point := []rune(emoji); len(point) == 1 {
			t.emoji[point[0]] = strings.Clone(name)
		}
	}
}

// addRules adds the words that the rules ask for.
func (t *vaderTable) addRules() {
	for word := range strings.FieldsSeq(vaderMore) {
		t.change(word, func(w *vaderTerm) { w.degree = vaderDegree })
	}
	for word := range strings.FieldsSeq(vaderLess) {
		t.change(word, func(w *vaderTerm) { w.degree = -vaderDegree })
	}
	for word := range strings.FieldsSeq(vaderDenials) {
		t.change(word, func(w *vaderTerm) { w.negates = true })
	}
	for verb := range strings.FieldsSeq(vaderDeniable) {
		t.change(verb+"nt", func(w *vaderTerm) { w.negates = true })
	}
	for word := range strings.FieldsSeq(vaderNamed) {
		t.change(word, func(*vaderTerm) {})
	}
	for _, idiom := range vaderIdioms {
		for _, word := range idiom.words {
			t.change(word, func(*vaderTerm) {})
		}
	}
}

func (t *vaderTable) addKnown(word string, valence float64) {
	t.change(word, func(w *vaderTerm) { w.known, w.valence = true, valence })
}

func (t *vaderTable) change(word string, by func(*vaderTerm)) {
	term := t.terms[word]
	if term.text == "" {
		term.text = strings.Clone(word)
	}
	by(&term)
	t.terms[term.text] = term
}

// Words of degree, by stem (Hutto & Gilbert 2014, heuristic 3; extended in
// vaderSentiment). Those of two words are in vaderDampens.
const (
	vaderMore = `so very more most quite really uber hella
		absolutely amazingly awfully completely decidedly deeply entirely especially
		fabulously fully greatly highly hugely intensely particularly purely
		remarkably substantially thoroughly unbelievably unusually
		considerable considerably enormous enormously exceptional exceptionally
		extreme extremely incredible incredibly major majorly
		total totally tremendous tremendously utter utterly
		effing flippin flipping frackin fracking frickin fricking friggin frigging
		fuckin fucking fuggin fugging`
	vaderLess = `almost barely hardly less little somewhat partly
		marginal marginally occasional occasionally scarce scarcely slight slightly
		kinda kindof kind-of sorta sortof sort-of`
)

// Words that deny, and verbs that do with "nt" behind; "n't" does without a
// table.
const (
	vaderDenials = `not never none nope nor neither nothing nowhere cannot without despite
		rarely seldom uhuh uh-uh`
	vaderDeniable = `ai are ca could dare did does do had has have is might must need ought sha
		should was were wo would`
)

// Further words that rules name.
const vaderNamed = "this doubt at least no or but kind sort of just enough"

// Idioms that mean something else than their words (Hutto & Gilbert 2014; later
// ones from vaderSentiment). "Badass" is a word there that is never looked up.
var vaderIdioms = [...]struct {
	words   []string
	valence float64
}{
	{[]string{"the", "shit"}, 3},
	{[]string{"the", "bomb"}, 3},
	{[]string{"to", "die", "for"}, 3},
	{[]string{"bad", "ass"}, 1.5},
	{[]string{"beating", "heart"}, 3.1},
	{[]string{"broken", "heart"}, -2.9},
	{[]string{"yeah", "right"}, -2},
	{[]string{"kiss", "of", "death"}, -1.5},
	{[]string{"bus", "stop"}, 0},
}
