package feed_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// wish is a filter as a query and as a rule of its own.
type wish struct {
	query url.Values
	keeps func(*pulse.Post) bool
}

func randomWish(rnd *rand.Rand) wish {
	w := wish{query: url.Values{}, keeps: func(*pulse.Post) bool { return true }}
	and := func(rule func(*pulse.Post) bool) {
		before := w.keeps
		w.keeps = func(p *pulse.Post) bool { return before(p) && rule(p) }
	}
	if rnd.IntN(2) == 0 {
		name := []string{"golang", "politics", "news"}[rnd.IntN(3)]
		w.query.Set("subreddit", strings.ToUpper(name))
		and(func(p *pulse.Post) bool { return strings.EqualFold(p.Subreddit, name) })
	}
	if rnd.IntN(3) == 0 {
		least := rnd.Int64N(100)
		w.query.Set("min_score", fmt.Sprint(least))
		and(func(p *pulse.Post) bool { return p.Score >= least })
	}
	if rnd.IntN(3) == 0 {
		least := float64(rnd.IntN(50))
		w.query.Set("min_velocity", fmt.Sprint(least))
		and(func(p *pulse.Post) bool { return p.Velocity != nil && *p.Velocity >= least })
	}
	if rnd.IntN(4) == 0 {
		word := fmt.Sprint(rnd.IntN(10))
		w.query.Set("q", word)
		and(func(p *pulse.Post) bool { return slices.Contains(strings.Fields(p.Title), word) })
	}
	return w
}

// Clients with all sorts of filters come, go and come back; each must end up
// with exactly the posts that its filter chooses from the whole log, in order.
func TestEveryClientGetsEverythingOnce(t *testing.T) {
	// Not parallel: it takes the whole machine for a moment.
	const clients, total = 200, 3000
	cfg := quick()
	cfg.LogLength = total + 1
	cfg.Heartbeat = 4 * time.Second // quiet numbers get covered within two
	r := start(t, cfg, newMemory())
	all := posts(1, total)
	r.fill(all[0])

	var done sync.WaitGroup
	for i := range clients {
		done.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(i)))
			w := randomWish(rnd)
			if err := r.follow(rnd, w, all); err != nil {
				t.Errorf("client %d, %s: %v", i, w.query.Encode(), err)
			}
		})
	}
	rnd := rand.New(rand.NewPCG(7, 7777))
	for n := 1; n < total; {
		next := min(total, n+1+rnd.IntN(60))
		r.stream.add(all[n:next]...)
		n = next
		if rnd.IntN(3) == 0 {
			eventually(t, "the feed has it", func() bool { return r.metric("pulse_feed_seq") == float64(n) })
		}
	}
	done.Wait()
	if n := r.metric("pulse_feed_rebases_total"); n > 1 { // one from "none" to the first epoch
		t.Errorf("%v rebases", n)
	}
}

// follow reads until the end of the log, with cuts in between.
func (r *rig) follow(rnd *rand.Rand, w wish, all []pulse.Post) error {
	c := &client{t: r.t, epoch: "e1"}
	var got []uint64
	for c.pos < uint64(len(all)) {
		q := url.Values{"epoch": {c.epoch}, "after": {fmt.Sprint(c.pos)}}
		for k, v := range w.query {
			q[k] = v
		}
		next, err := r.tryDial(q.Encode(), nil)
		if err != nil {
			return err
		}
		c.conn = next.conn
		lives := 1 + rnd.IntN(40) // frames until the connection is cut
		for range lives {
			f, err := c.frame()
			if lost(err) {
				break // by a machine too busy to answer pings: one cut more
			}
			if err != nil {
				return err
			}
			if f.Type == wire.FrameHello && f.Resumed == wire.Snapshot {
				return fmt.Errorf("resume after %d was refused", c.pos)
			}
			if f.Type == wire.FramePosts {
				for _, p := range *f.Posts {
					got = append(got, *p.Seq)
				}
			}
			if c.pos == uint64(len(all)) {
				break
			}
		}
		c.conn.NetConn().Close() // no goodbye
	}
	i := 0
	for n := range all {
		if !w.keeps(&all[n]) {
			continue
		}
		if i >= len(got) || got[i] != uint64(n+1) {
			return fmt.Errorf("post %d is missing among %d received", n+1, len(got))
		}
		i++
	}
	if i != len(got) {
		return fmt.Errorf("%d posts too many", len(got)-i)
	}
	return nil
}

// lost tells the end of a connection from a fault in what it carried.
func lost(err error) bool {
	var closed *websocket.CloseError
	var network net.Error
	return errors.As(err, &closed) || errors.As(err, &network)
}
