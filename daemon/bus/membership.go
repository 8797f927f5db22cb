package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// How long the coordinator may take to answer. Shorter than a dead broker's
	// fencing, a commit during it would end the generation.
	coordinatorTimeout = 7 * time.Second
	joinBackoff        = 300 * time.Millisecond
	// How long leaving the group may take before its connections are cut.
	leaveGrace = 2 * time.Second
)

// membership is how this process belongs to the consumer group. It is all that
// the rest of the package knows of joining, heartbeats and leaving.
type membership interface {
	// next waits for the next generation; the one before it is over by then.
	// An error is a failed attempt: the next call waits for the next one.
	next(ctx context.Context) (generation, error)
	// close leaves the group and waits for the last generation to be over.
	close()
}

// generation is one assignment of the partitions to the members.
type generation interface {
	number() int32
	assignments() []assignment
	// dealt is the number of partitions by topic that were dealt out, nil in
	// all members but the one that dealt.
	dealt() map[string]int
	// start runs f. The generation ends as soon as any such f returns, and it
	// is over, for the others to read, when all have.
	start(f func(ended context.Context))
	// commit stores the next offset to read. It takes at most coordinatorTimeout.
	commit(topic string, partition int, next int64) error
}

// assignment is one partition and where its reading goes on: an offset, or -2
// where the group has none yet.
type assignment struct {
	topic     string
	partition int
	offset    int64
}

// groupMember is a membership by kafka-go's ConsumerGroup.
type groupMember struct {
	group    *kafka.ConsumerGroup
	dial     *dialer
	balancer *balancer
}

func (b *Bus) join(topics []string) (membership, error) {
	m := &groupMember{dial: newDialer(b.rotation, b.conf.ClientID), balancer: &balancer{}}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                b.conf.Group,
		Brokers:           []string{bootstrapAddress},
		Dialer:            &kafka.Dialer{ClientID: b.conf.ClientID, DialFunc: m.dial.dial},
		Topics:            topics,
		GroupBalancers:    []kafka.GroupBalancer{m.balancer},
		HeartbeatInterval: b.conf.Heartbeat,
		SessionTimeout:    b.conf.SessionTimeout,
		RebalanceTimeout:  b.conf.RebalanceTimeout,
		JoinGroupBackoff:  joinBackoff,
		Timeout:           coordinatorTimeout,
		StartOffset:       kafka.FirstOffset,
		ErrorLogger:       libraryLog{b.log},
	})
	if err != nil {
		m.dial.shut()
		return nil, err
	}
	m.group = group
	return m, nil
}

func (m *groupMember) next(ctx context.Context) (generation, error) {
	g, err := m.group.Next(ctx)
	if err != nil {
		return nil, err
	}
	return &groupGeneration{g: g, counts: m.balancer.take()}, nil
}

func (m *groupMember) close() {
	left := make(chan struct{})
	go func() {
		_ = m.group.Close() // never fails
		close(left)
	}()
	grace := time.NewTimer(leaveGrace)
	defer grace.Stop()
	select {
	case <-left:
	case <-grace.C:
		// It may be joining, which waits for all other members.
	}
	m.dial.shut()
	<-left
}

type groupGeneration struct {
	g      *kafka.Generation
	counts map[string]int
}

func (g *groupGeneration) number() int32 { return g.g.ID }

func (g *groupGeneration) dealt() map[string]int { return g.counts }

func (g *groupGeneration) assignments() []assignment {
	var all []assignment
	for topic, partitions := range g.g.Assignments {
		for _, p := range partitions {
			all = append(all, assignment{topic: topic, partition: p.ID, offset: p.Offset})
		}
	}
	return all
}

func (g *groupGeneration) start(f func(context.Context)) { g.g.Start(f) }

func (g *groupGeneration) commit(topic string, partition int, next int64) error {
	return g.g.CommitOffsets(map[string]map[int]int64{topic: {partition: next}})
}

// libraryLog passes on what kafka-go says of its own accord; the errors that
// matter come to us as values as well.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	l.log.Debug("kafka-go", "text", fmt.Sprintf(format, args...))
}
