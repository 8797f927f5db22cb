package embedded

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// miniTick is how late a key of miniredis may expire.
const miniTick = 100 * time.Millisecond

// startMini runs miniredis under the folder's port. Its clock stands still by
// itself: a ticker moves it on, by the time that has really passed.
func (d redisDir) startMini(context.Context) (*Redis, error) {
	m := miniredis.NewMiniRedis()
	if d.password != "" {
		m.RequireAuth(d.password)
	}
	if err := d.openMini(m); err != nil {
		return nil, fmt.Errorf("start miniredis: %w", err)
	}
	d.log.Warn("no redis-server or valkey-server found, a small one in process takes its place")
	stop, ticked, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ticked)
		tickMini(m, stop)
	}()
	closeMini := func() {
		defer close(done)
		close(stop)
		<-ticked
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			m.Close()
		}()
		limit := time.NewTimer(redisStopLimit)
		defer limit.Stop()
		select {
		case <-closed:
		case <-limit.C:
			d.log.Error("miniredis not stopped", "err", context.DeadlineExceeded)
		}
	}
	return &Redis{Addr: m.Addr(), Kind: "miniredis", done: done, close: closeMini}, nil
}

// openMini tries again where somebody takes the port after it was chosen.
func (d redisDir) openMini(m *miniredis.Miniredis) error {
	var err error
	for range portRaces {
		var port int
		if port, err = choosePort(d.path("port")); err != nil {
			return err
		}
		if err = m.StartAddr(loopback(port)); err == nil {
			return nil
		}
		forgetPort(d.path("port"))
	}
	return err
}

func tickMini(m *miniredis.Miniredis, stop <-chan struct{}) {
	tick := time.NewTicker(miniTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
