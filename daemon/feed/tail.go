package feed

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"dev.redditpulse/shared/wire"
)

const (
	readTimeout = 10 * time.Second // for one call of the stream, which itself waits 2 s at most
	retryMin    = 100 * time.Millisecond
	retryMax    = 5 * time.Second
	maxRead     = 1024 // entries in one call
	// maxVain is how often the stream may claim newer numbers without giving
	// them before they count as lost.
	maxVain = 3
)

// tailer is what the reading of the stream remembers between two calls.
type tailer struct {
	*Feed
	epoch   string // of the stream; clients may see another, see rename
	flushed time.Time
	vain    int // calls in a row that gave nothing although there should be more
	unread  int // entries taken since the last flush
	warned  time.Time
}

// tail keeps the ring and the views up with the stream until ctx ends. One
// flush in a coalescing window at most: the wait comes before the read, so that
// a lone post goes out at once and a burst in few frames.
func (f *Feed) tail(ctx context.Context) {
	t := &tailer{Feed: f}
	loaded := false
	retry := retryMin
	for ctx.Err() == nil {
		var err error
		fresh := !loaded
		if fresh {
			err = t.load(ctx)
			loaded = err == nil
		} else {
			loaded, err = t.follow(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		f.report(err)
		if err == nil && loaded {
			if !fresh {
				retry = retryMin // a stream that loads but cannot be followed is no success
			}
			continue
		}
		f.flush() // quiet numbers are still to be covered
		pause(ctx, retry/2+rand.N(retry/2))
		retry = min(2*retry, retryMax)
	}
}

// load fills the ring with the end of the stream and starts a generation.
func (t *tailer) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	state, entries, err := t.stream.Tail(ctx, t.config.LogLength)
	if err != nil {
		return err
	}
	epoch := t.rename(state)
	began := t.epoch == "" // nothing was held before
	t.poisoned(func() { t.ring.reset(epoch, state.Seq, entries) })
	t.epoch, t.vain = state.Epoch, 0
	first := false
	t.readyOnce.Do(func() {
		first = true
		t.mu.Lock()
		t.open = true
		t.mu.Unlock()
		close(t.ready)
	})
	_, head := t.ring.where()
	if !first {
		t.metrics.rebases.Inc()
		level := slog.LevelWarn
		if began {
			level = slog.LevelInfo
		}
		t.log.Log(ctx, level, "feed starts anew", "epoch", epoch, "seq", head)
	}
	t.flush()
	return nil
}

// rename gives the epoch that clients see. It is the stream's own unless the
// stream went back within an epoch, as after a failover that lost its end: the
// numbers are then given a second time, and a client must not take the new
// posts for those it has.
func (t *tailer) rename(state wire.FeedState) string {
	_, head := t.ring.where()
	switch {
	case state.Epoch == "":
		return noEpoch
	case state.Epoch != t.epoch:
		return state.Epoch
	case state.Seq < head:
		return state.Epoch + "~" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	}
	return t.ring.epoch // the tailer alone writes it
}

// follow takes what came next. It tells whether the ring still continues the
// stream; where it does not, the stream has to be loaded again.
func (t *tailer) follow(ctx context.Context) (bool, error) {
	pause(ctx, time.Until(t.flushed.Add(t.config.Coalesce)))
	limit := max(1, min(maxRead, t.config.LogLength/4))
	for {
		_, head := t.ring.where()
		state, entries, err := t.read(ctx, head, limit)
		if err != nil {
			return true, err
		}
		if state.Epoch == "" && t.epoch != "" {
			// Wiped and not written since: what we hold is the best there is.
			t.flush()
			t.flushed = time.Now()
			return true, nil
		}
		if state.Epoch != t.epoch || state.Seq < head {
			return false, nil
		}
		whole := true
		t.poisoned(func() { whole = t.ring.extend(entries) })
		t.unread += len(entries)
		if !whole {
			return false, nil
		}
		if len(entries) == 0 && state.Seq > head {
			if t.vain++; t.vain >= maxVain {
				return false, nil
			}
		} else {
			t.vain = 0
		}
		// A flush must come before the ring has turned over.
		if len(entries) < limit || t.unread+limit > t.config.LogLength/2 {
			t.flush()
			if t.unread > 0 {
				t.flushed, t.unread = time.Now(), 0
			}
			return true, nil
		}
	}
}

func (t *tailer) read(ctx context.Context, after uint64, limit int) (wire.FeedState, []wire.FeedEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return t.stream.Next(ctx, after, limit)
}

// poisoned says, once a minute at most, that entries could not be read.
func (t *tailer) poisoned(take func()) {
	before := t.ring.poison
	take()
	if n := t.ring.poison - before; n > 0 && time.Since(t.warned) > time.Minute {
		t.warned = time.Now()
		t.log.Warn("feed entries skipped, not readable as posts", "entries", n)
	}
}

// report keeps the stream's state and logs its changes.
func (f *Feed) report(err error) {
	was := f.trouble.Load()
	if err == nil {
		f.metrics.streamUp.Set(1)
		if was != nil {
			f.trouble.Store(nil)
			f.log.Info("feed stream answers")
		}
		return
	}
	f.metrics.streamUp.Set(0)
	f.trouble.Store(&err)
	// The first of all errors is a change too: it follows "not read yet".
	if was == nil || errors.Is(*was, errUnread) {
		f.log.Warn("feed stream lost, trying on", "err", err)
	}
}

// flush brings every view up to the ring and wakes the writers of those that
// have news.
func (f *Feed) flush() {
	f.mu.Lock()
	views := make([]*view, 0, len(f.views))
	for _, v := range f.views {
		views = append(views, v)
	}
	f.mu.Unlock()
	now := time.Now()
	for _, v := range views {
		if !v.flush(now, f.config.Heartbeat/2) {
			continue
		}
		for _, w := range f.writers {
			w.tell(v)
		}
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
