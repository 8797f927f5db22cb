package bus

import (
	"slices"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go"
)

// balancer gives partition p of every topic to member p mod n, members and
// partitions sorted, so that all records of one key are read by one process
// whatever their topic. All members must offer it: its name is part of the
// group's protocol.
type balancer struct {
	mu   sync.Mutex // covers seen
	seen map[string]int
}

func (*balancer) ProtocolName() string { return "pulse" }

func (*balancer) UserData() ([]byte, error) { return nil, nil }

// AssignGroups runs in the group's leader only.
func (b *balancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	b.note(partitions)
	members = slices.Clone(members)
	slices.SortFunc(members, func(x, y kafka.GroupMember) int { return strings.Compare(x.ID, y.ID) })
	out := make(kafka.GroupMemberAssignments, len(members))
	for _, m := range members {
		out[m.ID] = make(map[string][]int)
	}
	for _, p := range partitions {
		var readers []string
		for _, m := range members {
			if slices.Contains(m.Topics, p.Topic) {
				readers = append(readers, m.ID)
			}
		}
		if len(readers) > 0 {
			id := readers[p.ID%len(readers)]
			out[id][p.Topic] = append(out[id][p.Topic], p.ID)
		}
	}
	for _, byTopic := range out {
		for _, ids := range byTopic {
			slices.Sort(ids)
		}
	}
	return out
}

func (b *balancer) note(partitions []kafka.Partition) {
	seen := make(map[string]int)
	for _, p := range partitions {
		seen[p.Topic]++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = seen
}

// take gives the number of partitions by topic that the last assignment dealt
// out, once; nil in a member that did not deal.
func (b *balancer) take() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}
