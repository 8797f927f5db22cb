package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"dev.redditpulse/shared/pulse"
)

const (
	// How often the end of each held partition is asked for, so that the lag of
	// one that is paused is known, and the leader looks for new partitions.
	watchInterval = 2 * time.Second
	// How long a handler may keep a revoked partition before that is logged.
	slowHandler = 3 * time.Second
)

// Consume joins the group and runs handle for each partition it is given, each
// in its own goroutine, until ctx ends; then it leaves the group and returns
// nil. handle's context ends when the partition is revoked or ctx ends, and
// handle must return promptly then: the other members wait for it. When ctx
// has ended, handle may still commit what it has finished; after a revocation
// it may not. A handle that returns early leaves its partition unread until
// the next generation. A panic in handle ends Consume with an error.
//
// While no broker answers or the group cannot be joined, Consume keeps trying.
func (b *Bus) Consume(ctx context.Context, topics []string, handle func(context.Context, *Claim)) error {
	if b.conf.Group == "" {
		return pulse.InvalidField("kafka.group", "missing: consuming needs one")
	}
	if err := checkTopics(topics); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer done()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	member := b.join(topics)
	c := consumer{bus: b, topics: topics, handle: handle, fail: fail}
	c.run(ctx, member)
	c.handlers.Wait() // they may still commit; only then is the group left
	member.close()
	var fault *handlerPanic
	if errors.As(context.Cause(ctx), &fault) {
		return fault
	}
	return nil
}

func checkTopics(names []string) error {
	if len(names) == 0 {
		return pulse.InvalidField("topics", "empty")
	}
	for _, name := range names {
		if !slices.Contains(topics, name) {
			return pulse.InvalidField("topics", "%q is none of %v", name, topics)
		}
	}
	return nil
}

// handlerPanic is a bug in handle: the process goes down in order and starts
// again instead of leaving the partition unread.
type handlerPanic struct {
	claim string
	value any
	stack []byte
}

func (p *handlerPanic) Error() string {
	return fmt.Sprintf("handler of %s: panic: %v\n%s", p.claim, p.value, p.stack)
}

// consumer is one call of Consume.
type consumer struct {
	bus      *Bus
	topics   []string
	handle   func(context.Context, *Claim)
	fail     context.CancelCauseFunc
	handlers sync.WaitGroup // handles running
}

func (c *consumer) run(ctx context.Context, member membership) {
	for {
		gen, err := member.next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.bus.metrics.joinErrors.Inc()
			c.bus.joinTrouble.warn(c.bus.log, "the consumer group cannot be joined: trying again",
				"group", c.bus.conf.Group, "err", err)
		default:
			c.begin(ctx, gen)
		}
	}
}

// begin starts the goroutines of a generation.
func (c *consumer) begin(ctx context.Context, gen generation) {
	b := c.bus
	b.metrics.rebalances.Inc()
	assigned := gen.assignments()
	b.metrics.assigned.Add(float64(len(assigned)))
	b.log.Info("partitions assigned", "group", b.conf.Group, "generation", gen.number(),
		"partitions", len(assigned))
	claims := make([]*Claim, 0, len(assigned))
	for _, a := range assigned {
		claim := newClaim(b, gen, a)
		claims = append(claims, claim)
		c.handlers.Add(1)
		gen.start(func(ended context.Context) { c.serve(ctx, ended, claim) })
	}
	gen.start(func(ended context.Context) {
		c.watch(ended, gen.dealt(), claims)
		b.metrics.assigned.Sub(float64(len(assigned)))
	})
}

// serve runs handle for one partition of one generation. It must not return
// before the generation has ended: that would end it for all.
func (c *consumer) serve(ctx, ended context.Context, claim *Claim) {
	hctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ended, func() { cancel(ErrRevoked) })
	defer stop()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		defer c.handlers.Done()
		c.call(hctx, claim)
	}()
	select {
	case <-returned:
	case <-ended.Done():
	}
	if ended.Err() == nil && hctx.Err() == nil {
		c.bus.log.Error("the handler returned although its partition is not revoked: nobody reads it",
			"topic", claim.topic, "partition", claim.partition)
	}
	<-ended.Done()
	claim.revoke()
	c.awaitHandler(returned, claim)
	c.bus.metrics.forgetLag(claim.topic, claim.partition)
}

func (c *consumer) call(ctx context.Context, claim *Claim) {
	defer func() {
		if p := recover(); p != nil {
			c.fail(&handlerPanic{claim: claim.String(), value: p, stack: debug.Stack()})
		}
	}()
	claim.ctx = ctx
	c.handle(ctx, claim)
}

func (c *consumer) awaitHandler(returned <-chan struct{}, claim *Claim) {
	slow := time.NewTimer(slowHandler)
	defer slow.Stop()
	select {
	case <-returned:
		return
	case <-slow.C:
		c.bus.log.Warn("the handler keeps a revoked partition: the group waits for it",
			"topic", claim.topic, "partition", claim.partition)
	}
	<-returned
}

// watch keeps the lag of the claims known and returns, which ends the
// generation, when a topic has more partitions than were dealt.
// It returns when the generation has ended, too.
func (c *consumer) watch(ended context.Context, dealt map[string]int, claims []*Claim) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ended.Done():
			return
		case <-tick.C:
		}
		c.bus.probeEnds(ended, claims)
		if dealt != nil && c.partitionsGrew(ended, dealt) {
			c.bus.log.Info("there are new partitions: dealing them out", "group", c.bus.conf.Group)
			return
		}
	}
}

func (b *Bus) probeEnds(ctx context.Context, claims []*Claim) {
	if len(claims) == 0 {
		return
	}
	want := make(map[string][]kafka.OffsetRequest)
	for _, c := range claims {
		want[c.topic] = append(want[c.topic], kafka.LastOffsetOf(c.partition))
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := b.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: want})
	if err != nil {
		return // fetches meet the same trouble, and tell
	}
	for _, c := range claims {
		for _, p := range res.Topics[c.topic] {
			if p.Partition == c.partition && p.Error == nil {
				c.sawEnd(p.LastOffset)
			}
		}
	}
}

// partitionsGrew compares with the transport's metadata, at most metadataTTL
// old. Fewer partitions than before are trouble of the brokers, not a change.
func (c *consumer) partitionsGrew(ctx context.Context, dealt map[string]int) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := c.bus.transport.RoundTrip(ctx, bootstrap, &metadata.Request{TopicNames: c.topics})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(m.(*metadata.Response).Topics, func(t metadata.ResponseTopic) bool {
		return t.ErrorCode == 0 && len(t.Partitions) > dealt[t.Name]
	})
}
