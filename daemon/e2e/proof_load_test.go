package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

var (
	seed     = flag.Uint64("seed", 1, "of the readings that the proofs write")
	loadRate = flag.Int("rate", map[bool]int{false: 1000, true: 250}[raceFlag != "-race=false"], "readings a second that the proofs write")
)

// shape says what a load is like.
type shape struct {
	rate     int     // readings a second, 0: as fast as the brokers take them
	width    int     // posts that are read at a time, in turn
	readings float64 // of a post, on average; 0: its posts are read without end
	moving   bool    // each step is long and moves the score beyond any noise
	repeats  float64 // share of readings that are sent once more, now or later
	poison   float64 // share of records that can never be stored
}

// ordinary is what the topics carry, and somewhat more repeats and poison.
func ordinary() shape {
	return shape{rate: *loadRate, width: 500, readings: 10, repeats: 0.03, poison: 0.005}
}

// load writes numbered readings into the topics, first sights into raw, later
// ones into refresh, each post's in order, and keeps what became of each. One
// goroutine writes; what it wrote is looked at when it has stopped.
type load struct {
	shape  shape
	client *kgo.Client
	random *rand.Rand
	begun  time.Time
	all    []*series // every post ever begun
	active []*series
	turn   int
	cancel func() // ends the writer; again is harmless

	mu      sync.Mutex      // covers the rest, and the outcome of readings
	poison  map[string]bool // by topic/partition/offset
	acked   int             // records
	unknown int             // records of which nobody knows whether they were written
}

// series is the readings of one post.
type series struct {
	id, subreddit string
	created       time.Time
	readings      []reading
}

type reading struct {
	at              time.Time
	score, comments int64
	acked           int  // times
	unknown         bool // at least one sending has no outcome
}

// newLoad makes a load that has written nothing yet.
func newLoad(t testing.TB, c *cluster, s shape) *load {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProduceRequestTimeout(3*time.Second), kgo.RequestTimeoutOverhead(2*time.Second),
		// New partitions and leaders are noticed by this.
		kgo.MetadataMaxAge(2*time.Second), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	l := &load{
		shape: s, client: client, random: rand.New(rand.NewPCG(*seed, *seed)), poison: map[string]bool{},
		begun: time.Now().Add(-20 * time.Hour).UTC().Truncate(time.Millisecond), cancel: func() {},
	}
	for range s.width {
		l.active = append(l.active, l.newPost())
	}
	return l
}

// start writes at the shape's rate until stop.
func (l *load) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	l.cancel = func() { cancel(); <-done }
	go func() {
		defer close(done)
		begun, written := time.Now(), 0
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for due := int(time.Since(begun).Seconds() * float64(l.shape.rate)); written < due && ctx.Err() == nil; written++ {
				l.write()
			}
		}
	}()
}

// stop ends the writer and waits until every record has its outcome.
func (l *load) stop(t testing.TB) {
	t.Helper()
	l.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.client.Flush(ctx); err != nil {
		t.Fatalf("the load's last records have no outcome: %v", err)
	}
}

// writeAll writes n readings at once.
func (l *load) writeAll(t testing.TB, n int) {
	t.Helper()
	for range n {
		l.write()
	}
	l.stop(t)
}

// write sends the next reading of the post whose turn it is.
func (l *load) write() {
	if l.random.Float64() < l.shape.poison {
		l.sendPoison()
	}
	s := l.active[l.turn]
	l.mu.Lock()
	s.readings = append(s.readings, l.next(s))
	l.mu.Unlock()
	newest := len(s.readings) - 1
	l.send(s, newest)
	if dice := l.random.Float64(); dice < l.shape.repeats/2 {
		l.send(s, newest)
	} else if dice < l.shape.repeats {
		l.send(s, l.random.IntN(newest+1))
	}
	if l.shape.readings > 0 && l.random.Float64() < 1/l.shape.readings {
		l.active[l.turn] = l.newPost()
	}
	l.turn = (l.turn + 1) % len(l.active)
}

func (l *load) newPost() *series {
	const sixDigits = 36 * 36 * 36 * 36 * 36
	s := &series{
		id:        "t3_q" + strconv.FormatInt(int64(sixDigits+len(l.all)), 36),
		subreddit: fmt.Sprintf("proof_%d", l.random.IntN(20)),
		created:   l.begun.Add(-time.Duration(l.random.IntN(180)) * time.Minute),
	}
	l.all = append(l.all, s)
	return s
}

// next makes up how a post goes on: about half of the steps are within Reddit's
// noise, and some are shorter than any velocity is computed over.
func (l *load) next(s *series) reading {
	if len(s.readings) == 0 {
		at := l.begun.Add(time.Duration(l.random.IntN(60_000)) * time.Millisecond)
		return reading{at: at, score: 1 + l.random.Int64N(200), comments: l.random.Int64N(20)}
	}
	before := s.readings[len(s.readings)-1]
	after := reading{comments: before.comments + l.random.Int64N(4)}
	step := 31_000 + l.random.IntN(240_000)
	gain := l.random.Int64N(13) - 6
	switch dice := l.random.IntN(20); {
	case l.shape.moving || dice < 7:
		gain = 20 + before.score/10 + l.random.Int64N(60)
	case dice < 8:
		gain = 1000 + l.random.Int64N(2000)
	case dice < 9:
		gain = -before.score / 4
	case dice < 10:
		step = 1_000 + l.random.IntN(29_000)
	}
	after.at = before.at.Add(time.Duration(step) * time.Millisecond)
	after.score = min(max(before.score+gain, 0), 100_000_000)
	return after
}

// observation is a reading as ingest would write it; its link says when it was
// sent, in microseconds.
func (s *series) observation(n int) pulse.Observation {
	r := &s.readings[n]
	return pulse.Observation{
		PostID: s.id, ObservedAt: r.at, Source: "info", Subreddit: s.subreddit,
		Title:  "A title of ordinary length for the post with the name " + s.id,
		Author: "author_of_" + s.id, Permalink: "/r/" + s.subreddit + "/comments/" + s.id[3:] + "/a_title_of_ordinary_length/",
		URL:       sentMark + strconv.FormatInt(time.Now().UnixMicro(), 10),
		CreatedAt: s.created, Score: r.score, NumComments: r.comments, State: pulse.Live,
	}
}

const sentMark = "https://example.org/?sent="

func (l *load) send(s *series, n int) {
	o := s.observation(n)
	topic := wire.TopicRefresh
	if n == 0 {
		topic = wire.TopicRaw
	}
	l.produce(topic, s.id, wire.EncodeObservation(&o), func(_ *kgo.Record, err error) {
		if err == nil {
			s.readings[n].acked++
		} else {
			s.readings[n].unknown = true
		}
	})
}

func (l *load) sendPoison() {
	s := l.active[l.random.IntN(len(l.active))]
	values := []string{`{"v":99}`, "not JSON", `{"v":1,"post_id":"` + s.id + `","observed_at":"9999-01-01T00:00:00Z"}`, ""}
	topic := []string{wire.TopicRaw, wire.TopicRefresh}[l.random.IntN(2)]
	l.produce(topic, s.id, []byte(values[l.random.IntN(len(values))]), func(r *kgo.Record, err error) {
		if err == nil {
			l.poison[fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)] = true
		}
	})
}

// produce tells the outcome while mu is held.
func (l *load) produce(topic, key string, value []byte, outcome func(*kgo.Record, error)) {
	sent := []byte(wire.FormatTime(time.Now()))
	record := &kgo.Record{
		Topic: topic, Key: []byte(key), Value: value,
		Headers: []kgo.RecordHeader{{Key: wire.HeaderProducedAt, Value: sent}},
	}
	l.client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err == nil {
			l.acked++
		} else {
			l.unknown++
		}
		outcome(r, err)
	})
}
