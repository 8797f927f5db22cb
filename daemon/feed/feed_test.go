package feed_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

func TestSnapshotThenLive(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(posts(1, 80)...)

	c := r.dial("")
	hello, snap := c.open(wire.Snapshot)
	if hello.Epoch != "e1" || *hello.Seq != 80 || hello.HeartbeatSeconds != 15 || hello.ServerTime == nil {
		t.Errorf("hello is %+v", hello)
	}
	got := *snap.Posts
	if len(got) != 50 || got[0].ID != "t3_31" || got[49].ID != "t3_80" || *got[49].Seq != 80 {
		t.Errorf("snapshot has %d posts, %v", len(got), ids(got))
	}
	r.stream.add(posts(81, 90)...)
	if got := ids(c.until(90)); len(got) != 10 || got[0] != "t3_81" || got[9] != "t3_90" {
		t.Errorf("live posts are %v", got)
	}
}

func TestSnapshotHasTheNewestReadingOfEachMatchingPostOnce(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	again := post(3)
	again.ObservedAt = again.ObservedAt.Add(time.Hour)
	again.Score = 77
	gone := post(6) // matched once, its newest reading does not
	gone.ObservedAt = gone.ObservedAt.Add(time.Hour)
	gone.Subreddit = "elsewhere"
	r.fill(append(posts(1, 9), again, gone)...)
	c := r.dial("subreddit=GOLANG")
	_, snap := c.open(wire.Snapshot)
	if got, want := ids(*snap.Posts), []string{"t3_9", "t3_3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResumeAnswersExactlyOneOfThree(t *testing.T) {
	t.Parallel()
	c := quick()
	c.LogLength = 100
	r := start(t, c, newMemory())
	r.fill(posts(1, 150)...)
	for _, tc := range []struct {
		query, want string
		first       int // number of the first replayed post
	}{
		{"epoch=e1&after=150", wire.NothingMissed, 0},
		{"epoch=e1&after=149", wire.Replayed, 150},
		{"epoch=e1&after=50", wire.Replayed, 51}, // the whole ring
		{"epoch=e1&after=49", wire.Snapshot, 0},  // just out of it
		{"epoch=e1&after=0", wire.Snapshot, 0},
		{"epoch=e1&after=151", wire.Snapshot, 0}, // from the future
		{"epoch=e1&after=18446744073709551615", wire.Snapshot, 0},
		{"epoch=e0&after=150", wire.Snapshot, 0},
	} {
		t.Run(tc.query, func(t *testing.T) {
			cl := r.dial(tc.query)
			cl.t = t
			hello, _ := cl.open(tc.want)
			if tc.want == wire.Replayed {
				cl.epoch, cl.pos = hello.Epoch, uint64(tc.first-1)
				got := cl.until(150)
				if len(got) != 151-tc.first || got[0].ID != fmt.Sprintf("t3_%d", tc.first) {
					t.Errorf("replayed %v", ids(got))
				}
			}
			cl.conn.Close()
		})
	}
}

func TestAnEmptyFeedOpensAndStarts(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	c := r.dial("")
	_, snap := c.open(wire.Snapshot)
	if len(*snap.Posts) != 0 || *snap.Seq != 0 {
		t.Errorf("snapshot of nothing is %+v", snap)
	}
	r.stream.add(post(1), post(2))
	snap = c.must(wire.FrameSnapshot) // of the first epoch
	if snap.Epoch != "e1" || *snap.Seq != 2 || len(*snap.Posts) != 2 {
		t.Errorf("got %+v", snap)
	}
}

func TestANewEpochSendsSnapshots(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(posts(1, 20)...)
	var clients []*client
	for _, q := range []string{"", "subreddit=golang", "subreddit=nowhere"} {
		c := r.dial(q)
		c.open(wire.Snapshot)
		clients = append(clients, c)
	}
	r.stream.change(func() { r.stream.state, r.stream.entries = wire.FeedState{}, nil })
	eventually(t, "the wiped stream was seen", func() bool { return r.feed.Healthy() == nil })
	r.stream.change(func() { r.stream.state.Epoch = "e2" })
	r.stream.add(posts(100, 105)...)
	for i, c := range clients {
		for c.epoch != "e2" || c.pos != 6 {
			if f, err := c.frame(); err != nil {
				t.Fatal(err)
			} else if f.Type == wire.FrameSnapshot && f.Epoch == "e2" && *f.Seq == 6 {
				if want := []int{6, 2, 0}[i]; len(*f.Posts) != want {
					t.Errorf("client %d got %d posts, want %d", i, len(*f.Posts), want)
				}
			}
		}
	}
}

// A failover may lose the end of the stream: the numbers come again.
func TestANumberThatWentBackIsANewEpoch(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(posts(1, 20)...)
	c := r.dial("")
	c.open(wire.Snapshot)
	c.until(20)
	r.stream.change(func() { r.stream.state.Seq, r.stream.entries = 15, r.stream.entries[:15] })
	snap := c.must(wire.FrameSnapshot)
	if snap.Epoch == "e1" || *snap.Seq != 15 {
		t.Errorf("snapshot %s %d, want another epoch at 15", snap.Epoch, *snap.Seq)
	}
	r.stream.add(post(200))
	if got := ids(c.until(16)); !slices.Equal(got, []string{"t3_200"}) {
		t.Errorf("got %v", got)
	}
	back := r.dial("epoch=e1&after=18")
	back.open(wire.Snapshot)
}

func TestNumbersTheStreamHasLostAreASnapshot(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(posts(1, 20)...)
	c := r.dial("")
	c.open(wire.Snapshot)
	c.until(20)
	r.stream.change(func() { // 21 to 40 were trimmed before we could read them
		r.stream.state.Seq = 40
		r.stream.entries = nil
	})
	r.stream.add(post(41))
	for c.pos < 41 {
		if _, err := c.frame(); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.metric("pulse_feed_rebases_total"); n < 1 {
		t.Errorf("%v rebases", n)
	}
}

func TestDuplicatesAndPoisonAreCoveredAndSkipped(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(post(1))
	c := r.dial("epoch=e1&after=0")
	c.open(wire.Replayed)
	c.epoch = "e1"
	older := post(2)
	older.ObservedAt = older.ObservedAt.Add(-time.Second)
	r.stream.add(post(2), post(2), older)
	r.stream.addRaw([]byte(`{"id":`), []byte(`{}`), nil)
	last := r.stream.add(post(3))
	if got, want := ids(c.until(last)), []string{"t3_1", "t3_2", "t3_3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := r.metric("pulse_feed_duplicates_total"); n != 2 {
		t.Errorf("%v duplicates counted, want 2", n)
	}
	if n := r.metric("pulse_feed_poison_total"); n != 3 {
		t.Errorf("%v poisonous entries counted, want 3", n)
	}
}

func TestAnOutageOfTheStreamKeepsSocketsOpen(t *testing.T) {
	t.Parallel()
	stream := newMemory()
	stream.add(post(1))
	r := start(t, quick(), stream)
	if err := r.feed.Healthy(); err != nil {
		t.Fatalf("healthy feed: %v", err)
	}
	c := r.dial("")
	c.open(wire.Snapshot)
	stream.change(func() { stream.err = errors.New("connection refused") })
	eventually(t, "the outage shows", func() bool { return r.feed.Healthy() != nil })
	if code := pulse.CodeOf(r.feed.Healthy()); code != pulse.Unavailable {
		t.Errorf("code %s, want unavailable", code)
	}
	stream.change(func() { stream.err = nil })
	stream.add(post(2))
	if got := ids(c.until(2)); !slices.Equal(got, []string{"t3_2"}) {
		t.Errorf("got %v", got)
	}
	eventually(t, "it is healthy again", func() bool { return r.feed.Healthy() == nil })
}

func TestFilters(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	trend := func(p *pulse.Post) { p.Trend = &pulse.Trend{Score: 90, Reason: "fast", Since: opened} }
	unknown := func(p *pulse.Post) { p.Velocity = nil }
	r.fill(post(1), post(2, trend), post(3, unknown), post(49), post(99))
	for _, tc := range []struct {
		query string
		want  []string
	}{
		{"subreddit=POLITICS", []string{"t3_1", "t3_49"}},
		{"subreddit=politics&subreddit=news", []string{"t3_1", "t3_2", "t3_49"}},
		{"min_score=49", []string{"t3_49", "t3_99"}},
		{"min_velocity=0", []string{"t3_1", "t3_2", "t3_49", "t3_99"}},
		{"trending=true", []string{"t3_2"}},
		{"trending=false&min_score=99", []string{"t3_99"}},
		{"q=üNÏCODE+number+49", []string{"t3_49"}},
		{"q=nothing", []string{}},
	} {
		t.Run(tc.query, func(t *testing.T) {
			c := r.dial("epoch=e1&after=0&" + tc.query)
			c.t = t
			c.open(wire.Replayed)
			c.epoch = "e1"
			if got := ids(c.until(5)); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestALiveFilterContinuesTheNumbers(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), newMemory())
	r.fill(posts(1, 10)...)
	c := r.dial("subreddit=nowhere")
	c.open(wire.Snapshot)
	r.stream.add(posts(11, 20)...) // quiet for this client
	eventually(t, "the feed moved", func() bool { return r.metric("pulse_feed_seq") == 20 })
	c.send(map[string]any{"type": "filter", "min_score": 0})
	got := ids(c.until(20))
	if len(got) != 10 || got[0] != "t3_11" {
		t.Errorf("after the switch came %v", got)
	}
	c.send(map[string]any{"type": "filter", "subreddit": []string{"golang"}})
	eventually(t, "the filter is served", func() bool { return r.metric("pulse_feed_filters") == 1 })
	last := r.stream.add(posts(21, 30)...)
	for _, p := range c.until(last) {
		if p.Subreddit != "golang" && *p.Seq > 20 {
			// The switch may still have been on its way for the first of them.
			t.Logf("post of %s before the switch", p.Subreddit)
		}
	}
}

func TestHeartbeatsCoverQuietNumbers(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Heartbeat = 200 * time.Millisecond
	r := start(t, cfg, newMemory())
	r.fill(post(1))
	c := r.dial("subreddit=nowhere")
	c.open(wire.Snapshot)
	pinged := false
	c.conn.SetPingHandler(func(string) error {
		pinged = true
		return c.conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(patience))
	})
	last := r.stream.add(posts(2, 40)...)
	for beats := 0; beats < 2 || c.pos < last; {
		f, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Type == wire.FrameHeartbeat {
			beats++
		}
	}
	if !pinged {
		t.Error("no ping came")
	}
}

func TestSilentClientsAreDropped(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Heartbeat = 100 * time.Millisecond
	r := start(t, cfg, newMemory())
	c := r.dial("")
	c.open(wire.Snapshot)
	c.conn.SetPingHandler(func(string) error { return nil }) // no pong
	eventually(t, "the silent client is gone", func() bool {
		return r.metric("pulse_feed_closed_total", "code", "1006") == 1
	})
}

func TestShutdownClosesWith1012(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			t.Parallel()
			r := startTLS(t, quick(), newMemory(), secure)
			r.stream.add(posts(1, 10)...)
			var clients []*client
			for range 20 {
				c := r.dialTLS("")
				c.open(wire.Snapshot)
				clients = append(clients, c)
			}
			codes := make(chan int, len(clients))
			for _, c := range clients {
				go func() {
					codes <- c.closed()
					c.conn.Close()
				}()
			}
			r.stop()
			for range clients {
				if code := <-codes; code != wire.CloseRestart {
					t.Errorf("closed with %d, want 1012", code)
				}
			}
			if n := r.metric("pulse_feed_clients"); n != 0 {
				t.Errorf("%v sockets left", n)
			}
			if _, err := r.tryDialTLS(""); err == nil {
				t.Error("a stopped feed took a socket")
			}
		})
	}
}
