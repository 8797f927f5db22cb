package feed

import (
	"encoding/binary"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/wire"
)

const (
	// frameBytes is the size that a posts frame is cut at; the post that
	// crosses it still belongs to the frame.
	frameBytes = 64 << 10
	// maxControl is the largest payload of a control frame (RFC 6455, 5.5).
	maxControl = 125
	finalBit   = 0x80
)

// frame is one WebSocket frame as it goes over the line, header included. It
// is shared by sockets and never changes.
type frame struct {
	from, to uint64 // the numbers it covers; a snapshot covers none and stands at to
	gen      uint64 // of the ring
	bytes    []byte
	observed time.Time   // of its oldest reading, zero without posts
	sent     atomic.Bool // by the first socket that wrote it
}

// appendHeader appends the header of an unmasked, unfragmented frame with a
// payload of n bytes.
func appendHeader(b []byte, opcode byte, n int) []byte {
	b = append(b, finalBit|opcode)
	switch {
	case n <= maxControl:
		return append(b, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
}

// controlFrame is a ping, pong or close frame; what is over 125 bytes is cut.
func controlFrame(opcode byte, payload []byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	return append(appendHeader(make([]byte, 0, 2+len(payload)), opcode, len(payload)), payload...)
}

// closeFrame says why the server closes. Code 1005 stands for "no code".
func closeFrame(code int, reason string) []byte {
	if code == websocket.CloseNoStatusReceived {
		return controlFrame(websocket.CloseMessage, nil)
	}
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return controlFrame(websocket.CloseMessage, append(payload, clipReason(reason)...))
}

// clipReason cuts a reason to what a close frame holds, between two runes.
func clipReason(reason string) string {
	const room = maxControl - 2
	if len(reason) <= room {
		return reason
	}
	n := room
	for n > 0 && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

// textFrame is the frame of a server message that is not worth sharing.
func textFrame(f *wire.ServerFrame) []byte {
	body, err := wire.EncodeFrame(f)
	if err != nil {
		panic("feed: encode frame: " + err.Error()) // no field of ours can fail
	}
	return append(appendHeader(make([]byte, 0, len(body)+10), websocket.TextMessage, len(body)), body...)
}

// collector gathers the posts of one frame; making the frame empties it. Its
// buffer is used again, which does not touch the frames made.
type collector struct {
	posts    []byte
	observed time.Time
}

func (c *collector) reset() {
	c.posts = c.posts[:0]
	c.observed = time.Time{}
}

func (c *collector) empty() bool { return len(c.posts) == 0 }
func (c *collector) full() bool  { return len(c.posts) >= frameBytes }

func (c *collector) add(e *entry) {
	if len(c.posts) > 0 {
		c.posts = append(c.posts, ',')
	}
	c.posts = append(c.posts, e.body...)
	if c.observed.IsZero() || e.observed.Before(c.observed) {
		c.observed = e.observed
	}
}

// postsFrame makes the frame that covers from to to and forgets its posts.
func (c *collector) postsFrame(gen uint64, epoch []byte, from, to uint64) *frame {
	var room [96]byte
	head := append(room[:0], `{"type":"posts","epoch":`...)
	head = append(head, epoch...)
	head = strconv.AppendUint(append(head, `,"from":`...), from, 10)
	head = strconv.AppendUint(append(head, `,"to":`...), to, 10)
	f := c.frame(head)
	f.gen, f.from, f.to = gen, from, to
	return f
}

// snapshotFrame makes the frame that starts a client afresh at seq.
func (c *collector) snapshotFrame(gen uint64, epoch []byte, seq uint64) *frame {
	var room [96]byte
	head := append(room[:0], `{"type":"snapshot","epoch":`...)
	head = append(head, epoch...)
	head = strconv.AppendUint(append(head, `,"seq":`...), seq, 10)
	f := c.frame(head)
	f.gen, f.from, f.to = gen, seq+1, seq
	f.observed = time.Time{} // its age says nothing about our speed
	return f
}

func (c *collector) frame(head []byte) *frame {
	const open, shut = `,"posts":[`, `]}`
	n := len(head) + len(open) + len(c.posts) + len(shut)
	b := appendHeader(make([]byte, 0, n+10), websocket.TextMessage, n)
	b = append(b, head...)
	b = append(b, open...)
	b = append(b, c.posts...)
	b = append(b, shut...)
	f := &frame{bytes: b, observed: c.observed}
	c.reset()
	return f
}

// heartbeatFrame says that everything up to seq was sent.
func heartbeatFrame(seq uint64) []byte {
	var room [48]byte
	body := strconv.AppendUint(append(room[:0], `{"type":"heartbeat","seq":`...), seq, 10)
	body = append(body, '}')
	return append(appendHeader(make([]byte, 0, 2+len(body)), websocket.TextMessage, len(body)), body...)
}
