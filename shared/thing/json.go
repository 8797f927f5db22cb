package thing

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// maxDepth bounds how deep values may nest, as encoding/json does.
const maxDepth = 10_000

// reader walks over JSON without making anything of it: one pass that checks the
// grammar and gives the bytes of the values that are asked for. Its methods are
// false once the text is no JSON; at is then the place of the fault.
type reader struct {
	text  []byte
	at    int
	depth int
}

// object calls member with each name, still quoted; member must take the value.
func (r *reader) object(member func(name []byte) bool) bool {
	if !r.open('{') {
		return false
	}
	if r.token('}') {
		r.depth--
		return true
	}
	for {
		r.space()
		start := r.at
		if !r.string() {
			return false
		}
		name := r.text[start:r.at]
		if !r.token(':') || !member(name) {
			return false
		}
		if r.token(',') {
			continue
		}
		r.depth--
		return r.token('}')
	}
}

// array calls element before each element, which it must take.
func (r *reader) array(element func() bool) bool {
	if !r.open('[') {
		return false
	}
	if r.token(']') {
		r.depth--
		return true
	}
	for {
		if !element() {
			return false
		}
		if r.token(',') {
			continue
		}
		r.depth--
		return r.token(']')
	}
}

func (r *reader) open(bracket byte) bool {
	if r.depth++; r.depth > maxDepth {
		return false
	}
	return r.token(bracket)
}

// value takes a value of any kind and gives its bytes.
func (r *reader) value() ([]byte, bool) {
	r.space()
	start := r.at
	ok := r.skip()
	return r.text[start:r.at], ok
}

func (r *reader) skip() bool {
	switch r.next() {
	case '{':
		return r.object(r.skipMember)
	case '[':
		return r.array(r.skip)
	case '"':
		return r.string()
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	return r.number()
}

func (r *reader) skipMember([]byte) bool { return r.skip() }

// next gives the first byte of what follows, 0 at the end.
func (r *reader) next() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *reader) token(b byte) bool {
	if r.next() != b || r.at == len(r.text) {
		return false
	}
	r.at++
	return true
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) word(w string) bool {
	if len(r.text)-r.at < len(w) || string(r.text[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

func (r *reader) string() bool {
	if r.at == len(r.text) || r.text[r.at] != '"' {
		return false
	}
	r.at++
	for {
		r.plain()
		if r.at == len(r.text) || r.text[r.at] < ' ' {
			return false
		}
		if r.text[r.at] == '"' {
			r.at++
			return true
		}
		if !r.escape() {
			return false
		}
	}
}

// plain goes to the next quote, backslash or control character, eight bytes at
// a time: most of a page is in its strings.
func (r *reader) plain() {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	text, at := r.text, r.at
	for len(text)-at >= 8 {
		w := binary.LittleEndian.Uint64(text[at:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// In each byte the top bit is set where it is below the subtrahend; a
		// borrow can only set bits above the first such byte, which is all that
		// counts.
		found := ((w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if found != 0 {
			r.at = at + bits.TrailingZeros64(found)/8
			return
		}
		at += 8
	}
	for at < len(text) && text[at] >= ' ' && text[at] != '"' && text[at] != '\\' {
		at++
	}
	r.at = at
}

func (r *reader) escape() bool {
	r.at++
	if r.at == len(r.text) {
		return false
	}
	switch r.text[r.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		r.at++
		return true
	case 'u':
		r.at++
		for range 4 {
			if r.at == len(r.text) || !isHex(r.text[r.at]) {
				return false
			}
			r.at++
		}
		return true
	}
	return false
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func (r *reader) number() bool {
	if r.at < len(r.text) && r.text[r.at] == '-' {
		r.at++
	}
	if r.at < len(r.text) && r.text[r.at] == '0' {
		r.at++
	} else if !r.digits() {
		return false
	}
	if r.at < len(r.text) && r.text[r.at] == '.' {
		r.at++
		if !r.digits() {
			return false
		}
	}
	if r.at < len(r.text) && r.text[r.at]|0x20 == 'e' {
		r.at++
		if r.at < len(r.text) && (r.text[r.at] == '+' || r.text[r.at] == '-') {
			r.at++
		}
		return r.digits()
	}
	return true
}

func (r *reader) digits() bool {
	start := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}

// ended tells whether nothing but space is left.
func (r *reader) ended() bool {
	r.space()
	return r.at == len(r.text)
}

// textOf gives the text of a quoted string; bytes that are not UTF-8 and lone
// surrogates become U+FFFD.
func textOf(quoted []byte) (string, bool) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return "", false
	}
	inner := quoted[1 : len(quoted)-1]
	r := reader{text: inner}
	if r.plain(); r.at == len(inner) && utf8.Valid(inner) {
		return string(inner), true
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return text, err == nil
}
