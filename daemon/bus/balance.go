package bus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go/protocol"
	wireform "github.com/segmentio/kafka-go/protocol/consumer"
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

// protocolName is that of our way to deal: all members must offer it.
const protocolName = "pulse"

// subscriber is a member and what it wants to read.
type subscriber struct {
	id     string
	topics []string
}

// deal gives partition p of every topic to member p mod n, in the order of the
// members' ids, so that all records of one key are read by one process whatever
// their topic. Every member is in the answer.
func deal(members []subscriber, counts map[string]int) map[string]map[string][]int {
	members = slices.Clone(members)
	slices.SortFunc(members, func(x, y subscriber) int { return strings.Compare(x.id, y.id) })
	out := make(map[string]map[string][]int, len(members))
	for _, m := range members {
		out[m.id] = make(map[string][]int)
	}
	for topic, count := range counts {
		var readers []string
		for _, m := range members {
			if slices.Contains(m.topics, topic) {
				readers = append(readers, m.id)
			}
		}
		for p := range count {
			if len(readers) > 0 {
				id := readers[p%len(readers)]
				out[id][topic] = append(out[id][topic], p)
			}
		}
	}
	return out
}

// dealOut is deal in the form of the protocol.
func dealOut(members []joingroup.ResponseMember, counts map[string]int) ([]syncgroup.RequestAssignment, error) {
	var all []subscriber
	for _, m := range members {
		topics, err := decodeSubscription(m.Metadata)
		if err != nil {
			return nil, fmt.Errorf("subscription of member %s: %w", m.MemberID, err)
		}
		all = append(all, subscriber{m.MemberID, topics})
	}
	var out []syncgroup.RequestAssignment
	for id, byTopic := range deal(all, counts) {
		share, err := encodeAssignment(byTopic)
		if err != nil {
			return nil, err
		}
		out = append(out, syncgroup.RequestAssignment{MemberID: id, Assignment: share})
	}
	return out, nil
}

func encodeSubscription(topics []string) ([]byte, error) {
	return protocol.Marshal(wireform.MaxVersionSupported, wireform.Subscription{
		Version: wireform.MaxVersionSupported, Topics: topics,
	})
}

func encodeAssignment(byTopic map[string][]int) ([]byte, error) {
	a := wireform.Assignment{Version: wireform.MaxVersionSupported}
	for topic, partitions := range byTopic {
		a.AssignedPartitions = append(a.AssignedPartitions, wireform.TopicPartition{
			Topic: topic, Partitions: int32s(partitions),
		})
	}
	return protocol.Marshal(wireform.MaxVersionSupported, a)
}
