package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

const (
	// How long a heartbeat waits for its answer before the other brokers are
	// asked whether the coordinator has changed.
	beatTimeout = time.Second
	// How long a commit waits. An answer that comes later is not lost: the next
	// commit follows on the same line.
	commitTimeout = 2 * time.Second
	// No commit is tried while a heartbeat has been without an answer for so long.
	silenceLimit = time.Second
)

var errGenerationEnded = errors.New("the generation has ended")

// groupGeneration is a generation of which this process is a member. It ends
// when the coordinator says so. One that doesn't answer ends nothing: while
// nobody coordinates nobody else gets the partitions, and who takes over lets
// every member's session begin anew.
type groupGeneration struct {
	m        *member
	id       int32
	assigned []assignment
	counts   map[string]int

	ended   context.Context // for its functions
	finish  context.CancelFunc
	running sync.WaitGroup // its functions

	keeping context.Context // for heartbeats, which go on until all functions have returned
	quit    context.CancelFunc
	kept    chan struct{} // closed when there are no more heartbeats
}

func newGeneration(m *member, id int32, counts map[string]int) *groupGeneration {
	g := &groupGeneration{m: m, id: id, counts: counts, kept: make(chan struct{})}
	g.ended, g.finish = context.WithCancel(m.ctx)
	g.keeping, g.quit = context.WithCancel(m.ctx)
	go g.keep()
	return g
}

func (g *groupGeneration) number() int32 { return g.id }

func (g *groupGeneration) dealt() map[string]int { return g.counts }

func (g *groupGeneration) assignments() []assignment { return g.assigned }

func (g *groupGeneration) start(f func(context.Context)) {
	g.running.Go(func() {
		defer g.finish()
		f(g.ended)
	})
}

// keep sends heartbeats.
func (g *groupGeneration) keep() {
	defer close(g.kept)
	every := g.m.bus.conf.Heartbeat
	apart := backoff{min: 50 * time.Millisecond, max: 500 * time.Millisecond}
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-g.m.coord.down():
		case <-g.keeping.Done():
			return
		}
		if err := g.beat(); err != nil {
			g.m.bus.joinTrouble.warn(g.m.bus.log, "the group's coordinator does not answer: reading on",
				"group", g.m.bus.conf.Group, "generation", g.id, "err", err)
			if apart.wait(g.keeping) != nil {
				return
			}
			timer.Reset(0)
			continue
		}
		apart.next = 0
		timer.Reset(every)
	}
}

// beat sends one heartbeat. An error means that the coordinator is not there.
func (g *groupGeneration) beat() error {
	coord := g.m.coord
	if err := coord.connect(g.keeping); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(g.keeping, beatTimeout)
	defer cancel()
	msg, err := coord.call(ctx, &heartbeat.Request{
		GroupID: g.m.bus.conf.Group, GenerationID: g.id, MemberID: g.m.id,
	})
	if err == nil {
		err = codeOf(msg.(*heartbeat.Response).ErrorCode)
	}
	switch {
	case err == nil, errors.Is(err, kafka.GroupLoadInProgress):
		return nil
	case g.keeping.Err() != nil:
		return nil
	case lostMembership(err):
		g.finish()
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		// It may be busy: the heartbeat stays under way, unless another broker
		// has taken over or it has been too long.
		if coord.moved(g.keeping) || coord.silence() > g.m.session {
			coord.drop()
		}
	default:
		coord.drop()
	}
	return fmt.Errorf("heartbeat: %w", err)
}

// fetchOffsets finds where the reading of this member's partitions goes on.
func (g *groupGeneration) fetchOffsets(ctx context.Context, mine map[string][]int) error {
	if len(mine) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(g.ended, func() { cancel(errGenerationEnded) })()
	return g.m.bus.retry(ctx, g.m.bus.conf.RebalanceTimeout, func(ctx context.Context) error {
		assigned, err := g.askOffsets(ctx, mine)
		if err == nil {
			g.assigned = assigned
		}
		return err
	})
}

func (g *groupGeneration) askOffsets(ctx context.Context, mine map[string][]int) ([]assignment, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	req := &offsetfetch.Request{GroupID: g.m.bus.conf.Group}
	wanted := 0
	for topic, partitions := range mine {
		req.Topics = append(req.Topics, offsetfetch.RequestTopic{Name: topic, PartitionIndexes: int32s(partitions)})
		wanted += len(partitions)
	}
	msg, err := g.m.coord.dataCall(ctx, req)
	if err != nil {
		return nil, err
	}
	res := msg.(*offsetfetch.Response)
	if err := codeOf(res.ErrorCode); err != nil {
		return nil, err
	}
	var all []assignment
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := codeOf(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", t.Name, p.PartitionIndex, err)
			}
			all = append(all, assignment{topic: t.Name, partition: int(p.PartitionIndex), offset: p.CommittedOffset})
		}
	}
	if len(all) != wanted {
		return nil, fmt.Errorf("offsets of %d partitions for %d", len(all), wanted)
	}
	return all, nil
}

func (g *groupGeneration) commit(topic string, partition int, next int64) error {
	coord := g.m.coord
	if silence := coord.silence(); silence > silenceLimit {
		return fmt.Errorf("%w: no answer for %s", errNoCoordinator, silence.Round(time.Millisecond))
	}
	ctx, cancel := context.WithTimeoutCause(g.m.ctx, commitTimeout,
		fmt.Errorf("no answer within %s: %w", commitTimeout, context.DeadlineExceeded))
	defer cancel()
	msg, err := coord.dataCall(ctx, &offsetcommit.Request{
		GroupID: g.m.bus.conf.Group, GenerationID: g.id, MemberID: g.m.id,
		Topics: []offsetcommit.RequestTopic{{Name: topic, Partitions: []offsetcommit.RequestPartition{{
			PartitionIndex: int32(partition), CommittedOffset: next, CommittedLeaderEpoch: -1,
		}}}},
	})
	if err != nil {
		return err
	}
	for _, t := range msg.(*offsetcommit.Response).Topics {
		for _, p := range t.Partitions {
			err = errors.Join(err, codeOf(p.ErrorCode))
		}
	}
	if lostMembership(err) {
		g.finish()
	}
	return err
}

func int32s(ids []int) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}
