package bus

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// What kafka-go is told to dial where any broker will do.
	bootstrapAddress = "any-broker.invalid:9092"
	// Connecting to one broker and hearing it answer.
	brokerDialTimeout = time.Second
	// A read or write without a deadline of its own gets this one.
	defaultIOTimeout = 10 * time.Second
)

// rotation is which bootstrap broker is used: the same one until it fails,
// because changing it at every dial makes group members join again and again.
type rotation struct {
	brokers []string
	mu      sync.Mutex // covers at
	at      int
}

func newRotation(brokers []string) *rotation {
	r := &rotation{}
	for _, b := range brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			b = net.JoinHostPort(b, "9092")
		}
		r.brokers = append(r.brokers, b)
	}
	return r
}

func (r *rotation) current() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *rotation) stickTo(broker int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = broker
}

// leave moves on to the next broker, unless that happened already.
func (r *rotation) leave(broker int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == broker {
		r.at = (broker + 1) % len(r.brokers)
	}
}

// dialer opens connections and knows all that are open, so that they can be
// cut at once. kafka-go waits for some answers without a deadline; a connection
// of this dialer never does.
type dialer struct {
	rotation *rotation
	clientID string
	ctx      context.Context // ends with shut
	cancel   context.CancelFunc

	mu   sync.Mutex // covers open
	open map[*conn]struct{}
}

func newDialer(r *rotation, clientID string) *dialer {
	d := &dialer{rotation: r, clientID: clientID, open: make(map[*conn]struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// dial opens a connection to address, or to any broker that answers.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	if address == bootstrapAddress {
		return d.dialAny(ctx, network)
	}
	// A named broker is one that the cluster told us of, perhaps far away.
	c, err := d.dialOne(ctx, network, address, 3*brokerDialTimeout)
	if err != nil {
		return nil, err
	}
	return d.track(c, address, -1)
}

func (d *dialer) dialAny(ctx context.Context, network string) (net.Conn, error) {
	var faults []error
	first := d.rotation.current()
	for i := range d.rotation.brokers {
		broker := (first + i) % len(d.rotation.brokers)
		c, err := d.dialAndProbe(ctx, network, d.rotation.brokers[broker])
		if err == nil {
			d.rotation.stickTo(broker)
			return d.track(c, bootstrapAddress, broker)
		}
		faults = append(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(faults...)
}

func (d *dialer) dialOne(ctx context.Context, network, address string, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var nd net.Dialer
	c, err := nd.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial kafka broker: %w", err)
	}
	return c, nil
}

// dialAndProbe also waits for the broker to answer: one that is stopped or
// hanging still accepts connections.
func (d *dialer) dialAndProbe(ctx context.Context, network, address string) (net.Conn, error) {
	deadline := time.Now().Add(brokerDialTimeout)
	c, err := d.dialOne(ctx, network, address, brokerDialTimeout)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	_ = c.SetDeadline(deadline)
	err = d.probe(c)
	if !stop() || err != nil {
		c.Close()
		return nil, fmt.Errorf("probe kafka broker %s: %w", address, cmp.Or(err, ctx.Err()))
	}
	_ = c.SetDeadline(time.Time{})
	return c, nil
}

// probe sends ApiVersions v0, the one request that every broker answers to
// everybody, and reads its answer away.
func (d *dialer) probe(c net.Conn) error {
	const apiVersions, correlation = 18, 0x70756c73
	req := make([]byte, 4, 64)
	req = binary.BigEndian.AppendUint16(req, apiVersions)
	req = binary.BigEndian.AppendUint16(req, 0)
	req = binary.BigEndian.AppendUint32(req, correlation)
	req = binary.BigEndian.AppendUint16(req, uint16(len(d.clientID)))
	req = append(req, d.clientID...)
	binary.BigEndian.PutUint32(req, uint32(len(req)-4))
	if _, err := c.Write(req); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head[:4])) - 4
	if size < 0 || size > 64<<10 || binary.BigEndian.Uint32(head[4:]) != correlation {
		return errors.New("does not speak the Kafka protocol")
	}
	_, err := io.CopyN(io.Discard, c, size)
	return err
}

func (d *dialer) track(c net.Conn, address string, broker int) (net.Conn, error) {
	tracked := &conn{Conn: c, d: d, address: address, broker: broker}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		c.Close()
		return nil, net.ErrClosed
	}
	d.open[tracked] = struct{}{}
	return tracked, nil
}

// cutExcept cuts the connections to named brokers that are not among addresses.
func (d *dialer) cutExcept(addresses map[string]bool) (cut int) {
	d.mu.Lock()
	var gone []*conn
	for c := range d.open {
		if c.broker < 0 && !addresses[c.address] {
			gone = append(gone, c)
		}
	}
	d.mu.Unlock()
	for _, c := range gone {
		c.cut.Store(true)
		c.Close()
	}
	return len(gone)
}

// shut cuts all connections and refuses new ones.
func (d *dialer) shut() {
	d.cancel()
	d.mu.Lock()
	open := make([]*conn, 0, len(d.open))
	for c := range d.open {
		open = append(open, c)
	}
	d.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

// conn gives every read and write a deadline, and makes the rotation leave a
// bootstrap broker that stops answering.
type conn struct {
	net.Conn
	d               *dialer
	address         string      // as it was dialled
	broker          int         // place in the rotation, -1 for a named broker
	cut             atomic.Bool // by cutExcept
	readBy, writeBy atomic.Bool // kafka-go has set a deadline itself
}

func (c *conn) Read(p []byte) (int, error) {
	if !c.readBy.Load() {
		_ = c.Conn.SetReadDeadline(time.Now().Add(defaultIOTimeout))
	}
	n, err := c.Conn.Read(p)
	if err != nil && c.cut.Load() {
		return n, syscall.ECONNRESET // as if the broker had died, which kafka-go retries
	}
	if err != nil && c.broker >= 0 && !errors.Is(err, net.ErrClosed) {
		c.d.rotation.leave(c.broker)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	if !c.writeBy.Load() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(defaultIOTimeout))
	}
	return c.Conn.Write(p)
}

func (c *conn) SetDeadline(t time.Time) error {
	c.readBy.Store(!t.IsZero())
	c.writeBy.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBy.Store(!t.IsZero())
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writeBy.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) Close() error {
	c.d.mu.Lock()
	delete(c.d.open, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
