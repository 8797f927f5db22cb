package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"dev.redditpulse/shared/config"
	"dev.redditpulse/shared/wire"
)

// place is one partition.
type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s/%d", p.topic, p.partition) }

// observer asks the brokers how far processing is.
type observer struct {
	client      *kgo.Client
	coordinator atomic.Pointer[kgo.Broker] // nil while unknown
}

func newObserver(t testing.TB, c *cluster) *observer {
	t.Helper()
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.OffsetFetch.Int16(), 7) // later ones name topics by number
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.MetadataMinAge(250*time.Millisecond), kgo.MaxVersions(versions))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &observer{client: client}
}

// committed gives the group's offsets. The client by itself would go on asking a
// coordinator that has died.
func (o *observer) committed(ctx context.Context) (map[place]int64, error) {
	coordinator := o.coordinator.Load()
	if coordinator == nil {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKey = config.Default().Kafka.Group
		found, err := find.RequestWith(ctx, o.client)
		if err != nil {
			return nil, err
		}
		if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
			return nil, err
		}
		coordinator = o.client.Broker(int(found.NodeID))
	}
	offsets, err := offsetsAt(ctx, coordinator)
	if err != nil {
		coordinator = nil
	}
	o.coordinator.Store(coordinator)
	return offsets, err
}

func offsetsAt(ctx context.Context, coordinator *kgo.Broker) (map[place]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = config.Default().Kafka.Group
	resp, err := req.RequestWith(ctx, coordinator)
	if err != nil {
		return nil, err
	}
	offsets := map[place]int64{}
	faults := []error{kerr.ErrorForCode(resp.ErrorCode)}
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			faults = append(faults, kerr.ErrorForCode(p.ErrorCode))
			if p.Offset >= 0 {
				offsets[place{topic.Topic, p.Partition}] = p.Offset
			}
		}
	}
	return offsets, errors.Join(faults...)
}

// ends gives where each partition that the group reads ends.
func (o *observer) ends(ctx context.Context, topics ...string) (map[place]int64, error) {
	list := kmsg.NewPtrListOffsetsRequest()
	known := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		known.Topics = append(known.Topics, topic)
	}
	meta, err := known.RequestWith(ctx, o.client)
	if err != nil {
		return nil, err
	}
	for _, topic := range meta.Topics {
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = *topic.Topic
		for _, p := range topic.Partitions {
			partition := kmsg.NewListOffsetsRequestTopicPartition()
			partition.Partition, partition.Timestamp = p.Partition, -1
			asked.Partitions = append(asked.Partitions, partition)
		}
		list.Topics = append(list.Topics, asked)
	}
	resp, err := list.RequestWith(ctx, o.client)
	if err != nil {
		return nil, err
	}
	ends := map[place]int64{}
	var faults []error
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			faults = append(faults, kerr.ErrorForCode(p.ErrorCode))
			ends[place{topic.Topic, p.Partition}] = p.Offset
		}
	}
	return ends, errors.Join(faults...)
}

// backlog is how many records the group has still before it, -1 while nobody
// can tell.
func (o *observer) backlog(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := o.ends(ctx, wire.TopicRaw, wire.TopicRefresh)
	if err != nil {
		return -1
	}
	done, err := o.committed(ctx)
	if err != nil {
		return -1
	}
	var left int64
	for at, end := range ends {
		left += end - done[at]
	}
	return left
}

// lookout looks at a running cluster again and again: whatever happens, committed
// offsets and the newest readings of posts only go forward.
type lookout struct {
	*observer
	stop   func()
	copied bool // several brokers keep the offsets: their log is judged instead

	mu      sync.Mutex // covers the rest
	offsets map[place]int64
	moves   map[place][]time.Time // when each offset was seen to move
	newest  map[string]time.Time  // observed_at by post, of some posts
	faults  []string
}

const (
	watchEvery = 20 * time.Millisecond
	// watchPosts is how many posts are followed: the first that are stored.
	watchPosts = 300
)

func startLookout(t testing.TB, c *cluster) *lookout {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &lookout{
		observer: newObserver(t, c), copied: len(c.brokers) > 1, offsets: map[place]int64{},
		moves: map[place][]time.Time{}, newest: map[string]time.Time{},
	}
	var both sync.WaitGroup
	both.Go(func() { repeat(ctx, watchEvery, func() { w.lookAtOffsets(ctx) }) })
	dsn := c.dsn
	both.Go(func() {
		var conn *pgx.Conn
		defer func() {
			if conn != nil {
				conn.Close(context.Background())
			}
		}()
		repeat(ctx, 10*watchEvery, func() { conn = w.lookAtPosts(ctx, dsn, conn) })
	})
	w.stop = func() { cancel(); both.Wait() }
	t.Cleanup(w.stop)
	return w
}

func repeat(ctx context.Context, every time.Duration, act func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			act()
		}
	}
}

func (w *lookout) lookAtOffsets(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	offsets, err := w.committed(ctx)
	if err != nil {
		return // the brokers are away
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for at, offset := range offsets {
		before := w.offsets[at]
		if offset < before && !w.copied {
			w.faults = append(w.faults, fmt.Sprintf("the offset of %s went back from %d to %d", at, before, offset))
		}
		if offset > before {
			w.moves[at] = append(w.moves[at], now)
		}
		w.offsets[at] = max(before, offset)
	}
}

// lookAtPosts gives the connection to use next, nil while the database is away.
func (w *lookout) lookAtPosts(ctx context.Context, dsn string, conn *pgx.Conn) *pgx.Conn {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if conn == nil {
		var err error
		if conn, err = pgx.Connect(ctx, dsn); err != nil {
			return nil
		}
	}
	rows, err := conn.Query(ctx, `select id, observed_at from posts order by id limit $1`, watchPosts)
	var id string
	var at time.Time
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if before := w.newest[id]; at.Before(before) {
				w.faults = append(w.faults, fmt.Sprintf("observed_at of %s went back from %s to %s", id, before, at))
			}
			w.newest[id] = at
			return nil
		})
	}
	if err != nil {
		conn.Close(context.Background())
		return nil
	}
	return conn
}

// partitions is how many partitions have ever moved.
func (w *lookout) partitions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.moves)
}

// allMovedSince tells whether every partition that ever moved has done so since.
func (w *lookout) allMovedSince(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, moves := range w.moves {
		if !moves[len(moves)-1].After(since) {
			return false
		}
	}
	return len(w.moves) > 0
}

// stall is the longest time between from and to in which a partition did not
// move, of the partition that was worst off.
func (w *lookout) stall(from, to time.Time) (worst time.Duration, where place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, moves := range w.moves {
		before := from
		for _, moved := range append(moves[:len(moves):len(moves)], to) {
			if moved.After(to) {
				moved = to
			}
			if still := moved.Sub(before); moved.After(from) && still > worst {
				worst, where = still, at
			}
			if moved.After(before) {
				before = moved
			}
		}
	}
	return worst, where
}
