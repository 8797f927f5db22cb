package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	// The largest record the topics take, and the slack that the dead letters'
	// topic has above it for the headers that say what went wrong.
	maxMessageBytes = 1 << 20
	deadSlack       = 64 << 10
	// What a batch's own header and the varints of its records may add.
	batchOverhead = 4 << 10
	maxBatchBytes = maxMessageBytes - batchOverhead
	maxDeadBytes  = maxMessageBytes + deadSlack - batchOverhead

	batchRecords = 500
	batchLinger  = 5 * time.Millisecond
	// Tries inside kafka-go, which keep the order of a partition; further ones
	// are Produce's and may let later records of a partition overtake.
	writerAttempts = 3
)

func (b *Bus) newWriter(maxBytes int64) *kafka.Writer {
	return &kafka.Writer{
		Addr:            bootstrap,
		Transport:       b.transport,
		Balancer:        kafka.Murmur2Balancer{Consistent: true},
		RequiredAcks:    kafka.RequireAll,
		Compression:     kafka.Zstd,
		BatchSize:       batchRecords,
		BatchBytes:      maxBytes,
		BatchTimeout:    batchLinger,
		WriteTimeout:    b.conf.WriteTimeout,
		ReadTimeout:     b.conf.WriteTimeout,
		MaxAttempts:     writerAttempts,
		WriteBackoffMin: 100 * time.Millisecond,
		WriteBackoffMax: time.Second,
	}
}

// Produce writes records, each to the partition of its key, and returns nil
// when all in-sync replicas have every one of them. What fails is sent again,
// and only that, until ctx ends. Records without the header pulse-produced-at
// get it. It blocks while 32 MiB are waiting for acknowledgements.
//
// A record that can never be written (too large, no key, a topic that is none
// of ours) gives a *pulse.Error of code Invalid: nothing was written when the
// record itself shows it, else the other records' outcome is unknown. When ctx
// ends the outcome of the unacknowledged records is unknown, too: they may
// still be written, and their bytes must not be changed.
func (b *Bus) Produce(ctx context.Context, records []wire.Record) error {
	if len(records) == 0 {
		return nil
	}
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	defer done()
	live, dead, err := messages(records, time.Now())
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := b.produceAll(ctx, b.writer, live); err != nil {
		return err
	}
	return b.produceAll(ctx, b.dead, dead)
}

// messages gives the library's form of the records: the dead letters apart,
// because they may be larger.
func messages(records []wire.Record, now time.Time) (live, dead []kafka.Message, err error) {
	stamp := []byte(now.UTC().Format(time.RFC3339Nano))
	for i := range records {
		r := &records[i]
		msg := kafka.Message{Topic: r.Topic, Key: r.Key, Value: r.Value}
		msg.Headers = make([]kafka.Header, 0, len(r.Headers)+1)
		for _, h := range r.Headers {
			msg.Headers = append(msg.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		if r.Header(wire.HeaderProducedAt) == nil {
			msg.Headers = append(msg.Headers, kafka.Header{Key: wire.HeaderProducedAt, Value: stamp})
		}
		if err := checkMessage(&msg); err != nil {
			return nil, nil, fmt.Errorf("record %d of %d: %w", i+1, len(records), err)
		}
		if msg.Topic == wire.TopicDead {
			dead = append(dead, msg)
		} else {
			live = append(live, msg)
		}
	}
	return live, dead, nil
}

func checkMessage(m *kafka.Message) error {
	if !slices.Contains(topics, m.Topic) {
		return pulse.InvalidField("topic", "%q is none of %v", m.Topic, topics)
	}
	// A dead letter is what it was, without a key too.
	if len(m.Key) == 0 && m.Topic != wire.TopicDead {
		return pulse.InvalidField("key", "missing: a record without one has no order")
	}
	most := maxBatchBytes
	if m.Topic == wire.TopicDead {
		most = maxDeadBytes
	}
	if size := sizeOf(m); size > most {
		return pulse.InvalidField("value", "record of %d bytes with key and headers, want at most %d", size, most)
	}
	return nil
}

// sizeOf is never below what kafka-go counts.
func sizeOf(m *kafka.Message) int {
	const perRecord, perHeader = 40, 10
	size := perRecord + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		size += perHeader + len(h.Key) + len(h.Value)
	}
	return size
}

// produceAll writes msgs in slices that leave room for other callers.
func (b *Bus) produceAll(ctx context.Context, w *kafka.Writer, msgs []kafka.Message) error {
	for start := 0; start < len(msgs); {
		end, size := start, 0
		for end < len(msgs) && (end == start || size+sizeOf(&msgs[end]) <= maxInflight/4) {
			size += sizeOf(&msgs[end])
			end++
		}
		if err := b.produceUntil(ctx, w, msgs[start:end]); err != nil {
			b.metrics.failures.Add(float64(len(msgs) - start))
			return err
		}
		start = end
	}
	return nil
}

// produceUntil sends msgs until each is acknowledged, one fails for good or
// ctx ends.
func (b *Bus) produceUntil(ctx context.Context, w *kafka.Writer, msgs []kafka.Message) error {
	pause := backoff{min: 100 * time.Millisecond, max: 2 * time.Second}
	total := len(msgs)
	for {
		err := b.write(ctx, w, msgs)
		failed := failures(msgs, err)
		b.countProduced(msgs, failed)
		if len(failed) == 0 {
			return nil
		}
		if fault := firstPermanent(err); fault != nil {
			return fmt.Errorf("produce to %s: %w", failed[0].Topic,
				&pulse.Error{Code: pulse.Invalid, Message: "the broker refuses the record", Err: fault})
		}
		if ctx.Err() != nil || pause.wait(ctx) != nil {
			return fmt.Errorf("produce to %s: outcome of %d of %d records is unknown: %w",
				failed[0].Topic, len(failed), total, endOf(ctx, summary(err)))
		}
		b.produceTrouble.warn(b.log, "records are sent again", "records", len(failed), "of", total, "err", summary(err))
		b.metrics.retries.Add(float64(len(failed)))
		msgs = failed
	}
}

// write hands msgs to the library and waits for the outcome or for ctx. The
// library cannot be told to give up, so their bytes stay counted until it has.
func (b *Bus) write(ctx context.Context, w *kafka.Writer, msgs []kafka.Message) error {
	size := 0
	for i := range msgs {
		size += sizeOf(&msgs[i])
	}
	weight := int64(min(size, maxInflight))
	if err := b.inflight.Acquire(ctx, weight); err != nil {
		return err
	}
	b.metrics.inflight.Add(float64(weight))
	b.calls.Add(1) // of a call under way, so Close is not waiting yet
	result := make(chan error, 1)
	go func() {
		defer b.calls.Done()
		err := w.WriteMessages(context.Background(), msgs...)
		b.metrics.inflight.Sub(float64(weight))
		b.inflight.Release(weight)
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failures are the messages that err says were not acknowledged.
func failures(msgs []kafka.Message, err error) []kafka.Message {
	var each kafka.WriteErrors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &each) && len(each) == len(msgs):
		var failed []kafka.Message
		for i := range msgs {
			if each[i] != nil {
				failed = append(failed, msgs[i])
			}
		}
		return failed
	}
	return msgs
}

func (b *Bus) countProduced(msgs, failed []kafka.Message) {
	if len(msgs) == len(failed) {
		return
	}
	count := make(map[string]int, len(topics))
	for i := range msgs {
		count[msgs[i].Topic]++
	}
	for i := range failed {
		count[failed[i].Topic]--
	}
	for topic, n := range count {
		b.metrics.produced.WithLabelValues(topic).Add(float64(n))
	}
}

func firstPermanent(err error) error {
	var each kafka.WriteErrors
	if !errors.As(err, &each) {
		each = kafka.WriteErrors{err}
	}
	for _, e := range each {
		if e != nil && permanent(e) {
			return e
		}
	}
	return nil
}

// summary is the first of many errors: hundreds of records fail alike.
func summary(err error) error {
	var each kafka.WriteErrors
	if errors.As(err, &each) {
		for _, e := range each {
			if e != nil {
				return e
			}
		}
	}
	return err
}
