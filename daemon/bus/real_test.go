package bus

import (
	"syscall"
	"testing"

	"dev.redditpulse/shared/wire"
)

func TestRealMembersThatStopDieOrFreezeLoseNothing(t *testing.T) {
	p := startPlay(t, 3)
	p.signal(0, syscall.SIGTERM)
	if err := p.members[0].Wait(); err != nil {
		t.Errorf("the member ended with %v", err)
	}
	p.awaitReads()
	p.signal(1, syscall.SIGKILL)
	p.awaitReads()
	held := p.heldSoFar()
	p.addMember()
	p.awaitHolds(held + 6)
	// Longer than its session: the other one gets everything.
	p.signal(2, syscall.SIGSTOP)
	p.awaitReads()
	held = p.heldSoFar()
	p.signal(2, syscall.SIGCONT)
	p.awaitHolds(held + 6) // it notices, and they share again
	p.awaitReads()
	written, again := p.settle()
	t.Logf("%d records, %d readings too many", written, again)
}

func TestRealBrokersThatDieOrFreezeLoseNothing(t *testing.T) {
	p := startPlay(t, 2)
	node := p.cluster.Coordinator(p.conf.Group)
	p.cluster.Kill(node)
	p.awaitReads()
	p.cluster.Restart(node)
	p.cluster.AwaitISR()
	node = p.cluster.Coordinator(p.conf.Group)
	p.cluster.Freeze(node)
	p.awaitReads()
	p.cluster.Thaw(node)
	written, again := p.settle()
	t.Logf("%d records, %d readings too many", written, again)
}

func TestRealTopicsGrowWhileRecordsFlow(t *testing.T) {
	p := startPlay(t, 2)
	for range 2 { // the second time there is nothing to do
		if err := p.bus.GrowTopics(withDeadline(t), 6); err != nil {
			t.Fatal(err)
		}
	}
	p.stopLoad()
	p.load(6) // a record may still go to its old partition, until the producer has seen the new ones
	p.await("every new partition is read", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for partition := 3; partition < 6; partition++ {
			if p.track(wire.TopicRaw, partition).high == 0 || p.track(wire.TopicRefresh, partition).high == 0 {
				return false
			}
		}
		return true
	})
	p.settle()
}
