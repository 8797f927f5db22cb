package feed

import (
	"bufio"
	"encoding/binary"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// hijacker hands gorilla a connection that we can listen in on. It finds the
// real Hijacker also behind middleware that only unwraps.
type hijacker struct {
	http.ResponseWriter
	tap *tap
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.tap = &tap{Conn: conn}
	return h.tap, rw, nil
}

// tap is a connection on which gorilla may read, but not write: our writer
// owns the sending side. While the socket is nil the handshake is under way
// and everything passes. Afterwards gorilla writes close frames only, on a
// broken rule of the protocol, and they become a wish of the socket.
type tap struct {
	net.Conn
	socket *socket
}

func (t *tap) Write(b []byte) (int, error) {
	if t.socket == nil {
		return t.Conn.Write(b)
	}
	if len(b) >= 4 && b[0] == finalBit|websocket.CloseMessage {
		t.socket.close(int(binary.BigEndian.Uint16(b[2:])), string(b[4:]))
	}
	return len(b), nil
}

// SetWriteDeadline must not reach the writer's side.
func (t *tap) SetWriteDeadline(at time.Time) error {
	if t.socket == nil {
		return t.Conn.SetWriteDeadline(at)
	}
	return nil
}
