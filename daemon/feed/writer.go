package feed

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	maxWriters = 8
	// writeBytes is about the most that goes into one write of several frames.
	writeBytes = 64 << 10
	// visitBytes is the most that one socket gets before the others have their
	// turn.
	visitBytes = 512 << 10

	retryMinWrite = 2 * time.Millisecond
	retryMaxWrite = 100 * time.Millisecond

	closeWait = time.Second     // for the goodbye to go out and be answered
	drainTime = 3 * time.Second // for all sockets to go at shutdown
)

// writer sends for its share of the sockets. It never waits for any of them.
type writer struct {
	feed *Feed
	id   int
	wake chan struct{} // holds one

	mu   sync.Mutex         // covers what follows
	post []*socket          // with mail, each at most once
	news map[*view]struct{} // views with something to send

	// What follows belongs to the goroutine.
	groups map[*view]*group
	stuck  map[*socket]struct{}
	due    time.Time // of the next look at a stuck socket; zero: none is stuck
	again  []*socket // got their share of a visit and want more
	sender *sender
	pieces []piece
	buffer []byte
	frames int // sent and not counted yet
	bytes  int // likewise
	views  []*view
	mailed []*socket
}

// group is the sockets of one writer with the same view.
type group struct {
	view    *view
	sockets []*socket
}

func newWriter(f *Feed, id int) *writer {
	return &writer{
		feed: f, id: id, wake: make(chan struct{}, 1), sender: newSender(),
		news: make(map[*view]struct{}), groups: make(map[*view]*group),
		stuck: make(map[*socket]struct{}),
	}
}

// deliver says that a socket has mail.
func (w *writer) deliver(s *socket) {
	w.mu.Lock()
	w.post = append(w.post, s)
	w.mu.Unlock()
	w.ring()
}

// tell says that a view has something to send.
func (w *writer) tell(v *view) {
	w.mu.Lock()
	w.news[v] = struct{}{}
	w.mu.Unlock()
	w.ring()
}

func (w *writer) ring() {
	select {
	case w.wake <- struct{}{}:
	default: // rung already
	}
}

func (w *writer) run(ctx context.Context) {
	c := &w.feed.config
	every := min(c.Heartbeat, c.WriteTimeout) / 10
	sweep := time.NewTicker(max(5*time.Millisecond, min(every, 250*time.Millisecond)))
	defer sweep.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			w.sort() // the last to leave
			return
		case <-w.wake:
		case <-retry.C:
		case <-sweep.C:
			w.sweep(time.Now())
		}
		w.sort()
		w.revisit()
		w.count()
		if len(w.again) > 0 {
			w.ring()
		}
		if !w.due.IsZero() {
			retry.Reset(time.Until(w.due))
		}
	}
}

// sort serves the mail, then the views with news.
func (w *writer) sort() {
	w.mu.Lock()
	w.mailed, w.post = w.post, w.mailed[:0]
	w.views = w.views[:0]
	for v := range w.news {
		w.views = append(w.views, v)
	}
	clear(w.news)
	w.mu.Unlock()

	for i, s := range w.mailed {
		w.serve(s)
		w.mailed[i] = nil
	}
	for i, v := range w.views {
		if g := w.groups[v]; g != nil {
			w.visit(g)
		}
		w.views[i] = nil
	}
}

// visit sends the news of a view to its sockets.
func (w *writer) visit(g *group) {
	now := time.Now()
	low := uint64(math.MaxUint64)
	for _, s := range g.sockets {
		w.push(s, now)
		low = min(low, s.seq)
	}
	g.view.low[w.id].Store(low)
}

// revisit goes back to sockets that had no room or want more.
func (w *writer) revisit() {
	now := time.Now()
	again := w.again
	w.again = nil
	for _, s := range again {
		w.push(s, now)
	}
	w.due = time.Time{}
	for s := range w.stuck {
		w.push(s, now) // in vain before s.retry
		if s.stuck && (w.due.IsZero() || s.retry.Before(w.due)) {
			w.due = s.retry
		}
	}
}

// count moves what was sent to the metrics.
func (w *writer) count() {
	if w.bytes == 0 {
		return
	}
	w.feed.metrics.frames.Add(float64(w.frames))
	w.feed.metrics.bytes.Add(float64(w.bytes))
	w.frames, w.bytes = 0, 0
}

// serve takes a socket's mail.
func (w *writer) serve(s *socket) {
	m := s.collect()
	if m == nil {
		return
	}
	now := time.Now()
	if m.written != nil {
		s.away = false
		if m.written.err != nil {
			w.abandon(s)
		}
	}
	if m.attach != nil && !m.gone {
		w.attach(s, m.attach)
	}
	if m.filter != nil && s.group != nil {
		w.refilter(s, m.filter)
	}
	if !m.expires.IsZero() {
		s.expires, s.warned = m.expires, false
		s.owed &^= owesExpiring
	}
	if m.pong != nil {
		s.pong = controlFrame(opPong, m.pong)
		s.owed |= owesPong
	}
	s.peerDone = s.peerDone || m.peerDone
	if m.code != 0 {
		s.goodbye = closeFrame(m.code, m.reason)
		s.owed = owesGoodbye | s.owed&owesHello
		s.closeBy = now.Add(closeWait)
	}
	if m.gone {
		w.forget(s)
		return
	}
	w.push(s, now)
	if s.peerDone && s.parted && !s.away {
		// Both goodbyes are said. The reader, who may wait, ends the socket.
		_ = s.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// refilter moves a socket to another view; its number stays.
func (w *writer) refilter(s *socket, c *filter) {
	if s.group.view.filter.key == c.key {
		return
	}
	v := w.feed.acquire(c)
	w.leave(s)
	w.join(s, v)
	_, s.replay = v.ring.where() // nothing of the old numbers is conflated away
}

func (w *writer) join(s *socket, v *view) {
	g := w.groups[v]
	if g == nil {
		g = &group{view: v}
		w.groups[v] = g
	}
	s.group, s.place = g, len(g.sockets)
	g.sockets = append(g.sockets, s)
}

// leave takes a socket out of its view.
func (w *writer) leave(s *socket) {
	g := s.group
	if g == nil {
		return
	}
	last := len(g.sockets) - 1
	g.sockets[s.place] = g.sockets[last]
	g.sockets[s.place].place = s.place
	g.sockets[last] = nil
	g.sockets = g.sockets[:last]
	s.group = nil
	if last == 0 {
		delete(w.groups, g.view)
		g.view.low[w.id].Store(math.MaxUint64)
	}
	w.feed.release(g.view)
}

// forget ends the writer's part of a socket.
func (w *writer) forget(s *socket) {
	w.leave(s)
	delete(w.stuck, s)
	s.stuck, s.dead = false, true
	s.rest, s.hello, s.pong, s.goodbye = nil, nil, nil, nil
}

// abandon cuts a connection that cannot be written to; the reader notices.
func (w *writer) abandon(s *socket) {
	s.dead = true
	s.rest = nil
	delete(w.stuck, s)
	s.stuck = false
	s.cut()
}
