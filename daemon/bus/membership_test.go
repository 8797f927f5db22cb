package bus

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go/protocol/joingroup"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"dev.redditpulse/shared/wire"
)

func TestAMovingCoordinatorMakesNoNewGeneration(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	r := read(t, b, wire.TopicRaw)
	eventually(t, "the partitions are held", func() bool { return len(r.holds()) == 3 })
	member := c.GroupInfo(testGroup).Members[0].MemberID
	for i := range 4 {
		c.RehashCoordinators()
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.NotCoordinator, Count: 2})
		lost := testutil.ToFloat64(b.metrics.coordLost)
		eventually(t, "the coordinator is looked for", func() bool { return testutil.ToFloat64(b.metrics.coordLost) > lost })
		if err := b.Produce(withDeadline(t), records(wire.TopicRaw, 50*i, 50*i+50)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "every record was read", func() bool { return missing(200, wire.TopicRaw, r) == 0 })
	if n := testutil.ToFloat64(b.metrics.rebalances); n != 1 {
		t.Errorf("%v generations, want one", n)
	}
	if now := c.GroupInfo(testGroup).Members[0].MemberID; now != member {
		t.Errorf("member %s has become %s", member, now)
	}
}

func TestAMemberTakesTheSessionThatBrokersAllow(t *testing.T) {
	t.Parallel()
	c := cluster(t, kfake.SeedTopics(3, topics...), kfake.GroupMinSessionTimeout(6*time.Second))
	conf := config(c.ListenAddrs()...)
	conf.SessionTimeout = 3 * time.Second
	var said bytes.Buffer
	b, err := Open(conf, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r := read(t, b, wire.TopicRaw)
	eventually(t, "the partitions are held", func() bool { return len(r.holds()) == 3 })
	r.stop(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(said.String(), "group.min.session.timeout.ms"); n != 1 {
		t.Errorf("%d warnings name the brokers' setting, want one:\n%s", n, &said)
	}
}

func TestWhatIsDealtOutArrives(t *testing.T) {
	t.Parallel()
	subscription, err := encodeSubscription(topics)
	if err != nil {
		t.Fatal(err)
	}
	all, err := dealOut([]joingroup.ResponseMember{
		{MemberID: "b", Metadata: subscription}, {MemberID: "a", Metadata: subscription},
	}, map[string]int{wire.TopicRaw: 3, wire.TopicRefresh: 3, wire.TopicDead: 0})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string][]int{
		"a": {wire.TopicRaw: {0, 2}, wire.TopicRefresh: {0, 2}}, "b": {wire.TopicRaw: {1}, wire.TopicRefresh: {1}},
	}
	got := make(map[string]map[string][]int)
	for _, share := range all {
		if got[share.MemberID], err = decodeAssignment(share.Assignment); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// FuzzWhatOtherMembersSay feeds what comes from other members, who may be of any
// make, by way of the coordinator.
func FuzzWhatOtherMembersSay(f *testing.F) {
	subscription, err := encodeSubscription(topics)
	if err != nil {
		f.Fatal(err)
	}
	share, err := encodeAssignment(map[string][]int{wire.TopicRaw: {0, 5}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(subscription)
	f.Add(share)
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 1, 'x', 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xff, 0xff, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(_ *testing.T, data []byte) {
		decodeAssignment(data)
		dealOut([]joingroup.ResponseMember{{MemberID: "m", Metadata: data}}, map[string]int{wire.TopicRaw: 3})
	})
}
