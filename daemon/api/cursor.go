package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	cursorVersion = 1
	cursorHead    = 1 + 1 + 1 + 8 + 8 // version, order, direction, filter, key
	cursorMAC     = 16
)

// cursorOrders gives each order its byte: append, never reorder.
var cursorOrders = []pulse.Order{pulse.ByObserved, pulse.ByCreated, pulse.ByScore, pulse.ByVelocity}

var (
	errCursor  = pulse.InvalidField("cursor", "not a cursor of this server; take next or previous of a page as it is")
	errForeign = pulse.InvalidField("cursor", "belongs to another filter or order; leave it out to start again")
)

// cursors writes and reads places in a list of posts. They are signed, so that
// a place can only be one that was given out, and bound to order and filter, so
// that no page is quietly one of another list.
type cursors struct{ key []byte }

// encode gives the cursor that continues q at a place, towards the top if
// before is set.
func (c cursors) encode(q *pulse.PostQuery, place pulse.PostPlace, before bool) string {
	b := make([]byte, 0, cursorHead+len(place.ID)+cursorMAC)
	b = append(b, cursorVersion, byte(slices.Index(cursorOrders, q.Order)), 0)
	if before {
		b[2] = 1
	}
	b = append(b, filterHash(&q.Filter)...)
	b = binary.BigEndian.AppendUint64(b, placeKey(q.Order, place))
	b = append(b, place.ID...)
	return base64.RawURLEncoding.EncodeToString(append(b, c.mac(postCursors, b)...))
}

// decode sets q's place and direction from a cursor. Errors are Invalid and
// name the cursor.
func (c cursors) decode(cursor string, q *pulse.PostQuery) error {
	b, err := c.open(postCursors, cursor, cursorHead)
	if err != nil || int(b[1]) >= len(cursorOrders) || b[2] > 1 {
		return errCursor
	}
	if cursorOrders[b[1]] != q.Order || !hmac.Equal(b[3:11], filterHash(&q.Filter)) {
		return errForeign
	}
	place := pulse.PostPlace{ID: string(b[cursorHead:])}
	if !wire.ValidPostID(place.ID) {
		return errCursor
	}
	setPlaceKey(&place, q.Order, binary.BigEndian.Uint64(b[11:cursorHead]))
	q.After, q.Before = &place, b[2] == 1
	return nil
}

// What a cursor is a place in: one list's serve no other.
const (
	postCursors = "pulse post cursor\x00"
	deadCursors = "pulse dead letter cursor\x00"
)

// open gives what was signed in a cursor of a list: at least head bytes, the
// first of them the version.
func (c cursors) open(list, cursor string, head int) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(b) < head+cursorMAC {
		return nil, errCursor
	}
	b, mac := b[:len(b)-cursorMAC], b[len(b)-cursorMAC:]
	if !hmac.Equal(mac, c.mac(list, b)) || b[0] != cursorVersion {
		return nil, errCursor
	}
	return b, nil
}

func (c cursors) mac(list string, b []byte) []byte {
	m := hmac.New(sha256.New, c.key)
	m.Write([]byte(list))
	m.Write(b)
	return m.Sum(nil)[:cursorMAC]
}

// filterHash is the same for filters that choose the same posts by the same
// words: canonical has put the subreddits in order.
func filterHash(f *pulse.PostFilter) []byte {
	text, err := json.Marshal(f)
	if err != nil { // numbers are finite and times within four digits of a year: checked on the way in
		panic("api: hash filter: " + err.Error())
	}
	return hashOf(text)
}

func hashOf(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:8]
}

func placeKey(o pulse.Order, p pulse.PostPlace) uint64 {
	if o == pulse.ByScore || o == pulse.ByVelocity {
		return math.Float64bits(p.Number)
	}
	return uint64(p.Time.UnixMicro()) // as exact as the database
}

func setPlaceKey(p *pulse.PostPlace, o pulse.Order, key uint64) {
	if o == pulse.ByScore || o == pulse.ByVelocity {
		p.Number = math.Float64frombits(key)
		return
	}
	p.Time = time.UnixMicro(int64(key)).UTC()
}
