package bus

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"dev.redditpulse/daemon/kafkatest"
	"dev.redditpulse/shared/wire"
)

// memberEnv makes the test binary one member of a group, which a test may kill:
// its Config as JSON.
const memberEnv = "BUS_TEST_MEMBER"

// realPatience is how long a condition may take on real brokers, of which some
// are down.
const realPatience = 2 * time.Minute

// runMember says on stdout which records it reads, a line a batch, until SIGTERM
// or the end of its parent.
func runMember(conf string) int {
	var c Config
	if err := json.Unmarshal([]byte(conf), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	b, err := Open(c, quiet(), prometheus.NewRegistry())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var mu sync.Mutex
	say := func(line string) { mu.Lock(); defer mu.Unlock(); fmt.Println(line) }
	err = b.Consume(ctx, []string{wire.TopicRaw, wire.TopicRefresh}, func(ctx context.Context, c *Claim) {
		say(fmt.Sprintf("hold %s %d", c.Topic(), c.Partition()))
		owed := int64(-1)
		for {
			records, err := c.Fetch(ctx, 500)
			if err != nil {
				return
			}
			if len(records) > 0 {
				first, last := records[0].Offset, records[len(records)-1].Offset
				say(fmt.Sprintf("read %s %d %d %d %d", c.Topic(), c.Partition(), first, last, time.Now().UnixNano()))
				owed = last + 1
			}
			if owed >= 0 && c.Commit(ctx, owed) == nil {
				owed = -1
			}
		}
	})
	if err := errors.Join(err, b.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// play is a group of member processes on real brokers, under a steady load on
// every partition.
type play struct {
	t       *testing.T
	cluster *kafkatest.Cluster
	conf    Config
	bus     *Bus // produces
	members []*exec.Cmd

	stopLoad func() // waits until everything is acknowledged

	mu     sync.Mutex        // covers the rest
	acked  int64             // records
	tracks map[string]*track // by topic/partition
	holds  int               // claims that members have begun to read
}

// track is what is known of one partition.
type track struct {
	acked     []time.Time
	ranges    [][2]int64
	high      int64 // behind the highest offset read
	advanced  []time.Time
	committed int64
}

func startPlay(t *testing.T, members int) *play {
	t.Helper()
	p := &play{t: t, cluster: kafkatest.Shared(t), tracks: map[string]*track{}}
	p.conf = Config{
		Brokers: p.cluster.Brokers(), ClientID: "bus-test",
		Group:          fmt.Sprintf("pulse.test.%d", time.Now().UnixNano()),
		SessionTimeout: 3 * time.Second, Heartbeat: 500 * time.Millisecond, WriteTimeout: 5 * time.Second,
	}
	p.bus = open(t, p.conf)
	if err := p.bus.EnsureTopics(withDeadline(t), Topics{Partitions: 3, ReplicationFactor: 3, MinInsyncReplicas: 2}); err != nil {
		t.Fatal(err)
	}
	p.cluster.AwaitISR()
	t.Cleanup(func() {
		for _, m := range p.members {
			m.Process.Kill()
			m.Wait()
		}
	})
	for range members {
		p.addMember()
	}
	p.awaitHolds(6)
	p.load(3)
	p.watchCommits()
	p.awaitReads()
	return p
}

func (p *play) addMember() {
	conf, err := json.Marshal(p.conf)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memberEnv+"="+string(conf))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	cmd.Stdout = &lines{hear: p.hear}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.members = append(p.members, cmd)
}

// lines hands on whole lines of what is written to it.
type lines struct {
	hear func(string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.hear(string(line))
		l.rest = rest
	}
}

func (p *play) hear(line string) {
	var topic string
	var partition, first, last, at int64
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(line, "hold ") {
		p.holds++
		return
	}
	if _, err := fmt.Sscanf(line, "read %s %d %d %d %d", &topic, &partition, &first, &last, &at); err != nil {
		p.t.Errorf("a member said %q", line)
		return
	}
	tr := p.track(topic, int(partition))
	tr.ranges = append(tr.ranges, [2]int64{first, last})
	if last >= tr.high {
		tr.high = last + 1
		tr.advanced = append(tr.advanced, time.Unix(0, at))
	}
}

// track needs mu.
func (p *play) track(topic string, partition int) *track {
	name := fmt.Sprintf("%s/%d", topic, partition)
	if p.tracks[name] == nil {
		p.tracks[name] = &track{}
	}
	return p.tracks[name]
}

// await is eventually for real brokers.
func (p *play) await(what string, ok func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			p.t.Fatalf("not within %s: %s", realPatience, what)
		case <-tick.C:
		}
	}
}

// awaitHolds waits until members have begun to read n claims in all.
func (p *play) awaitHolds(n int) {
	p.t.Helper()
	p.await(fmt.Sprintf("%d claims are held", n), func() bool { return p.heldSoFar() >= n })
}

func (p *play) heldSoFar() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holds
}

// load writes one record after the other to each partition that there shall be.
func (p *play) load(partitions int) {
	ctx, cancel := context.WithCancel(context.Background())
	var loaders sync.WaitGroup
	p.stopLoad = sync.OnceFunc(func() { cancel(); loaders.Wait() })
	p.t.Cleanup(p.stopLoad)
	for _, topic := range []string{wire.TopicRaw, wire.TopicRefresh} {
		for partition := range partitions {
			p.mu.Lock()
			tr := p.track(topic, partition)
			p.mu.Unlock()
			loaders.Go(func() { p.loadOne(ctx, topic, keyOf(partition, partitions), tr) })
		}
	}
}

func (p *play) loadOne(ctx context.Context, topic string, key []byte, tr *track) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		// Not ctx: what is begun is finished, so that every record is acknowledged.
		if err := p.bus.Produce(context.Background(), []wire.Record{{Topic: topic, Key: key, Value: []byte("{}")}}); err != nil {
			p.t.Error(err)
			return
		}
		p.mu.Lock()
		p.acked++
		tr.acked = append(tr.acked, time.Now())
		p.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// keyOf is a key of the partition.
func keyOf(partition, of int) []byte {
	for i := 0; ; i++ {
		if key := fmt.Sprintf("t3_%d", i); murmurPartition(key, of) == partition {
			return []byte(key)
		}
	}
}

// watchCommits follows the committed offsets. settle judges them, by the brokers'
// own log.
func (p *play) watchCommits() {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	p.t.Cleanup(func() { cancel(); done.Wait() })
	done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			p.lookAtCommits(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
}

func (p *play) lookAtCommits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	parts := []int{0, 1, 2, 3, 4, 5}
	res, err := p.bus.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: p.conf.Group, Topics: map[string][]int{wire.TopicRaw: parts, wire.TopicRefresh: parts},
	})
	if err != nil || res.Error != nil {
		return // the fault
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, all := range res.Topics {
		for _, c := range all {
			if c.Error != nil || c.CommittedOffset < 0 {
				continue
			}
			tr := p.track(topic, c.Partition)
			// A new coordinator may for a moment know less than the last one did.
			tr.committed = max(tr.committed, c.CommittedOffset)
		}
	}
}

// awaitReads waits until every partition under load has moved on twice.
func (p *play) awaitReads() {
	p.t.Helper()
	began := time.Now()
	p.await("every partition is read", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, tr := range p.tracks {
			if n := len(tr.advanced); n < 2 || tr.advanced[n-2].Before(began) {
				return false
			}
		}
		return true
	})
}

// gaps are the longest times without a write and without a read of the worst
// partitions, from a time on.
func (p *play) gaps(from time.Time) (writes, reads time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tr := range p.tracks {
		writes = max(writes, longest(tr.acked, from))
		reads = max(reads, longest(tr.advanced, from))
	}
	return writes, reads
}

func longest(events []time.Time, from time.Time) (gap time.Duration) {
	last := from
	for _, at := range events {
		if at.After(last) {
			gap, last = max(gap, at.Sub(last)), at
		}
	}
	return max(gap, time.Since(last))
}

// settle ends the load and checks that everything acknowledged was read and is
// committed. It gives the number of records written and of readings too many.
func (p *play) settle() (written, again int64) {
	p.t.Helper()
	p.stopLoad()
	ends := p.ends()
	p.await("everything written is read and committed", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for name, end := range ends {
			if tr := p.tracks[name]; end > 0 && (tr == nil || tr.high < end || tr.committed < end) {
				return false
			}
		}
		return true
	})
	p.cluster.CheckCommits(p.t, p.conf.Group)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		written += ends[name]
		if tr := p.tracks[name]; tr != nil {
			again += p.checkRanges(name, tr) - ends[name]
		}
	}
	// A record whose acknowledgement was lost is written twice.
	if written < p.acked {
		p.t.Errorf("%d records are in the log, %d were acknowledged", written, p.acked)
	}
	return written, again
}

// checkRanges gives the number of readings.
func (p *play) checkRanges(name string, tr *track) (readings int64) {
	p.t.Helper()
	slices.SortFunc(tr.ranges, func(x, y [2]int64) int { return cmp.Compare(x[0], y[0]) })
	covered := int64(0)
	for _, r := range tr.ranges {
		if r[0] > covered {
			p.t.Errorf("%s: nobody read %d to %d", name, covered, r[0]-1)
		}
		covered = max(covered, r[1]+1)
		readings += r[1] - r[0] + 1
	}
	return readings
}

// ends is the end of the log of every partition.
func (p *play) ends() map[string]int64 {
	p.t.Helper()
	ends := make(map[string]int64)
	p.await("all partitions tell their end", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		states, err := p.bus.DescribeTopics(ctx)
		if err != nil {
			return false
		}
		for _, s := range states {
			if s.Name == wire.TopicDead {
				continue
			}
			for i := range s.Partitions {
				c := newClaim(p.bus, nil, assignment{topic: s.Name, partition: i})
				_, end, err := c.bounds(ctx)
				if err != nil {
					return false
				}
				ends[c.String()] = end
			}
		}
		return true
	})
	return ends
}

func (p *play) signal(member int, s syscall.Signal) {
	p.t.Helper()
	if err := p.members[member].Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}
