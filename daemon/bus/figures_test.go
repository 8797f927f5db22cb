package bus

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// figures has the tests of this file watch each fault to its end and print what
// they measure; without it they look only at what must hold.
var figures = flag.Bool("figures", false, "measure faults at full length, and print")

// fault is one thing that goes wrong, and what undoes it.
type fault struct {
	name  string
	lasts time.Duration // watched for, in a measurement
	begin func(*play) (undo func())
}

var faults = []fault{
	{"member SIGTERM", 6 * time.Second, func(p *play) func() { p.signal(0, syscall.SIGTERM); return func() {} }},
	{"member SIGKILL", 10 * time.Second, func(p *play) func() { p.signal(0, syscall.SIGKILL); return func() {} }},
	{"member frozen 10 s", 16 * time.Second, func(p *play) func() {
		p.signal(0, syscall.SIGSTOP)
		wake := time.AfterFunc(10*time.Second, func() { p.signal(0, syscall.SIGCONT) })
		return func() { wake.Stop(); p.signal(0, syscall.SIGCONT) }
	}},
	{"coordinator SIGTERM", 15 * time.Second, func(p *play) func() {
		node := p.cluster.Coordinator(p.conf.Group)
		p.cluster.Term(node)
		return func() { p.cluster.Restart(node) }
	}},
	{"coordinator SIGKILL", 20 * time.Second, func(p *play) func() {
		node := p.cluster.Coordinator(p.conf.Group)
		p.cluster.Kill(node)
		return func() { p.cluster.Restart(node) }
	}},
	{"active controller SIGKILL", 20 * time.Second, func(p *play) func() {
		node := p.cluster.ControllerNode()
		p.cluster.Kill(node)
		return func() { p.cluster.Restart(node) }
	}},
	{"coordinator frozen 15 s", 25 * time.Second, func(p *play) func() {
		node := p.cluster.Coordinator(p.conf.Group)
		p.cluster.Freeze(node)
		wake := time.AfterFunc(15*time.Second, func() { p.cluster.Thaw(node) })
		return func() { wake.Stop(); p.cluster.Thaw(node) }
	}},
}

func TestFaultsOfRealBrokersAndMembers(t *testing.T) {
	if !*figures {
		t.Skip("measures only: go test -run RealBrokers -figures ./daemon/bus/")
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			p := startPlay(t, 3)
			time.Sleep(3 * time.Second) // of quiet
			from := time.Now()
			undo := f.begin(p)
			time.Sleep(f.lasts)
			writes, reads := p.gaps(from)
			undo()
			written, again := p.settle()
			fmt.Printf("Figure\t%-26s longest gap of the worst partition: writes %.1f s, reads %.1f s; %d written, %d read again\n",
				f.name, writes.Seconds(), reads.Seconds(), written, again)
		})
	}
}
