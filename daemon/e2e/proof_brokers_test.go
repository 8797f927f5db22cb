package e2e

import (
	"syscall"
	"testing"
	"time"

	"dev.redditpulse/daemon/kafkatest"
	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/wire"
)

// Brokers are killed, shut down and hang, and a replica with them, under load:
// nothing is lost and nothing is stored twice.
func TestNothingIsLostWhateverHappensToBrokers(t *testing.T) {
	t.Parallel()
	brokers := kafkatest.Start(t)
	c := &cluster{dir: folder(t)}
	c.prepare(t, brokers.Brokers(), 3)
	brokers.AwaitISR()
	p := startProof(t, c, ordinary(), 3)
	group := config.Default().Kafka.Group
	faults := []func(){
		func() {
			p.brokerFault(t, brokers, "kill -9 of the group's coordinator", brokers.Coordinator(group), brokers.Kill, brokers.Restart)
		},
		func() {
			p.brokerFault(t, brokers, "SIGTERM of a leader", brokers.LeaderOf(wire.TopicRaw, 0), brokers.Term, brokers.Restart)
		},
		func() { p.killReplica(t, 0) },
		func() {
			p.brokerFault(t, brokers, "kill -9 of the active controller", brokers.ControllerNode(), brokers.Kill, brokers.Restart)
		},
		func() {
			p.brokerFault(t, brokers, "SIGSTOP of the group's coordinator", brokers.Coordinator(group), brokers.Freeze, brokers.Thaw)
		},
		func() {
			node := brokers.LeaderOf(wire.TopicRefresh, 1)
			p.brokerFault(t, brokers, "kill -9 of a leader and of a replica", node, func(n int) {
				brokers.Kill(n)
				p.replicas[1].stop(t, syscall.SIGKILL)
			}, func(n int) {
				brokers.Restart(n)
				p.replicas[1] = p.daemon(t, "process")
			})
		},
	}
	for round := range (*rounds + 1) / 2 {
		faults[round%len(faults)]()
	}
	p.finish(t, true)
	brokers.AwaitISR()
	brokers.CheckCommits(t, group)
}

// brokerFault lets go of one broker until the others carry on, and waits until
// it has caught up again.
func (p *proof) brokerFault(t testing.TB, brokers *kafkatest.Cluster, what string, node int, fault, mend func(int)) {
	t.Helper()
	begun := time.Now()
	fault(node)
	p.carriesOn(t, begun)
	gone, where := p.lookout.stall(begun, time.Now())
	begun = time.Now()
	mend(node)
	brokers.AwaitISR()
	p.carriesOn(t, time.Now())
	back, _ := p.lookout.stall(begun, time.Now())
	figure(t, "%s: the worst partition, %s, stands still for %s; until the broker has caught up, for %s", what, where, rounded(gone), rounded(back))
}
