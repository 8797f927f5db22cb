package bus

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestTopicsAreMadeOnceByAnyNumberOfProcesses(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	want := Topics{Partitions: 3, ReplicationFactor: 3, MinInsyncReplicas: 2, Retention: 7 * 24 * time.Hour, DeadRetention: 30 * 24 * time.Hour}
	var wg sync.WaitGroup
	for range 3 {
		b := open(t, config(c.ListenAddrs()...))
		wg.Go(func() {
			if err := b.EnsureTopics(withDeadline(t), want); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b := open(t, config(c.ListenAddrs()...))
	states, err := b.DescribeTopics(withDeadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range states {
		if s.Name != topics[i] || len(s.Partitions) != 3 || !s.Led() || len(s.Partitions[0].ISR) != 3 {
			t.Errorf("topic %d is %+v", i, s)
		}
	}
	for topic, retention := range map[string]string{wire.TopicRaw: "604800000", wire.TopicDead: "2592000000"} {
		conf := c.TopicInfo(topic).Configs
		for key, value := range map[string]string{
			"retention.ms": retention, "min.insync.replicas": "2", "compression.type": "producer",
		} {
			if got := conf[key]; got == nil || *got != value {
				t.Errorf("%s of %s is %v, want %s", key, topic, got, value)
			}
		}
	}
	want.Partitions = 2 // fewer than there are: fine, and nothing shrinks
	if err := b.EnsureTopics(withDeadline(t), want); err != nil {
		t.Error(err)
	}
}

func TestTopicsGrowTogetherAndNeverShrink(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	count := func() (all []int) {
		states, err := b.DescribeTopics(withDeadline(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			all = append(all, len(s.Partitions))
		}
		return all
	}
	var wg sync.WaitGroup
	for range 3 { // at once, and again
		other := open(t, config(c.ListenAddrs()...))
		wg.Go(func() {
			for range 2 {
				if err := other.GrowTopics(withDeadline(t), 6); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := count(); !slices.Equal(got, []int{6, 6, 6}) {
		t.Errorf("partitions are %v, want 6 each", got)
	}
	for _, n := range []int{5, 0, -1, 65} {
		var e *pulse.Error
		if err := b.GrowTopics(withDeadline(t), n); !errors.As(err, &e) || e.Field != "partitions" {
			t.Errorf("grow to %d: got %v, want an error about the partitions", n, err)
		}
	}
	if got := count(); !slices.Equal(got, []int{6, 6, 6}) {
		t.Errorf("partitions are %v after refusals, want 6 each", got)
	}
	empty := open(t, config(cluster(t).ListenAddrs()...))
	if err := empty.GrowTopics(withDeadline(t), 6); err == nil || !strings.Contains(err.Error(), "pulse topics ensure") {
		t.Errorf("got %v, want what to run", err)
	}
}

func TestMissingTopicsAreDescribedAsEmpty(t *testing.T) {
	t.Parallel()
	b := open(t, config(cluster(t).ListenAddrs()...))
	states, err := b.DescribeTopics(withDeadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != 3 || states[0].Led() || len(states[0].Partitions) != 0 {
		t.Errorf("got %+v", states)
	}
}

func TestSettingsThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	b := open(t, config("127.0.0.1:1"))
	for field, topics := range map[string]Topics{
		"kafka.partitions":          {},
		"kafka.replication_factor":  {Partitions: 3},
		"kafka.min_insync_replicas": {Partitions: 3, ReplicationFactor: 1, MinInsyncReplicas: 2},
		"kafka.retention":           {Partitions: 3, ReplicationFactor: 1, MinInsyncReplicas: 1, Retention: -1},
	} {
		var e *pulse.Error
		if err := b.EnsureTopics(withDeadline(t), topics); !errors.As(err, &e) || e.Field != field {
			t.Errorf("got %v, want field %s", err, field)
		}
	}
	for field, c := range map[string]Config{
		"kafka.brokers":         {},
		"kafka.session_timeout": {Brokers: []string{"x"}, SessionTimeout: -1},
	} {
		var e *pulse.Error
		if _, err := Open(c, quiet(), nil); !errors.As(err, &e) || e.Field != field {
			t.Errorf("got %v, want field %s", err, field)
		}
	}
}

func TestNoBrokerAtAllIsAnErrorInTime(t *testing.T) {
	t.Parallel()
	b := open(t, config("127.0.0.1:1", mute(t)))
	began := time.Now()
	if err := b.Ping(withDeadline(t)); err == nil {
		t.Error("nobody is there, and Ping is content")
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestProgressIsKeptUntilItIsForgotten(t *testing.T) {
	t.Parallel()
	c := seeded(t, 3)
	b := open(t, config(c.ListenAddrs()...))
	ctx := withDeadline(t)
	check := func(id string, offset int64, meta string) {
		t.Helper()
		o, m, err := b.Progress(ctx, id)
		if err != nil || o != offset || m != meta {
			t.Errorf("progress of %s is %d %q (%v), want %d %q", id, o, m, err, offset, meta)
		}
	}
	check("a", 0, "")
	for _, o := range []int64{5, 900, 100} {
		if err := b.SaveProgress(ctx, "a", o, "dump.zst"); err != nil {
			t.Fatal(err)
		}
		check("a", o, "dump.zst")
	}
	check("b", 0, "")
	c.RehashCoordinators()
	check("a", 100, "dump.zst")
	for range 2 {
		if err := b.ForgetProgress(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		check("a", 0, "")
	}
}
