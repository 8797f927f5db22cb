package bus

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
)

// How often a caller that waits long looks whether the coordinator is still the
// same.
const movedInterval = 2 * time.Second

var errNoCoordinator = errors.New("the group's coordinator is not reachable")

// coordinator is the way to the broker that keeps the group. There are two
// lines: a broker answers a line's requests one after the other, so that a slow
// commit on a line of their own would hold up the heartbeats.
type coordinator struct {
	dial     *dialer
	clientID string
	group    string
	lost     func() // counts

	mu      sync.Mutex // covers the rest
	address string     // of control
	control *line      // joins, heartbeats
	data    *line      // commits, offsets, leaving
	waiting time.Time  // since when control owes an answer; zero: it doesn't
}

// connect makes sure that there is a control line.
func (c *coordinator) connect(ctx context.Context) error {
	if c.up() {
		return nil
	}
	c.drop()
	c.mu.Lock()
	c.wait()
	c.mu.Unlock()
	address, err := c.find(ctx)
	if err != nil {
		return err
	}
	conn, err := c.dial.dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.address, c.control = address, newLine(conn, c.clientID)
	return nil
}

func (c *coordinator) up() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.control != nil && !isDown(c.control)
}

func isDown(l *line) bool {
	select {
	case <-l.down:
		return true
	default:
		return false
	}
}

// down is closed when the control line breaks; nil where there is none.
func (c *coordinator) down() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control == nil {
		return nil
	}
	return c.control.down
}

// drop closes both lines: the next connect looks for the coordinator anew.
func (c *coordinator) drop() {
	c.mu.Lock()
	control, data := c.control, c.data
	c.control, c.data, c.address = nil, nil, ""
	c.mu.Unlock()
	if control != nil {
		c.lost()
		control.close()
	}
	if data != nil {
		data.close()
	}
}

// find asks any broker that answers for the coordinator's address.
func (c *coordinator) find(ctx context.Context) (string, error) {
	conn, err := c.dial.dial(ctx, "tcp", bootstrapAddress)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(brokerDialTimeout))
	version := apiVersions[protocol.FindCoordinator]
	if err := protocol.WriteRequest(conn, version, 1, c.clientID, &findcoordinator.Request{Key: c.group}); err != nil {
		return "", err
	}
	_, msg, err := protocol.ReadResponse(conn, protocol.FindCoordinator, version)
	if err != nil {
		return "", err
	}
	res := msg.(*findcoordinator.Response)
	if err := codeOf(res.ErrorCode); err != nil {
		return "", err
	}
	return net.JoinHostPort(res.Host, strconv.Itoa(int(res.Port))), nil
}

// moved tells whether the other brokers name another coordinator.
func (c *coordinator) moved(ctx context.Context) bool {
	address, err := c.find(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	return err == nil && address != c.address
}

// call puts a request of membership to the coordinator.
func (c *coordinator) call(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	c.mu.Lock()
	l := c.control
	c.wait()
	c.mu.Unlock()
	if l == nil {
		return nil, errNoCoordinator
	}
	msg, err := l.call(ctx, req)
	if err == nil {
		c.mu.Lock()
		c.waiting = time.Time{}
		c.mu.Unlock()
	}
	return msg, err
}

// callLong is call for what the coordinator answers when the other members have
// done their part. It gives up when another broker has taken over.
func (c *coordinator) callLong(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(movedInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if c.moved(ctx) {
				cancel(kafka.NotCoordinatorForGroup)
			}
		}
	}()
	msg, err := c.call(ctx, req)
	cancel(nil)
	<-watched
	return msg, err
}

// silence is how long the coordinator has owed an answer. It is none after this
// process itself stood still.
func (c *coordinator) silence() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting.IsZero() {
		return 0
	}
	return time.Since(c.waiting)
}

// wait notes that the coordinator is asked. It needs mu.
func (c *coordinator) wait() {
	if c.waiting.IsZero() {
		c.waiting = time.Now()
	}
}

// dataCall puts a request about offsets to the coordinator.
func (c *coordinator) dataCall(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	l, err := c.dataLine(ctx)
	if err != nil {
		return nil, err
	}
	return l.call(ctx, req)
}

func (c *coordinator) dataLine(ctx context.Context) (*line, error) {
	c.mu.Lock()
	address, there := c.address, c.data
	reachable := c.control != nil && !isDown(c.control)
	c.mu.Unlock()
	switch {
	case !reachable:
		return nil, errNoCoordinator
	case there != nil && !isDown(there):
		return there, nil
	}
	conn, err := c.dial.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.address != address || c.data != there { // moved, or another caller was quicker
		conn.Close()
		if c.data != nil && !isDown(c.data) {
			return c.data, nil
		}
		return nil, errNoCoordinator
	}
	c.data = newLine(conn, c.clientID)
	return c.data, nil
}

// codeOf is nil for 0.
func codeOf(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
