package redditsim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// grammar is how the posts of a topic are worded. Titles have slots, "{thing}",
// that are filled from the topic's words, else from the common ones; a word may
// have slots itself.
type grammar struct {
	titles  []string
	words   map[string][]string
	flairs  []string
	domains []string // links lead there
	self    float64  // share of posts that are text
}

// topicNames are the keys of topics in a fixed order.
var topicNames = slices.Sorted(maps.Keys(topics))

// maxSlots ends the filling of a title whose words never end.
const maxSlots = 16

// title makes up a title of the topic.
func (g *grammar) title(rng *rand.Rand) string {
	text := pick(rng, g.titles)
	for range maxSlots {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		end := open + strings.IndexByte(text[open:], '}')
		text = text[:open] + g.word(rng, text[open+1:end]) + text[end+1:]
	}
	return capital(text)
}

func (g *grammar) word(rng *rand.Rand, slot string) string {
	if list := g.words[slot]; len(list) > 0 {
		return pick(rng, list)
	}
	return pick(rng, common[slot])
}

func pick(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// author makes up an account's name. Some write more than others.
func author(rng *rand.Rand) string {
	name := pick(rng, common["trait"]) + pick(rng, []string{"_", "-", ""}) + pick(rng, common["creature"])
	if rng.Float64() < 0.7 {
		n := rng.IntN(1 + rng.IntN(9_999))
		name += pick(rng, []string{"", "_"}) + digits(n)
	}
	return name
}
