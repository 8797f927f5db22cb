package ingest

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"dev.redditpulse/shared/pulse"
)

const (
	// Reddit fuzzes scores: the error of a reading in points, or its share of a
	// larger score. Changes of less than certain such errors are none.
	fuzz      = 2
	fuzzShare = 0.01
	certain   = 3
	// How quickly the estimate of a post's movement forgets.
	movementMemory = 15 * time.Minute
	// A post is read again once it should have moved by twice what is certain, but
	// never sooner than soonestRefresh.
	soonestRefresh = time.Minute
	// A post that was read so lately is not read again to fill a request.
	justRead = 30 * time.Second
	// Due posts wait for others so long: a request takes a hundred.
	gather = 10 * time.Second
	// Waits are shorter by up to one part in so many.
	spreads = 4
	// Posts looked at to find one that may be dropped when there are too many.
	candidates = 16
)

// livePost is a post that is read again. Times are milliseconds, to keep a post
// small: there may be very many.
type livePost struct {
	id       string
	created  int64 // Unix time, by Reddit's clock like the next
	observed int64 // of the last reading
	read     int64 // the same moment by our clock, since live began
	due      int64 // likewise
	score    int32
	comments int32
	speed    float32 // errors a minute, up or down
	at       int     // place in the heap, -1 while it is being read
}

// live is the posts that are read again, by when they are due. It is safe for
// concurrent use.
type live struct {
	until time.Duration // age at which a post is left alone
	most  int
	begun time.Time // with a clock that nobody can set
	m     *metrics

	mu      sync.Mutex // covers the rest
	posts   map[string]*livePost
	due     dueHeap
	stretch float64 // by which all waits are longer, at least 1
}

func newLive(until time.Duration, most int, m *metrics) *live {
	return &live{until: until, most: most, begun: time.Now(), m: m, posts: map[string]*livePost{}, stretch: 1}
}

func (l *live) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.posts)
}

// clock is the time since live began.
func (l *live) clock(now time.Time) int64 { return now.Sub(l.begun).Milliseconds() }

// restore takes over posts as they are stored.
func (l *live) restore(posts []pulse.Post, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range posts {
		p := l.observe(&posts[i].Observation, now)
		if p == nil {
			continue
		}
		if v := posts[i].Velocity; v != nil {
			p.speed = float32(math.Abs(*v) / max(fuzz, fuzzShare*float64(p.score)))
		}
		ago := max(now.Sub(posts[i].ObservedAt).Milliseconds(), 0)
		p.due = p.read + max(spread(l.wait(p))-ago, 0)
		l.place(p)
	}
}

// saw takes note of readings that came now, by whatever way.
func (l *live) saw(readings []pulse.Observation, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range readings {
		l.observe(&readings[i], now)
	}
	l.m.live.Set(float64(len(l.posts)))
}

// observe gives the post if it is one to be read again. It wants mu held.
func (l *live) observe(o *pulse.Observation, now time.Time) *livePost {
	p := l.posts[o.PostID]
	observed := o.ObservedAt.UnixMilli()
	if o.State != pulse.Live || o.ObservedAt.Sub(o.CreatedAt) >= l.until {
		if p != nil {
			l.drop(p)
		}
		return nil
	}
	if p == nil {
		p = &livePost{id: o.PostID, created: o.CreatedAt.UnixMilli(), at: -1}
		l.posts[p.id] = p
	} else if observed <= p.observed {
		l.place(p)
		return p
	} else {
		p.moved(observed, small(o.Score), small(o.NumComments))
	}
	p.observed, p.score, p.comments = observed, small(o.Score), small(o.NumComments)
	p.read = l.clock(now)
	p.due = p.read + spread(l.wait(p))
	l.place(p)
	if len(l.posts) > l.most {
		l.dropOne()
	}
	return p
}

// moved takes a step into the estimate of how quickly the post moves.
func (p *livePost) moved(observed int64, score, comments int32) {
	minutes := float64(observed-p.observed) / 60_000
	moved := change(p.score, score)
	if moved <= certain {
		moved = 0
	}
	// Comments are exact, but many more of them tell no more.
	a := 1 - math.Exp(-minutes/movementMemory.Minutes())
	p.speed += float32(a * ((moved+change(p.comments, comments))/minutes - float64(p.speed)))
}

// change is the difference of two readings in errors.
func change(from, to int32) float64 {
	return math.Abs(float64(to)-float64(from)) / max(fuzz, fuzzShare*float64(from))
}

// wait is how long the post may go unread: until it should have moved clearly,
// sooner while it is young. In milliseconds.
func (l *live) wait(p *livePost) int64 {
	longest := time.Hour
	switch age := time.Duration(p.observed-p.created) * time.Millisecond; {
	case age < time.Hour:
		longest = 5 * time.Minute
	case age < 6*time.Hour:
		longest = 15 * time.Minute
	case age >= 24*time.Hour:
		longest = 4 * time.Hour
	}
	wait := longest
	// Compared as numbers: of what hardly moves, the wait outgrows a Duration.
	if minutes := 2 * certain / float64(p.speed); minutes < longest.Minutes() {
		wait = max(soonestRefresh, time.Duration(minutes*float64(time.Minute)))
	}
	return int64(float64(wait.Milliseconds()) * l.stretch)
}

// place puts the post where its due time wants it.
func (l *live) place(p *livePost) {
	if p.at >= 0 {
		heap.Fix(&l.due, p.at)
	} else {
		heap.Push(&l.due, p)
	}
}

// spread keeps posts that were read together from being due together for ever:
// requests then come evenly.
func spread(wait int64) int64 { return wait - rand.Int64N(wait/spreads+1) }

func (l *live) drop(p *livePost) {
	if p.at >= 0 {
		heap.Remove(&l.due, p.at)
	}
	delete(l.posts, p.id)
}

// dropOne makes room at the cost of a post that is due late: one that moves
// little. The later half of a heap is its leaves.
func (l *live) dropOne() {
	n := len(l.due)
	last := l.due[n-1]
	for i := range min(candidates, n) {
		if p := l.due[n-1-i*(n/2)/candidates]; p.due > last.due {
			last = p
		}
	}
	l.drop(last)
	l.m.dropped.Inc()
}

// batch takes the ids of the next request, none when it is not time yet; next
// says when to ask again. A request waits a little for a hundred posts to be
// due, and is filled up with those that are due next.
func (l *live) batch(now time.Time) (ids []string, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.clock(now)
	if len(l.due) == 0 {
		return nil, now.Add(gather)
	}
	if first := l.due[0].due; at < first+gather.Milliseconds() && !l.full(at) {
		return nil, now.Add(time.Duration(max(first-at, 0)+1000) * time.Millisecond)
	}
	var fresh []*livePost
	for len(l.due) > 0 && len(ids) < pageSize {
		p := heap.Pop(&l.due).(*livePost)
		switch {
		case time.Duration(p.observed-p.created+at-p.read)*time.Millisecond >= l.until:
			delete(l.posts, p.id)
		case p.due > at && at-p.read < justRead.Milliseconds():
			fresh = append(fresh, p)
		default:
			ids = append(ids, p.id)
		}
		if len(fresh) >= pageSize {
			break
		}
	}
	for _, p := range fresh {
		heap.Push(&l.due, p)
	}
	return ids, now
}

// full tells whether a whole request is due.
func (l *live) full(at int64) bool { return l.due.countDue(at, 0, pageSize) >= pageSize }

// release lets posts that could not be read wait for the next try.
func (l *live) release(ids []string, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if p := l.posts[id]; p != nil && p.at < 0 {
			p.due = l.clock(due)
			l.place(p)
		}
	}
}

// demand is how many requests a minute would read all posts when they are due,
// and stretches the waits from now on.
func (l *live) demand() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	perMinute := 0.0
	for _, p := range l.posts {
		perMinute += 60_000 * l.stretch / float64(max(l.wait(p), 1))
	}
	const meanSpread = 1 - 0.5/spreads
	return perMinute / pageSize / meanSpread
}

// setStretch makes the waits of readings from now on longer.
func (l *live) setStretch(factor float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stretch = max(factor, 1)
}

func small(n int64) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

// dueHeap has the post that is due first in front.
type dueHeap []*livePost

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *dueHeap) Push(x any) {
	p := x.(*livePost)
	p.at = len(*h)
	*h = append(*h, p)
}

func (h *dueHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = nil
	p.at = -1
	*h = old[:len(old)-1]
	return p
}

// countDue counts posts that are due in the heap below i, up to most.
func (h dueHeap) countDue(at int64, i, most int) int {
	if i >= len(h) || most <= 0 || h[i].due > at {
		return 0
	}
	n := 1 + h.countDue(at, 2*i+1, most-1)
	return n + h.countDue(at, 2*i+2, most-n)
}
