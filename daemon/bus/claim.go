package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"dev.redditpulse/shared/wire"
)

// What a fetch may take beyond the wait that the broker was allowed.
const fetchSlack = 3 * time.Second

// Claim is one partition for as long as this process may read it. Fetch and
// Rewind belong to one goroutine; Commit and Lag may be called from any.
type Claim struct {
	bus       *Bus
	gen       generation
	topic     string
	partition int
	ctx       context.Context // of the handler; ends at revocation
	lag       prometheus.Gauge

	// Of the goroutine that fetches.
	next    int64 // offset to hand out next; negative: the log's start, not known yet
	pending kafka.RecordReader

	end atomic.Int64 // offset behind the last record, -1 while unknown

	mu        sync.Mutex // covers the rest, and every commit: a revocation waits for it
	revoked   bool
	committed int64 // next offset to read as the group knows it, or where reading began
}

func newClaim(b *Bus, gen generation, a assignment) *Claim {
	c := &Claim{
		bus: b, gen: gen, topic: a.topic, partition: a.partition,
		lag: b.metrics.lagOf(a.topic, a.partition), next: a.offset, committed: a.offset,
	}
	c.end.Store(-1)
	return c
}

// Topic is the claim's topic.
func (c *Claim) Topic() string { return c.topic }

// Partition is the claim's partition.
func (c *Claim) Partition() int { return c.partition }

// String is topic/partition.
func (c *Claim) String() string { return fmt.Sprintf("%s/%d", c.topic, c.partition) }

// Fetch gives the records that follow the last ones it gave, at most max. It
// waits up to FetchWait for the first, so that the answer may be empty.
// Trouble with the brokers is retried in here for as long as it lasts; the only
// errors are those of ctx and the end of the claim. The records' bytes are the
// caller's.
//
// A position that has left the log (the records were kept too short, or the
// topic was made anew) is moved to the log's start, loudly: reading some again
// is harmless, skipping any is not.
func (c *Claim) Fetch(ctx context.Context, max int) ([]wire.Record, error) {
	if max < 1 {
		return nil, fmt.Errorf("fetch %s: at most %d records asked for, want 1 or more", c, max)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	pause := backoff{min: 50 * time.Millisecond, max: 2 * time.Second}
	for {
		records, err := c.take(max)
		if len(records) == 0 && err == nil {
			records, err = c.request(ctx, max)
		}
		if len(records) > 0 {
			c.bus.metrics.fetched.WithLabelValues(c.topic).Add(float64(len(records)))
			return records, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			return nil, nil
		}
		c.bus.metrics.fetchErrs.Inc()
		c.bus.fetchTrouble.warn(c.bus.log, "a partition cannot be read: trying again",
			"topic", c.topic, "partition", c.partition, "offset", c.next, "err", err)
		if pause.wait(ctx) != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// request asks the leader once, and for the log's start before if that is
// where reading begins. No records and no error: there are none.
func (c *Claim) request(ctx context.Context, max int) ([]wire.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, c.bus.conf.FetchWait+fetchSlack)
	defer cancel()
	if c.next < 0 {
		if err := c.resolve(ctx); err != nil {
			return nil, err
		}
	}
	res, err := c.bus.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: c.topic, Partition: c.partition, Offset: c.next,
		MinBytes: 1, MaxBytes: int64(c.bus.conf.FetchBytes), MaxWait: c.bus.conf.FetchWait,
	})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return nil, c.reset(ctx)
	}
	if err != nil {
		return nil, err
	}
	c.sawEnd(res.HighWatermark)
	c.pending = res.Records
	records, err := c.take(max)
	if len(records) == 0 && err == nil && res.HighWatermark > c.next {
		err = fmt.Errorf("the leader gives no records although its log ends at %d", res.HighWatermark)
	}
	return records, err
}

// take hands out pending records. A compressed batch comes whole: what lies
// before the position is skipped.
func (c *Claim) take(max int) ([]wire.Record, error) {
	if c.pending == nil {
		return nil, nil
	}
	var records []wire.Record
	for len(records) < max {
		rec, err := c.pending.ReadRecord()
		if err != nil {
			c.pending = nil
			if errors.Is(err, io.EOF) {
				err = nil
			}
			// With records in hand the rest is asked for again.
			return records, err
		}
		if rec.Offset < c.next {
			discard(rec)
			continue
		}
		if records == nil {
			records = make([]wire.Record, 0, min(max, 512))
		}
		r, err := c.record(rec)
		if err != nil {
			c.pending = nil
			return records, err
		}
		records = append(records, r)
		c.next = rec.Offset + 1
	}
	return records, nil
}

func (c *Claim) record(rec *kafka.Record) (wire.Record, error) {
	defer discard(rec)
	r := wire.Record{Topic: c.topic, Partition: c.partition, Offset: rec.Offset, Time: rec.Time.UTC()}
	var keyLen, valueLen int
	if rec.Key != nil {
		keyLen = rec.Key.Len()
	}
	if rec.Value != nil {
		valueLen = rec.Value.Len()
	}
	both := make([]byte, keyLen+valueLen)
	if rec.Key != nil {
		r.Key = both[:keyLen:keyLen]
		if _, err := io.ReadFull(rec.Key, r.Key); err != nil {
			return r, fmt.Errorf("read key of offset %d: %w", rec.Offset, err)
		}
	}
	if rec.Value != nil {
		r.Value = both[keyLen:]
		if _, err := io.ReadFull(rec.Value, r.Value); err != nil {
			return r, fmt.Errorf("read value of offset %d: %w", rec.Offset, err)
		}
	}
	for _, h := range rec.Headers {
		r.Headers = append(r.Headers, wire.Header{Key: h.Key, Value: h.Value})
	}
	return r, nil
}

// discard gives the record's memory back to the library.
func discard(rec *kafka.Record) {
	if rec.Key != nil {
		rec.Key.Close()
	}
	if rec.Value != nil {
		rec.Value.Close()
	}
}

// resolve turns "the group has no offset" into the log's start.
func (c *Claim) resolve(ctx context.Context) error {
	first, last, err := c.bounds(ctx)
	if err != nil {
		return err
	}
	c.next = first
	c.setCommitted(first)
	c.sawEnd(last)
	return nil
}

// reset moves a position that is outside the log to its start. A broker that
// lags behind says the same of a sound position, so the log's bounds decide.
func (c *Claim) reset(ctx context.Context) error {
	first, last, err := c.bounds(ctx)
	if err != nil {
		return err
	}
	if c.next >= first && c.next <= last {
		return fmt.Errorf("the leader denies offset %d although the log has %d to %d: %w",
			c.next, first, last, kafka.OffsetNotAvailable)
	}
	c.bus.metrics.resets.WithLabelValues(c.topic).Inc()
	c.bus.log.Error("the position has left the log: reading on from the log's start",
		"topic", c.topic, "partition", c.partition, "position", c.next, "start", first, "end", last)
	c.next = first
	c.setCommitted(first) // a topic made anew starts below the old commits
	c.sawEnd(last)
	return nil
}

func (c *Claim) bounds(ctx context.Context) (first, last int64, err error) {
	res, err := c.bus.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{
			c.topic: {kafka.FirstOffsetOf(c.partition), kafka.LastOffsetOf(c.partition)},
		},
	})
	if err != nil {
		return 0, 0, err
	}
	for _, p := range res.Topics[c.topic] {
		if p.Partition == c.partition {
			if p.Error == nil && (p.FirstOffset < 0 || p.LastOffset < p.FirstOffset) {
				return 0, 0, fmt.Errorf("the log's bounds are %d to %d", p.FirstOffset, p.LastOffset)
			}
			return p.FirstOffset, p.LastOffset, p.Error
		}
	}
	return 0, 0, fmt.Errorf("no bounds of %s in the answer", c)
}

func (c *Claim) setCommitted(offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.committed = offset
}

// Rewind makes the next Fetch start behind the last commit again.
func (c *Claim) Rewind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next, c.pending = c.committed, nil
}

// Commit stores next, the offset to read next, for the group: everything
// before it is done with. It blocks for at most 2 s. The error is ErrRevoked
// when the partition is not this process's any more; any other error leaves
// the commit's outcome open and the next one may be tried as usual. An offset
// below the last commit is refused, and so is everything once ctx has ended: to
// commit what was finished while the process stops, give a context of its own.
func (c *Claim) Commit(ctx context.Context, next int64) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit %s: %w", c, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revoked {
		return fmt.Errorf("commit %s: %w", c, ErrRevoked)
	}
	if next < c.committed {
		c.bus.metrics.backwards.Inc()
		return fmt.Errorf("commit %s: offset %d lies before the last commit %d", c, next, c.committed)
	}
	if next == c.committed {
		return nil
	}
	if err := c.gen.commit(c.topic, c.partition, next); err != nil {
		c.bus.metrics.commitErrs.Inc()
		if lostMembership(err) {
			c.revoked = true
			return fmt.Errorf("commit %s: %w: %w", c, ErrRevoked, err)
		}
		return fmt.Errorf("commit %s: %w", c, err)
	}
	c.bus.metrics.commits.Inc()
	c.committed = next
	c.showLag()
	return nil
}

// lostMembership tells whether the coordinator no longer takes this member's
// word: the generation ends at its next heartbeat.
func lostMembership(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.RebalanceInProgress) || errors.Is(err, kafka.FencedInstanceID)
}

// revoke refuses all further commits. It waits for one under way.
func (c *Claim) revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked = true
}

// Lag is how many records lay behind the last commit when the partition's end
// was last seen; 0 while that is not known.
func (c *Claim) Lag() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behind()
}

func (c *Claim) behind() int64 {
	end := c.end.Load()
	if end < 0 || c.committed < 0 {
		return 0
	}
	return max(0, end-c.committed)
}

func (c *Claim) sawEnd(end int64) {
	c.end.Store(end)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.showLag()
}

// showLag needs mu. A revoked claim's series is gone and must not come back.
func (c *Claim) showLag() {
	if !c.revoked {
		c.lag.Set(float64(c.behind()))
	}
}
