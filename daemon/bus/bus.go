// Package bus is Kafka: it produces records so that an acknowledged one is
// never lost, reads them as a member of a consumer group so that no other
// member reads the same partition, and keeps the topics. It decides nothing
// about what a record means.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/semaphore"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// Errors that a caller can recognise.
var (
	// ErrRevoked says that the partition now belongs, or soon will, to another
	// member of the group: what was not committed is read again by its owner.
	ErrRevoked = errors.New("the partition is revoked")
	// ErrClosed says that the bus was closed before or during the call.
	ErrClosed = errors.New("the bus is closed")
)

const (
	// The transport picks its next metadata request at random below this, and
	// it is that request's deadline as well: not below a second.
	metadataTTL = 1500 * time.Millisecond
	// What one short request (metadata, offsets, commits of progress) may take.
	requestTimeout = 5 * time.Second
	// How long Close waits for writes under way before it cuts the connections.
	closeGrace = 2 * time.Second
	// Records waiting for an acknowledgement, in bytes of key, value and
	// headers. Produce waits when it is reached; pulse_bus_inflight_bytes shows it.
	maxInflight = 32 << 20
)

// Config is how the brokers are reached. A zero duration or size takes the
// default that its comment names.
type Config struct {
	Brokers  []string // host or host:port (9092) of at least one broker
	ClientID string   // what the brokers log; "" is "pulse"
	Group    string   // consumer group; only Consume needs it

	SessionTimeout   time.Duration // silence after which a member counts as dead; 3 s, 6 s where brokers refuse less
	RebalanceTimeout time.Duration // time the members have to join again; 10 s
	Heartbeat        time.Duration // 500 ms
	WriteTimeout     time.Duration // one try of a produce request: the gap a hung leader makes; 7 s
	FetchWait        time.Duration // how long a broker may wait for records to come; 250 ms
	FetchBytes       int           // largest answer of one fetch, compressed; 256 KiB
}

func (c *Config) setDefaults() {
	if c.ClientID == "" {
		c.ClientID = "pulse"
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&c.SessionTimeout, 3 * time.Second}, {&c.RebalanceTimeout, 10 * time.Second},
		{&c.Heartbeat, 500 * time.Millisecond}, {&c.WriteTimeout, 7 * time.Second},
		{&c.FetchWait, 250 * time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if c.FetchBytes == 0 {
		c.FetchBytes = 256 << 10
	}
}

func (c *Config) check() error {
	if len(c.Brokers) == 0 {
		return pulse.InvalidField("kafka.brokers", "empty, want host:port of at least one broker")
	}
	for _, b := range c.Brokers {
		if b == "" {
			return pulse.InvalidField("kafka.brokers", "has an empty address, want host:port")
		}
	}
	for key, d := range map[string]time.Duration{
		"session_timeout": c.SessionTimeout, "rebalance_timeout": c.RebalanceTimeout,
		"heartbeat": c.Heartbeat, "write_timeout": c.WriteTimeout, "fetch_wait": c.FetchWait,
	} {
		if d < 0 {
			return pulse.InvalidField("kafka."+key, "%s is negative", d)
		}
	}
	if c.FetchBytes < 0 {
		return pulse.InvalidField("kafka.fetch_bytes", "%d is negative", c.FetchBytes)
	}
	return nil
}

// Bus is the connection of one process to the brokers. Its methods are safe
// for use by several goroutines.
type Bus struct {
	conf    Config
	log     *slog.Logger
	metrics *metrics

	rotation  *rotation
	dial      *dialer
	transport *kafka.Transport
	client    *kafka.Client
	writer    *kafka.Writer // of all topics but the dead letters'
	dead      *kafka.Writer // of the dead letters, which may be larger
	inflight  *semaphore.Weighted

	ctx  context.Context // ends when Close begins
	stop context.CancelFunc
	halt context.CancelFunc // ends the transport's own goroutines

	watching sync.Once // starts vigil at the first call
	vigils   sync.WaitGroup

	produceTrouble, joinTrouble, fetchTrouble occasional

	mu     sync.Mutex // covers closed, and calls against a Wait that has begun
	closed bool
	calls  sync.WaitGroup
}

// Open checks c and makes a Bus. It does no I/O: the brokers are first dialled
// when they are needed.
func Open(c Config, log *slog.Logger, reg prometheus.Registerer) (*Bus, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("open bus: %w", err)
	}
	c.setDefaults()
	b := &Bus{
		conf: c, log: log, metrics: newMetrics(reg),
		rotation: newRotation(c.Brokers), inflight: semaphore.NewWeighted(maxInflight),
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	var background context.Context
	background, b.halt = context.WithCancel(context.Background())
	b.dial = newDialer(b.rotation, c.ClientID)
	b.transport = b.newTransport(background, b.dial, wire.TopicRaw, wire.TopicRefresh, wire.TopicDead)
	b.client = &kafka.Client{Addr: bootstrap, Transport: b.transport}
	b.writer = b.newWriter(maxBatchBytes)
	b.dead = b.newWriter(maxDeadBytes)
	return b, nil
}

func (b *Bus) newTransport(ctx context.Context, d *dialer, topics ...string) *kafka.Transport {
	return &kafka.Transport{
		Dial:           d.dial,
		DialTimeout:    max(5*time.Second, time.Duration(len(b.conf.Brokers)+1)*brokerDialTimeout),
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
		ClientID:       b.conf.ClientID,
		Context:        ctx,
	}
}

// Ping tells whether any broker answers. Its deadline is ctx's, at most 5 s.
func (b *Bus) Ping(ctx context.Context) error {
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = b.retry(ctx, requestTimeout, func(ctx context.Context) error {
		res, err := b.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
		if err != nil {
			return err
		}
		return res.Error
	})
	if err != nil {
		return fmt.Errorf("ping kafka: %w", err)
	}
	return nil
}

// Close ends every call under way, waits a moment for records being written,
// and closes all connections. It is safe to call twice.
func (b *Bus) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if !first {
		return nil
	}
	b.stop()
	drained := make(chan struct{})
	go func() {
		b.calls.Wait()
		_ = b.writer.Close() // never fails
		_ = b.dead.Close()
		close(drained)
	}()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-drained:
	case <-grace.C:
		b.log.Warn("records were still being written when the bus closed")
		b.dial.shut()
		<-drained
	}
	b.vigils.Wait()
	b.halt()
	b.transport.CloseIdleConnections()
	b.dial.shut()
	return nil
}

// begin enters a call: its context ends with ctx or with the bus. The caller
// must call done.
func (b *Bus) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, ErrClosed
	}
	b.calls.Add(1)
	b.watching.Do(func() { b.vigils.Go(b.vigil) })
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		b.calls.Done()
	}, nil
}

// retry repeats op, which gets a deadline of its own, until it succeeds, fails
// for good, ctx ends or the budget is spent. Each idle pooled connection gives
// one error after a broker's restart, so the first tries follow quickly.
func (b *Bus) retry(ctx context.Context, budget time.Duration, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, budget,
		fmt.Errorf("no answer within %s: %w", budget, context.DeadlineExceeded))
	defer cancel()
	pause := backoff{min: 50 * time.Millisecond, max: time.Second}
	for {
		try, stop := context.WithTimeout(ctx, requestTimeout)
		err := op(try)
		stop()
		if err == nil || permanent(err) {
			return err
		}
		if pause.wait(ctx) != nil {
			return endOf(ctx, err)
		}
	}
}

// endOf joins the reason why ctx ended with the last error before it.
func endOf(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	if last == nil || errors.Is(last, cause) || errors.Is(last, context.Canceled) {
		return cause
	}
	return fmt.Errorf("%w; last error: %w", cause, last)
}

// permanent tells whether repeating a request with this error is pointless.
func permanent(err error) bool {
	if pulse.CodeOf(err) == pulse.Invalid {
		return true
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidTopic,
		kafka.InvalidTimestamp, kafka.InvalidRequiredAcks, kafka.UnsupportedVersion,
		kafka.UnsupportedForMessageFormat, kafka.PolicyViolation, kafka.InvalidConfiguration,
		kafka.InvalidPartitionNumber, kafka.InvalidRequest, kafka.OffsetMetadataTooLarge,
		kafka.InvalidGroupId, kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed,
		kafka.ClusterAuthorizationFailed, kafka.TopicAlreadyExists:
		return true
	}
	return false
}

// bootstrap stands for "whichever broker answers"; the dialer turns it into an
// address. No such host is ever looked up.
var bootstrap net.Addr = kafka.TCP(bootstrapAddress)
