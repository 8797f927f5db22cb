package score

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"dev.redditpulse/shared/pulse"
)

// State is all that is remembered of a post between its readings. The zero
// value knows nothing. Moments are Unix milliseconds.
type State struct {
	seen            bool
	at              int64 // of the newest reading
	score, comments int64 // that it said
	points, talk    track

	trending bool
	doubtful bool // the last verdict contradicts trending; a second one changes it
	// Both are 0 while neither of the above is so.
	since  int64 // first of the readings that say it trends
	judged int64 // last reading that counted as a verdict
}

// track is one figure of a post since it was last seen to move.
type track struct {
	at    int64   // anchor: the reading that it moved with
	value int64   // then
	rate  float64 // a minute, then; 0 while unknown
	known bool
}

// ObservedAt is when the newest reading was made, zero if there is none.
func (s *State) ObservedAt() time.Time {
	if !s.seen {
		return time.Time{}
	}
	return time.UnixMilli(s.at).UTC()
}

// Seed is the state of a post of which only the stored row is known. What a
// small change was about to add up to is lost.
func Seed(p *pulse.Post) State {
	if p.ObservedAt.IsZero() {
		return State{}
	}
	s := firstSight(&p.Observation)
	s.points.seed(p.Velocity)
	s.talk.seed(p.CommentVelocity)
	if p.Trend != nil {
		s.trending, s.judged = true, s.at
		s.since = min(millis(p.Trend.Since), s.at)
	}
	return s
}

func (t *track) seed(rate *float64) {
	if rate != nil && finite(*rate) {
		t.rate, t.known = *rate, true
	}
}

// firstSight is the state after a reading that nothing is to be compared with.
func firstSight(o *pulse.Observation) State {
	at := millis(o.ObservedAt)
	return State{
		seen: true, at: at, score: o.Score, comments: o.NumComments,
		points: track{at: at, value: o.Score}, talk: track{at: at, value: o.NumComments},
	}
}

// millis is t in Unix milliseconds, within a bound whose differences cannot
// overflow.
func millis(t time.Time) int64 {
	const bound = 1 << 53 / 1000 // seconds, some 285,000 years
	if s := t.Unix(); s > bound || s < -bound {
		return max(min(s, bound), -bound) * 1000
	}
	return t.UnixMilli()
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// stateVersion is the only stored form there is. A state is a version, a byte
// of flags and variable-length numbers: times as the milliseconds before the
// newest reading, anchors as what the figures have grown by, then the known
// rates as 8 bytes each. It has 94 bytes at most, 40 usually.
const stateVersion = 1

const (
	flagSeen = 1 << iota
	flagPoints
	flagTalk
	flagTrending
	flagDoubtful
	flagEnd
)

// Append appends the state in its stored form to b.
func (s *State) Append(b []byte) []byte {
	b = append(b, stateVersion, s.flags())
	if !s.seen {
		return b
	}
	b = binary.AppendVarint(b, s.at)
	b = binary.AppendVarint(b, s.score)
	b = binary.AppendVarint(b, s.comments)
	b = s.points.append(b, s.at, s.score)
	b = s.talk.append(b, s.at, s.comments)
	if s.trending || s.doubtful {
		b = binary.AppendUvarint(b, uint64(s.at-s.judged))
		b = binary.AppendUvarint(b, uint64(s.at-s.since))
	}
	return b
}

func (s *State) flags() byte {
	var flags byte
	for _, f := range []struct {
		set bool
		bit byte
	}{
		{s.seen, flagSeen},
		{s.points.known, flagPoints},
		{s.talk.known, flagTalk},
		{s.trending, flagTrending},
		{s.doubtful, flagDoubtful},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	return flags
}

func (t *track) append(b []byte, at, value int64) []byte {
	b = binary.AppendUvarint(b, uint64(at-t.at))
	b = binary.AppendVarint(b, value-t.value) // wraps round, and back when it is read
	if t.known {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.rate))
	}
	return b
}

var errDamaged = errors.New("damaged")

// ParseState reads what Append wrote. After an error, of an unknown version or
// of damage, the post is best taken for unknown.
func ParseState(b []byte) (State, error) {
	if len(b) < 2 {
		return State{}, fmt.Errorf("parse state: %d bytes: %w", len(b), errDamaged)
	}
	if b[0] != stateVersion {
		return State{}, fmt.Errorf("parse state: version %d is unknown, want %d", b[0], stateVersion)
	}
	r := stateReader{rest: b[2:], ok: b[1] < flagEnd}
	s := r.state(b[1])
	if !r.ok || len(r.rest) > 0 {
		return State{}, fmt.Errorf("parse state: %w", errDamaged)
	}
	return s, nil
}

// stateReader gives numbers until one is not there.
type stateReader struct {
	rest []byte
	ok   bool
}

func (r *stateReader) state(flags byte) State {
	if flags&flagSeen == 0 {
		r.ok = r.ok && flags == 0
		return State{}
	}
	s := State{seen: true, trending: flags&flagTrending != 0, doubtful: flags&flagDoubtful != 0}
	s.at = r.varint()
	r.ok = r.ok && s.at == millis(time.UnixMilli(s.at))
	s.score, s.comments = r.varint(), r.varint()
	s.points = r.track(s.at, s.score, flags&flagPoints != 0)
	s.talk = r.track(s.at, s.comments, flags&flagTalk != 0)
	if s.trending || s.doubtful {
		s.judged, s.since = r.before(s.at), r.before(s.at)
	}
	return s
}

func (r *stateReader) track(at, value int64, known bool) track {
	t := track{at: r.before(at), known: known}
	t.value = value - r.varint()
	if !known || !r.ok {
		return t
	}
	if len(r.rest) < 8 {
		r.ok = false
		return t
	}
	t.rate = math.Float64frombits(binary.LittleEndian.Uint64(r.rest))
	r.rest = r.rest[8:]
	r.ok = finite(t.rate)
	return t
}

// before is a moment not later than at.
func (r *stateReader) before(at int64) int64 {
	n, size := binary.Uvarint(r.rest)
	r.take(size)
	if n > 1<<54 {
		r.ok = false
		return 0
	}
	return at - int64(n)
}

func (r *stateReader) varint() int64 {
	n, size := binary.Varint(r.rest)
	r.take(size)
	return n
}

func (r *stateReader) take(size int) {
	if size <= 0 || !r.ok {
		r.rest, r.ok = nil, false
		return
	}
	r.rest = r.rest[size:]
}
