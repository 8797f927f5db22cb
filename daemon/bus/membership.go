package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

const (
	// Brokers refuse a shorter session unless they are told otherwise.
	defaultMinSession = 6 * time.Second
	// What joining may take beyond the time that the other members have.
	joinSlack = 5 * time.Second
	// How often an attempt to join starts over at once because the coordinator
	// says so: a new id, a rebalance that began meanwhile.
	joinRounds = 5
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
	// is over, for the others to read, when all have. It is not to be called
	// after the next call of the membership.
	start(f func(ended context.Context))
	// commit stores the next offset to read. It takes at most commitTimeout.
	commit(topic string, partition int, next int64) error
}

// assignment is one partition and where its reading goes on: an offset, or a
// negative number where the group has none yet.
type assignment struct {
	topic     string
	partition int
	offset    int64
}

// member is this process in the group. It keeps its id for as long as the
// coordinator knows it, whichever broker that is: a broker's end makes no new
// generation. next and close are called from one goroutine.
type member struct {
	bus    *Bus
	topics []string
	coord  *coordinator
	ctx    context.Context // ends when close is done
	cancel context.CancelFunc

	session time.Duration
	id      string           // "" until the coordinator gave one; a generation's own while it lasts
	gen     *groupGeneration // the last one, until it is over
	failed  bool             // the last attempt did
	pause   backoff
}

func (b *Bus) join(topics []string) membership {
	m := &member{
		bus: b, topics: topics, session: b.conf.SessionTimeout,
		coord: &coordinator{
			dial: newDialer(b.rotation, b.conf.ClientID), clientID: b.conf.ClientID, group: b.conf.Group,
			lost: b.metrics.coordLost.Inc,
		},
		pause: newJoinPause(),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

func newJoinPause() backoff { return backoff{min: 100 * time.Millisecond, max: 2 * time.Second} }

func (m *member) next(ctx context.Context) (generation, error) {
	if m.gen != nil {
		select {
		case <-m.gen.ended.Done():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		m.endGeneration()
	}
	if m.failed {
		if err := m.pause.wait(ctx); err != nil {
			return nil, err
		}
	}
	gen, err := m.attempt(ctx)
	if m.failed = err != nil; m.failed {
		return nil, err
	}
	m.pause = newJoinPause()
	return gen, nil
}

// endGeneration waits until nothing of the last generation runs.
func (m *member) endGeneration() {
	m.gen.finish()
	m.gen.running.Wait()
	m.gen.quit()
	<-m.gen.kept
	m.gen = nil
}

// attempt joins the group and gives the generation that has come of it.
func (m *member) attempt(ctx context.Context) (*groupGeneration, error) {
	var err error
	for range joinRounds {
		if err = m.coord.connect(ctx); err != nil {
			return nil, err
		}
		var gen *groupGeneration
		if gen, err = m.round(ctx); err == nil {
			return gen, nil
		}
		if !m.again(err) {
			if wrongBroker(err) {
				m.coord.drop()
			}
			return nil, err
		}
	}
	return nil, fmt.Errorf("%d rounds: %w", joinRounds, err)
}

// round is one pass from joining to the offsets.
func (m *member) round(ctx context.Context) (*groupGeneration, error) {
	joined, err := m.joinGroup(ctx)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	mine, counts, err := m.syncGroup(ctx, joined)
	if err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	// From here on there are heartbeats: what still takes time costs no membership.
	m.gen = newGeneration(m, joined.GenerationID, counts)
	if err := m.gen.fetchOffsets(ctx, mine); err != nil {
		m.endGeneration()
		return nil, fmt.Errorf("fetch offsets: %w", err)
	}
	return m.gen, nil
}

// again does what the error asks for and tells whether another round may
// follow at once.
func (m *member) again(err error) bool {
	switch {
	case errors.Is(err, kafka.MemberIDRequired), errors.Is(err, kafka.RebalanceInProgress),
		errors.Is(err, kafka.IllegalGeneration), errors.Is(err, errGenerationEnded):
		return true
	case errors.Is(err, kafka.UnknownMemberId):
		m.id = ""
		return true
	case errors.Is(err, kafka.InvalidSessionTimeout) && m.session < defaultMinSession:
		m.bus.log.Warn("the brokers refuse the session timeout: a replica that dies is noticed later; "+
			"set group.min.session.timeout.ms on the brokers", "refused", m.session, "used", defaultMinSession)
		m.session = defaultMinSession
		return true
	}
	return false
}

// wrongBroker tells whether the coordinator has to be looked for anew: the
// broker says so, or it does not speak.
func wrongBroker(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return true
	}
	return errors.Is(err, kafka.NotCoordinatorForGroup) || errors.Is(err, kafka.GroupCoordinatorNotAvailable)
}

func (m *member) joinGroup(ctx context.Context) (*joingroup.Response, error) {
	wait := m.bus.conf.RebalanceTimeout + joinSlack
	ctx, cancel := context.WithTimeoutCause(ctx, wait,
		fmt.Errorf("no answer within %s: %w", wait, context.DeadlineExceeded))
	defer cancel()
	subscription, err := encodeSubscription(m.topics)
	if err != nil {
		return nil, err
	}
	msg, err := m.coord.callLong(ctx, &joingroup.Request{
		GroupID: m.bus.conf.Group, MemberID: m.id, ProtocolType: "consumer",
		SessionTimeoutMS:   int32(m.session.Milliseconds()),
		RebalanceTimeoutMS: int32(m.bus.conf.RebalanceTimeout.Milliseconds()),
		Protocols:          []joingroup.RequestProtocol{{Name: protocolName, Metadata: subscription}},
	})
	if err != nil {
		return nil, err
	}
	res := msg.(*joingroup.Response)
	if res.MemberID != "" {
		m.id = res.MemberID
	}
	return res, codeOf(res.ErrorCode)
}

// syncGroup gives this member's partitions; counts are those of the topics where
// this member dealt, else nil.
func (m *member) syncGroup(ctx context.Context, joined *joingroup.Response) (mine map[string][]int, counts map[string]int, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.session+joinSlack)
	defer cancel()
	req := &syncgroup.Request{GroupID: m.bus.conf.Group, GenerationID: joined.GenerationID, MemberID: m.id}
	if joined.LeaderID == m.id {
		if counts, err = m.countPartitions(ctx); err != nil {
			return nil, nil, err
		}
		if req.Assignments, err = dealOut(joined.Members, counts); err != nil {
			return nil, nil, err
		}
	}
	msg, err := m.coord.callLong(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	res := msg.(*syncgroup.Response)
	if err := codeOf(res.ErrorCode); err != nil {
		return nil, nil, err
	}
	mine, err = decodeAssignment(res.Assignments)
	return mine, counts, err
}

// countPartitions asks the coordinator itself: an answer from the transport may
// be old. A topic that is missing has none.
func (m *member) countPartitions(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, m.session/2)
	defer cancel()
	msg, err := m.coord.call(ctx, &metadata.Request{TopicNames: m.topics})
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int)
	for _, t := range msg.(*metadata.Response).Topics {
		if code := codeOf(t.ErrorCode); code != nil && !errors.Is(code, kafka.UnknownTopicOrPartition) &&
			!errors.Is(code, kafka.LeaderNotAvailable) {
			return nil, fmt.Errorf("topic %s: %w", t.Name, code)
		}
		counts[t.Name] = len(t.Partitions)
	}
	return counts, nil
}

func (m *member) close() {
	if m.gen != nil {
		m.endGeneration()
	}
	ctx, cancel := context.WithTimeout(m.ctx, leaveGrace)
	defer cancel()
	if m.id != "" {
		if err := m.leave(ctx); err != nil {
			m.bus.log.Warn("the consumer group was not left: the others wait until the session ends",
				"group", m.bus.conf.Group, "session", m.session, "err", err)
		}
	}
	m.cancel()
	m.coord.drop()
	m.coord.dial.shut()
}

// leave uses the line of offsets: on the other one a join may wait.
func (m *member) leave(ctx context.Context) error {
	if err := m.coord.connect(ctx); err != nil {
		return err
	}
	msg, err := m.coord.dataCall(ctx, &leavegroup.Request{GroupID: m.bus.conf.Group, MemberID: m.id})
	if err != nil {
		return err
	}
	return codeOf(msg.(*leavegroup.Response).ErrorCode)
}
