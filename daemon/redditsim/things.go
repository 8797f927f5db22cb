package redditsim

import (
	"bytes"
	"encoding/json"
)

// things are the posts in a JSON body: every object {"kind": "t3", "data": {…}}
// at any depth, as the bytes that stand there, in their order. Originals quoted
// inside a crosspost are not posts of their own. A body that is not JSON has
// none.
func things(body []byte) [][]byte {
	if !json.Valid(body) {
		return nil
	}
	s := scan{b: body}
	s.value(true)
	return s.found
}

// scan walks through JSON that is known to be valid.
type scan struct {
	b     []byte
	i     int
	found [][]byte
}

// value passes one value and gives its bytes. In wanted values posts are looked
// for.
func (s *scan) value(wanted bool) []byte {
	s.space()
	start := s.i
	switch s.b[s.i] {
	case '{':
		s.object(wanted)
	case '[':
		s.array(wanted)
	case '"':
		s.text()
	default:
		for s.i < len(s.b) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.b[s.i])) {
			s.i++
		}
	}
	return s.b[start:s.i]
}

func (s *scan) object(wanted bool) {
	start, place := s.i, len(s.found)
	var isPost, hasData bool
	s.i++ // {
	for s.space(); s.b[s.i] != '}'; s.space() {
		if s.b[s.i] == ',' {
			s.i++
			s.space()
		}
		key := string(s.text())
		s.space()
		s.i++ // :
		value := s.value(wanted && key != `"crosspost_parent_list"`)
		switch key {
		case `"kind"`:
			isPost = string(value) == `"t3"`
		case `"data"`:
			hasData = value[0] == '{'
		}
	}
	s.i++ // }
	if wanted && isPost && hasData {
		// Before what stands inside it.
		s.found = append(s.found, nil)
		copy(s.found[place+1:], s.found[place:])
		s.found[place] = s.b[start:s.i]
	}
}

func (s *scan) array(wanted bool) {
	s.i++ // [
	for s.space(); s.b[s.i] != ']'; s.space() {
		if s.b[s.i] == ',' {
			s.i++
		}
		s.value(wanted)
	}
	s.i++ // ]
}

// text passes a string and gives its bytes with the quotes.
func (s *scan) text() []byte {
	start := s.i
	for s.i++; s.b[s.i] != '"'; s.i++ {
		if s.b[s.i] == '\\' {
			s.i++
		}
	}
	s.i++
	return s.b[start:s.i]
}

func (s *scan) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\r' || s.b[s.i] == '\t') {
		s.i++
	}
}
