package score

import (
	"strconv"
	"unicode/utf8"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/text"
)

// maxReason bounds a reason, in bytes.
const maxReason = 200

// reason says in words why a post trends, as in
//
//	34/min, 9.1× usual for posts 1–3 h old in r/golang; top 2 %; 22 comments in 12 min, 2.1 expected
func (r *Rules) reason(t *pulse.Trend, subreddit string, m *movement, v *verdict) string {
	b := make([]byte, 0, maxReason)
	b = appendFigure(b, max(m.points.rate, 0))
	if t.Usual < r.still() {
		b = append(b, "/min where posts "...)
	} else {
		b = append(b, "/min, "...)
		b = appendFigure(b, t.TimesUsual)
		b = append(b, "× usual for posts "...)
	}
	b = append(b, bucketWords[m.age]...)
	b = append(b, " old in r/"...)
	b = append(b, text.Drawable(subreddit)...)
	if t.Usual < r.still() {
		b = append(b, " usually hardly move"...)
	}
	b = append(b, "; top "...)
	b = appendFigure(b, 100-t.Percentile)
	b = append(b, " %"...)
	if m.gained >= r.MinComments && m.gained > 2*v.comments {
		b = appendComments(b, m, v)
	}
	return string(clip(b))
}

// appendComments appends what comments add, where there is room.
func appendComments(b []byte, m *movement, v *verdict) []byte {
	full := append(b, "; "...)
	full = appendFigure(full, m.gained)
	full = append(full, " comments in "...)
	full = appendFigure(full, m.over)
	full = append(full, " min, "...)
	full = appendFigure(full, v.comments)
	full = append(full, " expected"...)
	if len(full) > maxReason {
		return b
	}
	return full
}

// clip cuts b between two characters.
func clip(b []byte) []byte {
	if len(b) <= maxReason {
		return b
	}
	end := maxReason
	for !utf8.RuneStart(b[end]) {
		end--
	}
	return b[:end]
}

// appendFigure appends a number with two digits that tell: 34, 9.1, 0.42.
func appendFigure(b []byte, f float64) []byte {
	switch {
	case f >= 1e6:
		return strconv.AppendFloat(b, f, 'g', 3, 64)
	case f >= 9.95:
		return strconv.AppendFloat(b, f, 'f', 0, 64)
	case f >= 0.995:
		return trimZeros(strconv.AppendFloat(b, f, 'f', 1, 64))
	}
	return trimZeros(strconv.AppendFloat(b, f, 'f', 2, 64))
}

// trimZeros removes what says nothing behind the decimal point.
func trimZeros(b []byte) []byte {
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return b
}
