package bus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

const (
	// Requests of one line that may wait for their answers. More are refused: the
	// broker hangs.
	maxPending = 256
	// A request is small: where it cannot be sent, the broker reads nothing.
	sendTimeout = time.Second
)

// apiVersions are the versions in which we speak of groups: understood by
// brokers since 2.2. kafka-go has the fields of later answers to Heartbeat and
// LeaveGroup in the wrong order, and its clients don't see those errors.
var apiVersions = map[protocol.ApiKey]int16{
	protocol.FindCoordinator: 2, protocol.JoinGroup: 4, protocol.SyncGroup: 2,
	protocol.Heartbeat: 0, protocol.LeaveGroup: 0,
	protocol.OffsetFetch: 5, protocol.OffsetCommit: 6, protocol.Metadata: 6,
}

// line is one connection to a broker, which answers requests in their order. A
// caller that gives up leaves its request where it is, so that a later one on
// the same line can never overtake it.
type line struct {
	conn     net.Conn
	clientID string
	down     chan struct{} // closed when the line is broken and its reader gone

	mu      sync.Mutex // covers the rest, and the order of sending
	pending []pending
	sent    int32
	err     error // why it is broken
}

// pending is a request under way.
type pending struct {
	api    protocol.ApiKey
	id     int32
	answer chan answer // takes one without anybody waiting
}

type answer struct {
	msg protocol.Message
	err error
}

func newLine(c net.Conn, clientID string) *line {
	l := &line{conn: c, clientID: clientID, down: make(chan struct{})}
	go l.read()
	return l
}

// call sends req and waits for its answer or for ctx.
func (l *line) call(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	reply, err := l.send(req)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-reply:
		return a.msg, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *line) send(req protocol.Message) (<-chan answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	if len(l.pending) >= maxPending {
		return nil, fmt.Errorf("%d requests wait for their answers: %w", maxPending, kafka.RequestTimedOut)
	}
	l.sent++
	p := pending{api: req.ApiKey(), id: l.sent, answer: make(chan answer, 1)}
	_ = l.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err := protocol.WriteRequest(l.conn, apiVersions[p.api], p.id, l.clientID, req); err != nil {
		l.breakOff(err)
		return nil, err
	}
	l.pending = append(l.pending, p)
	return p.answer, nil
}

// read hands the answers out until the line breaks.
func (l *line) read() {
	defer close(l.down)
	from := bufio.NewReader(l.conn)
	for {
		err := l.readOne(from)
		if err != nil {
			l.mu.Lock()
			l.breakOff(err)
			l.mu.Unlock()
			return
		}
	}
}

func (l *line) readOne(from *bufio.Reader) error {
	// That nothing comes is no fault of the line: callers have their deadlines.
	_, err := from.Peek(1)
	for errors.Is(err, os.ErrDeadlineExceeded) {
		_, err = from.Peek(1)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	if len(l.pending) == 0 {
		l.mu.Unlock()
		return errors.New("the broker answers what was not asked")
	}
	p := l.pending[0]
	l.pending = l.pending[1:]
	l.mu.Unlock()
	id, msg, err := protocol.ReadResponse(from, p.api, apiVersions[p.api])
	if err == nil && id != p.id {
		err = fmt.Errorf("the broker answers request %d instead of %d", id, p.id)
	}
	p.answer <- answer{msg, err}
	return err
}

// breakOff needs mu.
func (l *line) breakOff(err error) {
	if l.err == nil {
		l.err = fmt.Errorf("connection to the group's coordinator: %w", err)
		l.conn.Close()
	}
	for _, p := range l.pending {
		p.answer <- answer{err: l.err}
	}
	l.pending = nil
}

func (l *line) close() {
	l.mu.Lock()
	l.breakOff(net.ErrClosed)
	l.mu.Unlock()
	<-l.down
}
