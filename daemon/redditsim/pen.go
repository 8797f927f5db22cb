package redditsim

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// pen writes posts as JSON, one after the other. It is for one goroutine.
type pen struct {
	out []byte
	raw bool // text is not escaped as HTML
	src *rand.PCG
	rng *rand.Rand // of the post that turnTo was called with
}

func newPen(size int) *pen {
	src := &rand.PCG{}
	return &pen{out: make([]byte, 0, size), src: src, rng: rand.New(src)}
}

// turnTo makes rng begin the draws of a post.
func (p *pen) turnTo(b *birth) { p.src.Seed(b.c.key, mix(uint64(b.at))) }

func (p *pen) add(s string) { p.out = append(p.out, s...) }

func (p *pen) key(name string) {
	p.add(`,"`)
	p.add(name)
	p.add(`":`)
}

func (p *pen) flag(name string, v bool) {
	p.key(name)
	p.out = strconv.AppendBool(p.out, v)
}

func (p *pen) number(name string, n int64) {
	p.key(name)
	p.out = strconv.AppendInt(p.out, n, 10)
}

func (p *pen) float(name string, v float64) {
	p.key(name)
	p.out = strconv.AppendFloat(p.out, v, 'f', -1, 64)
}

// seconds are written as a float, ".0" and all.
func (p *pen) seconds(name string, n int64) {
	p.number(name, n)
	p.add(".0")
}

func (p *pen) text(name, s string) {
	p.key(name)
	p.quote(s)
}

// nullable is prose, or null where there is none.
func (p *pen) nullable(name, s string) {
	if s == "" {
		p.key(name)
		p.add("null")
		return
	}
	p.prose(name, s)
}

// prose is text that is escaped as HTML for those who did not ask for raw_json.
func (p *pen) prose(name, s string) {
	if !p.raw && strings.ContainsAny(s, "&<>") {
		s = escape.Replace(s)
	}
	p.text(name, s)
}

// escape is all that Reddit escapes.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// quote writes a JSON string as Reddit does, with <, > and & escaped. s is
// valid UTF-8.
func (p *pen) quote(s string) {
	const hex = "0123456789ABCDEF"
	p.out = append(p.out, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			continue
		}
		p.add(s[from:i])
		from = i + 1
		switch c {
		case '"', '\\':
			p.out = append(p.out, '\\', c)
		case '\n':
			p.add(`\n`)
		default:
			p.out = append(p.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	p.add(s[from:])
	p.out = append(p.out, '"')
}
