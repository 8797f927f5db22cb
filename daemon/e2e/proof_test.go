package e2e

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"
)

var (
	rounds  = flag.Int("rounds", 4, "faults that the proofs go through")
	figures = flag.Bool("figures", false, "print what the proofs measure")
)

// figure prints what was measured, for `make bench`.
func figure(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	if *figures {
		fmt.Printf("Figure %s: %s\n", t.Name(), fmt.Sprintf(format, args...))
	}
}

// proof is a cluster that processes a load while something happens to it.
type proof struct {
	*cluster
	load     *load
	lookout  *lookout
	replicas []*process
}

// startProof returns when every partition moves.
func startProof(t testing.TB, c *cluster, s shape, replicas int) *proof {
	t.Helper()
	p := &proof{cluster: c, load: newLoad(t, c, s), lookout: startLookout(t, c)}
	for range replicas {
		p.replicas = append(p.replicas, c.daemon(t, "process"))
	}
	p.load.start()
	t.Cleanup(func() {
		p.load.client.Close() // or the writer may wait for brokers that are gone
		p.load.cancel()
	})
	eventually(t, "every partition moves", func() bool { return p.lookout.partitions() == 6 })
	for _, r := range p.replicas {
		p.joined(t, r, 0)
	}
	p.carriesOn(t, time.Now())
	return p
}

// joined waits until a replica has joined another generation than these.
func (p *proof) joined(t testing.TB, r *process, generations float64) {
	t.Helper()
	eventually(t, "the replica joins", func() bool { return r.metric(t, generationsJoined) > generations })
}

const generationsJoined = "pulse_bus_rebalances_total"

// carriesOn waits until every partition has moved since, and again after that.
func (p *proof) carriesOn(t testing.TB, since time.Time) {
	t.Helper()
	eventually(t, "every partition moves on", func() bool { return p.lookout.allMovedSince(since) })
	calm := time.Now().Add(500 * time.Millisecond)
	eventually(t, "every partition keeps moving", func() bool { return p.lookout.allMovedSince(calm) })
}

// finish ends the load and holds what is stored against it.
func (p *proof) finish(t testing.TB, inOrder bool) verdict {
	t.Helper()
	p.load.stop(t)
	v := p.load.check(t, p.cluster, inOrder)
	p.lookout.stop()
	for _, fault := range p.lookout.faults {
		t.Error(fault)
	}
	for i, r := range p.replicas {
		for _, series := range []string{"pulse_bus_offset_regressions_total", `pulse_process_paused{reason="bug"}`, `pulse_process_paused{reason="poison"}`} {
			if n := r.metric(t, series); n != 0 {
				t.Errorf("replica %d: %s is %v", i, series, n)
			}
		}
	}
	if v.seeded > v.computed/10 {
		t.Errorf("%d velocities were continued from the database, beside %d: the memory of Redis serves nobody", v.seeded, v.computed)
	}
	figure(t, "%d readings, %d sent again, %d poison: %s; %d dead letters, %d velocities as computed anew, %d continued from the database, %d first sights came late, %d records without an outcome",
		v.readings, v.repeats, v.poison, map[bool]string{true: "something is wrong", false: "0 lost"}[t.Failed()],
		v.letters, v.computed, v.seeded, v.late, v.unknown)
	return v
}

// Replicas come and go, are killed, and hang for longer than their session,
// under load: every acknowledged reading is stored exactly once, poison and
// nothing else becomes a dead letter, and nothing goes backwards.
func TestNothingIsLostWhateverHappensToReplicas(t *testing.T) {
	t.Parallel()
	p := startProof(t, newServers(t), ordinary(), 3)
	faults := []func(testing.TB, int){p.endReplica, p.killReplica, p.freezeReplica, p.addReplica}
	for round := range *rounds {
		faults[round%len(faults)](t, round%3)
	}
	p.finish(t, true)
}

func (p *proof) endReplica(t testing.TB, n int) {
	begun := time.Now()
	p.replicas[n].stop(t, syscall.SIGTERM)
	ended := time.Now()
	p.carriesOn(t, ended)
	p.replaced(t, n, "SIGTERM of a replica", begun)
}

func (p *proof) killReplica(t testing.TB, n int) {
	begun := time.Now()
	p.replicas[n].stop(t, syscall.SIGKILL)
	p.carriesOn(t, begun)
	p.replaced(t, n, "kill -9 of a replica", begun)
}

// replaced starts another in place of a replica that has ended.
func (p *proof) replaced(t testing.TB, n int, what string, begun time.Time) {
	t.Helper()
	gone, where := p.lookout.stall(begun, time.Now())
	begun = time.Now()
	p.replicas[n] = p.daemon(t, "process")
	p.joined(t, p.replicas[n], 0)
	p.carriesOn(t, time.Now())
	back, _ := p.lookout.stall(begun, time.Now())
	figure(t, "%s: the worst partition, %s, stands still for %s; when it is back, for %s", what, where, rounded(gone), rounded(back))
}

// freezeReplica lets a replica wake up when its partitions are others' already.
func (p *proof) freezeReplica(t testing.TB, n int) {
	r, begun := p.replicas[n], time.Now()
	generations := r.metric(t, generationsJoined)
	r.signal(syscall.SIGSTOP)
	p.carriesOn(t, begun)
	gone, where := p.lookout.stall(begun, time.Now())
	if *figures {
		<-time.After(8*time.Second - time.Since(begun))
	}
	lasted := time.Since(begun)
	begun = time.Now()
	r.signal(syscall.SIGCONT)
	p.joined(t, r, generations)
	p.carriesOn(t, time.Now())
	back, _ := p.lookout.stall(begun, time.Now())
	figure(t, "SIGSTOP of a replica for %s: the worst partition, %s, stands still for %s; when it wakes, for %s",
		rounded(lasted), where, rounded(gone), rounded(back))
}

// addReplica adds one and takes it away.
func (p *proof) addReplica(t testing.TB, _ int) {
	begun := time.Now()
	r := p.daemon(t, "process")
	p.joined(t, r, 0)
	p.carriesOn(t, time.Now())
	added, _ := p.lookout.stall(begun, time.Now())
	begun = time.Now()
	r.stop(t, syscall.SIGTERM)
	p.carriesOn(t, time.Now())
	removed, _ := p.lookout.stall(begun, time.Now())
	figure(t, "a fourth replica: the worst partition stands still for %s when it comes, for %s when it goes", rounded(added), rounded(removed))
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
