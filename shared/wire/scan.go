package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// scanner reads the JSON of an observation as our own encoder and most others
// write it: one flat object of known fields, each once. Whatever looks any
// different, right or wrong, it leaves to encoding/json: it may only succeed
// where that would, with the same outcome.
type scanner struct {
	value []byte
	text  string // the same, so that strings can be cut from it
	at    int
	seen  uint32 // fields, by bit
}

// scanObservation fills in, all but its version, which is 1 where ok. value must
// be valid UTF-8.
func scanObservation(value []byte, in *observation) (ok bool) {
	s := scanner{value: value, text: string(value)}
	if !s.token('{') {
		return false
	}
	for {
		key, ok := s.plainString()
		if !ok || !s.token(':') || !s.field(key, in) {
			return false
		}
		if s.token(',') {
			continue
		}
		return s.token('}') && s.at == len(s.value) && s.seen&1 != 0
	}
}

func (s *scanner) field(key string, in *observation) bool {
	switch key {
	case "v":
		raw, ok := s.whole(0)
		return ok && string(raw) == strconv.Itoa(ObservationVersion)
	case "post_id":
		return s.string(1, &in.PostID)
	case "observed_at":
		return s.string(2, &in.ObservedAt)
	case "source":
		return s.string(3, &in.Source)
	case "subreddit":
		return s.string(4, &in.Subreddit)
	case "title":
		return s.string(5, &in.Title)
	case "author":
		return s.string(6, &in.Author)
	case "url":
		return s.string(7, &in.URL)
	case "permalink":
		return s.string(8, &in.Permalink)
	case "flair":
		if s.word("null") {
			return s.once(9)
		}
		in.Flair = new(string)
		return s.string(9, in.Flair)
	case "is_self":
		return s.bool(10, &in.IsSelf)
	case "over_18":
		return s.bool(11, &in.Over18)
	case "created_at":
		return s.string(12, &in.CreatedAt)
	case "score":
		raw, ok := s.whole(13)
		in.Score = raw
		return ok
	case "num_comments":
		raw, ok := s.whole(14)
		in.NumComments = raw
		return ok
	case "upvote_ratio":
		return s.ratio(15, in)
	case "state":
		return s.string(16, &in.State)
	}
	return false
}

// once is false when the field was there before: the last one counts then, but
// for null.
func (s *scanner) once(bit int) bool {
	first := s.seen&(1<<bit) == 0
	s.seen |= 1 << bit
	return first
}

// token takes b, and the spaces on both sides of it.
func (s *scanner) token(b byte) bool {
	s.spaces()
	if s.at == len(s.value) || s.value[s.at] != b {
		return false
	}
	s.at++
	s.spaces()
	return true
}

func (s *scanner) spaces() {
	for s.at < len(s.value) && s.value[s.at] == ' ' {
		s.at++
	}
}

func (s *scanner) word(w string) bool {
	if len(s.text)-s.at < len(w) || s.text[s.at:s.at+len(w)] != w {
		return false
	}
	s.at += len(w)
	return true
}

func (s *scanner) bool(bit int, to *bool) bool {
	if s.word("true") {
		*to = true
		return s.once(bit)
	}
	return s.word("false") && s.once(bit)
}

// plainString takes a string without escapes.
func (s *scanner) plainString() (string, bool) {
	if s.at == len(s.value) || s.value[s.at] != '"' {
		return "", false
	}
	start := s.at + 1
	for i := start; i < len(s.value); i++ {
		switch b := s.value[i]; {
		case b == '"':
			s.at = i + 1
			return s.text[start:i], true
		case b < ' ' || b == '\\':
			return "", false
		}
	}
	return "", false
}

func (s *scanner) string(bit int, to *string) bool {
	text, ok := s.plainString()
	if !ok {
		text, ok = s.escapedString()
	}
	*to = text
	return ok && s.once(bit)
}

func (s *scanner) escapedString() (text string, ok bool) {
	if s.at == len(s.value) || s.value[s.at] != '"' {
		return "", false
	}
	for i := s.at + 1; i < len(s.value); i++ {
		switch s.value[i] {
		case '\\':
			i++
		case '"':
			err := json.Unmarshal(s.value[s.at:i+1], &text)
			s.at = i + 1
			return text, err == nil
		}
	}
	return "", false
}

// whole takes a whole number of 0 or more.
func (s *scanner) whole(bit int) (json.RawMessage, bool) {
	start := s.at
	s.digits()
	raw := s.value[start:s.at]
	return json.RawMessage(raw), isWhole(raw) && s.once(bit)
}

func (s *scanner) digits() {
	for s.at < len(s.value) && s.value[s.at] >= '0' && s.value[s.at] <= '9' {
		s.at++
	}
}

// isWhole tells whether raw is a JSON number that fits 64 bits with certainty.
func isWhole(raw []byte) bool {
	if len(raw) == 0 || len(raw) > 18 || raw[0] == '0' && len(raw) > 1 {
		return false
	}
	return len(bytes.Trim(raw, "0123456789")) == 0
}

// ratio takes null or a number without an exponent.
func (s *scanner) ratio(bit int, in *observation) bool {
	if s.word("null") {
		return s.once(bit)
	}
	start := s.at
	s.digits()
	if !isWhole(s.value[start:s.at]) {
		return false
	}
	if s.at < len(s.value) && s.value[s.at] == '.' {
		point := s.at
		s.at++
		if s.digits(); s.at == point+1 {
			return false
		}
	}
	f, err := strconv.ParseFloat(s.text[start:s.at], 64)
	in.UpvoteRatio = &f
	return err == nil && s.once(bit)
}
