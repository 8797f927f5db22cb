package plan

import (
	"container/heap"
	"slices"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Entry is one subreddit in a Queue. Its owner sets the exported fields, and
// while the entry waits in the queue none but PerMinute.
type Entry struct {
	Row
	Key     string        // what the owner knows it by
	Covered time.Time     // posts made before are known; zero: never polled
	Pause   time.Duration // the pace that holds, stretched and all; what lateness is measured by
	Alone   bool          // shares its request with nobody

	due time.Time
	at  int // place in its heap, -1 outside
}

// Due is when the entry was last told to be polled.
func (e *Entry) Due() time.Time { return e.due }

// Queue holds the subreddits that wait for a poll. It is not safe for concurrent
// use.
type Queue struct {
	heaps  [3]entries // by priority
	urgent []*Entry   // before all others, in their order
	// Expected bounds the posts that one request passes over, except where one
	// subreddit alone has more; 0 is half a page.
	Expected float64
}

// Len is how many entries wait.
func (q *Queue) Len() int {
	n := len(q.urgent)
	for i := range q.heaps {
		n += len(q.heaps[i])
	}
	return n
}

// Put lets an entry that is not in the queue wait until due.
func (q *Queue) Put(e *Entry, due time.Time) {
	e.due = due
	heap.Push(q.heapOf(e), e)
}

// Hurry lets an entry that is not in the queue go before all others.
func (q *Queue) Hurry(e *Entry, now time.Time) {
	e.due, e.at = now, -1
	q.urgent = append(q.urgent, e)
}

// Hurried tells whether anybody is to go before all others.
func (q *Queue) Hurried() bool { return len(q.urgent) > 0 }

// Remove takes an entry out, wherever it waits.
func (q *Queue) Remove(e *Entry) {
	for i := range q.heaps {
		if h := &q.heaps[i]; e.at >= 0 && e.at < len(*h) && (*h)[e.at] == e {
			heap.Remove(h, e.at)
			return
		}
	}
	for i, u := range q.urgent {
		if u == e {
			q.urgent = append(q.urgent[:i], q.urgent[i+1:]...)
			return
		}
	}
}

// Next is when the first entry is due; false when none waits.
func (q *Queue) Next() (time.Time, bool) {
	if len(q.urgent) > 0 {
		return q.urgent[0].due, true
	}
	var first *Entry
	for i := range q.heaps {
		if h := q.heaps[i]; len(h) > 0 && (first == nil || h[0].due.Before(first.due)) {
			first = h[0]
		}
	}
	if first == nil {
		return time.Time{}, false
	}
	return first.due, true
}

// Take gives the subreddits of the next request, nil when none is due. The
// request belongs to whoever has waited longest, weighed by priority; those that
// are due next fill it up, for they cost nothing more.
func (q *Queue) Take(now time.Time) []*Entry {
	first := q.first(now)
	if first == nil {
		return nil
	}
	q.Remove(first)
	batch := []*Entry{first}
	if first.Alone {
		return batch
	}
	room := newRoom(q.Expected, now)
	room.add(first)
	for _, e := range slices.Clone(q.urgent) {
		if room.fits(e) {
			q.Remove(e)
			room.add(e)
			batch = append(batch, e)
		}
	}
	return q.fillUp(batch, room)
}

// fillUp adds those that are due next and fit.
func (q *Queue) fillUp(batch []*Entry, room *room) []*Entry {
	var left []*Entry // looked at and not fitting
	const looks = 4 * MaxNames
	for range looks {
		e := q.soonest()
		if e == nil || room.full() {
			break
		}
		heap.Remove(q.heapOf(e), e.at)
		if room.fits(e) {
			room.add(e)
			batch = append(batch, e)
		} else {
			left = append(left, e)
		}
	}
	for _, e := range left {
		heap.Push(q.heapOf(e), e)
	}
	return batch
}

// first is who the next request belongs to.
func (q *Queue) first(now time.Time) *Entry {
	if len(q.urgent) > 0 {
		return q.urgent[0]
	}
	var first *Entry
	most := -1.0
	for i := range q.heaps {
		if len(q.heaps[i]) == 0 {
			continue
		}
		e := q.heaps[i][0]
		late := now.Sub(e.due)
		if late < 0 {
			continue
		}
		if w := weight(e.Priority) * late.Seconds() / max(e.Pause.Seconds(), 1); w > most {
			first, most = e, w
		}
	}
	return first
}

// soonest is who is due next, due or not; hurried ones go by themselves.
func (q *Queue) soonest() *Entry {
	var first *Entry
	for i := range q.heaps {
		if h := q.heaps[i]; len(h) > 0 && (first == nil || h[0].due.Before(first.due)) {
			first = h[0]
		}
	}
	return first
}

func (q *Queue) heapOf(e *Entry) *entries {
	switch e.Priority {
	case pulse.Fast:
		return &q.heaps[0]
	case pulse.Medium:
		return &q.heaps[1]
	}
	return &q.heaps[2]
}

// room is what is left in a request. Those that were never polled share with
// their like only: nothing is known of their posts.
type room struct {
	now          time.Time
	unpolled     bool
	names, chars int
	load         load
	most         float64 // posts
}

// load is what a request passes over: the posts of all its subreddits, back to
// where the one that was polled longest ago is covered.
type load struct {
	perMinute float64
	span      time.Duration
}

func (l load) with(e *Entry, now time.Time) load {
	return load{l.perMinute + e.PerMinute, max(l.span, now.Sub(e.Covered))}
}

func (l load) posts() float64 { return l.perMinute * l.span.Minutes() }

func newRoom(expected float64, now time.Time) *room {
	if expected == 0 {
		expected = fill * PageSize
	}
	return &room{now: now, names: MaxNames, chars: MaxChars, most: expected}
}

func (r *room) full() bool { return r.names == 0 || r.chars < 3 }

func (r *room) fits(e *Entry) bool {
	if e.Alone || e.Covered.IsZero() != r.unpolled || r.full() || len(e.Name) >= r.chars {
		return false
	}
	return r.unpolled || r.load.with(e, r.now).posts() <= r.most
}

func (r *room) add(e *Entry) {
	r.unpolled = e.Covered.IsZero()
	r.names--
	r.chars -= len(e.Name) + 1
	if !r.unpolled {
		r.load = r.load.with(e, r.now)
	}
}

// entries is a heap, first due first; equal ones by name, so that the same
// queue gives the same requests.
type entries []*Entry

func (h entries) Len() int { return len(h) }

func (h entries) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].Name < h[j].Name
	}
	return h[i].due.Before(h[j].due)
}

func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *entries) Push(x any) {
	e := x.(*Entry)
	e.at = len(*h)
	*h = append(*h, e)
}

func (h *entries) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	e.at = -1
	*h = old[:len(old)-1]
	return e
}
