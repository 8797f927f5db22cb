package embedded

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	testTopic = "reddit.posts.raw"
	testGroup = "pulse.process"
)

func kafkaClient(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr),
		// Later commits name topics by their ids, which our own client does not.
		kgo.MaxVersions(kversion.V2_8_0()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func makeTopic(t *testing.T, cl *kgo.Client) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = testTopic, 3, 1
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(within(t, 5*time.Second), cl)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// commitAlone commits as a client that is in no group does.
func commitAlone(t *testing.T, cl *kgo.Client, group string, offset int64) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = testTopic
	part := kmsg.NewOffsetCommitRequestTopicPartition()
	part.Offset, part.Metadata = offset, kmsg.StringPtr("line 7")
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(within(t, 5*time.Second), cl)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode); err != nil {
		t.Fatalf("commit for %s: %v", group, err)
	}
}

func committed(t *testing.T, cl *kgo.Client, group string, partition int32) (offset int64, meta string) {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = testTopic, []int32{partition}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(within(t, 5*time.Second), cl)
	if err != nil {
		t.Fatal(err)
	}
	p := resp.Topics[0].Partitions[0]
	if p.Metadata != nil {
		meta = *p.Metadata
	}
	return p.Offset, meta
}

func produce(t *testing.T, cl *kgo.Client, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: testTopic, Key: []byte("t3_" + strconv.Itoa(i)), Value: fmt.Appendf(nil, "%d", i)})
	}
	if err := cl.ProduceSync(within(t, 20*time.Second), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume reads until n records have come and gives their values' sum.
func consume(t *testing.T, cl *kgo.Client, n int) (sum int) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for got := 0; got < n; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", got, n, err)
		}
		for r := range fetches.RecordsAll() {
			v, err := strconv.Atoi(string(r.Value))
			if err != nil {
				t.Fatal(err)
			}
			sum += v
			got++
		}
	}
	return sum
}

func TestAKilledBrokerKeepsRecordsOffsetsAndItsPort(t *testing.T) {
	t.Parallel()
	const before, after = 5000, 100
	dir := openDir(t)
	c := run(t, "kafka", dir, nil)
	if c.Err != "" {
		t.Fatal(c.Err)
	}
	cl := kafkaClient(t, c.Addr)
	makeTopic(t, cl)
	produce(t, cl, 0, before)
	commitAlone(t, cl, "pulse.import.x", 42)
	member := kafkaClient(t, c.Addr, kgo.ConsumerGroup(testGroup), kgo.ConsumeTopics(testTopic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	consume(t, member, before)
	if err := member.CommitUncommittedOffsets(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	c.kill()

	k, err := StartKafka(within(t, 10*time.Second), KafkaConfig{Dir: dir, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if k.Brokers()[0] != c.Addr {
		t.Errorf("address after the kill = %s, want %s", k.Brokers()[0], c.Addr)
	}
	cl = kafkaClient(t, k.Brokers()[0])
	if offset, meta := committed(t, cl, "pulse.import.x", 0); offset != 42 || meta != "line 7" {
		t.Errorf("simple commit after the kill = %d %q, want 42 \"line 7\"", offset, meta)
	}
	var total int64
	for p := range int32(3) {
		offset, _ := committed(t, cl, testGroup, p)
		total += offset
	}
	if total != before {
		t.Errorf("group's offsets after the kill add up to %d, want %d", total, before)
	}
	produce(t, cl, before, before+after)
	all := kafkaClient(t, c.Addr, kgo.ConsumeTopics(testTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	n := before + after
	if got, want := consume(t, all, n), n*(n-1)/2; got != want {
		t.Errorf("sum of all values = %d, want %d", got, want)
	}
}

func TestNoTopicMakesItself(t *testing.T) {
	t.Parallel()
	k, err := StartKafka(within(t, 10*time.Second), KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	cl := kafkaClient(t, k.Brokers()[0], kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err = cl.ProduceSync(within(t, 5*time.Second), &kgo.Record{Topic: "misspelt", Value: []byte("x")}).FirstErr()
	if err == nil {
		t.Error("a record for an unknown topic was taken")
	}
}

func TestATakenPortIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := StartKafka(within(t, 10*time.Second), KafkaConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	addr := k.Brokers()[0]
	begun := time.Now()
	k.Close()
	k.Close()
	if took := time.Since(begun); took > kafkaCloseLimit {
		t.Errorf("Close took %s", took)
	}
	other, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	k, err = StartKafka(within(t, 10*time.Second), KafkaConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := kafkaClient(t, k.Brokers()[0]).Ping(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptedKafkaStartFreesItsPort(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := openDir(t)
	if k, err := StartKafka(ctx, KafkaConfig{Dir: dir}); err == nil {
		k.Close()
	}
	eventually(t, "the port is free", func() bool {
		l, err := listenOn(remembered(dir + "/port"))
		if err != nil {
			return false
		}
		l.Close()
		return true
	})
}
