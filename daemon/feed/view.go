package feed

import (
	"errors"
	"math"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// viewBytes bounds the frames that a view keeps for those that lag, the
	// newest flush aside. Who lags more is caught up from the ring, conflated.
	viewBytes = 256 << 10
	// maxBridges bounds the frames kept for sockets between two log frames.
	maxBridges = 8
)

// errOverrun: the ring no longer holds the number that comes next.
var errOverrun = errors.New("fell out of the ring")

// view is the feed as one filter shows it: a log of ready frames that cover
// contiguous numbers up to covered. Sockets read it by number, not by index,
// so the log may be cut at its old end at any time.
type view struct {
	filter   *filter
	ring     *ring
	snapshot int // most posts of a snapshot
	metrics  *metrics
	users    atomic.Int32 // sockets; changed under Feed.mu

	// low is, for each writer, the number that all its sockets of this view
	// have passed: frames up to the lowest of them are needed no more.
	low []atomic.Uint64

	mu      sync.Mutex // covers what follows
	gen     uint64     // of the ring that the log is from
	log     []*frame
	size    int       // bytes of log
	covered uint64    // the last number of the log
	scanned uint64    // numbers up to here are covered or do not match
	framed  time.Time // when covered last grew
	latest  *frame    // the last snapshot, shared while the head stands still
	bridges map[bridge]*frame
}

// bridge names a frame that leads from a number between two log frames to one
// that the log knows.
type bridge struct {
	after, to uint64
	conflate  bool
}

func newView(c *filter, r *ring, writers, snapshot int, m *metrics) *view {
	v := &view{
		filter: c, ring: r, snapshot: snapshot, metrics: m,
		low: make([]atomic.Uint64, writers), framed: time.Now(),
	}
	for i := range v.low {
		v.low[i].Store(math.MaxUint64)
	}
	v.gen, v.covered = r.where()
	v.scanned = v.covered
	return v
}

// flush brings the log up to the ring's head. It tells whether the sockets have
// something to get. Numbers that do not match are covered by the next frame
// that has posts; where none comes, an empty one covers them once they are
// older than patience or fill a quarter of the ring, and nobody is woken for it.
func (v *view) flush(now time.Time, patience time.Duration) (news bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.latest, v.bridges = nil, nil
	r := v.ring
	r.mu.RLock()
	defer r.mu.RUnlock()
	if v.gen != r.gen {
		v.gen, v.covered, v.scanned = r.gen, r.head, r.head
		v.log, v.size, v.framed = nil, 0, now
		return true
	}
	before := len(v.log)
	posts := r.collectors.Get().(*collector)
	defer r.collectors.Put(posts)
	for n := v.scanned + 1; n <= r.head; n++ {
		e := r.at(n)
		if !v.filter.matches(e) {
			continue
		}
		posts.add(e)
		if posts.full() {
			v.append(posts.postsFrame(v.gen, r.quoted, v.covered+1, n), now)
			news = true
		}
	}
	v.scanned = r.head
	quiet := r.head - v.covered
	switch {
	case !posts.empty():
		v.append(posts.postsFrame(v.gen, r.quoted, v.covered+1, r.head), now)
		news = true
	case quiet > 0 && (now.Sub(v.framed) >= patience || quiet > uint64(len(r.slots)/4)):
		v.append(posts.postsFrame(v.gen, r.quoted, v.covered+1, r.head), now)
	}
	v.trim(before)
	return news
}

func (v *view) append(f *frame, now time.Time) {
	v.log = append(v.log, f)
	v.size += len(f.bytes)
	v.covered = f.to
	v.framed = now
}

// trim forgets frames that every socket has passed, and the oldest beyond the
// bound; the frames of the newest flush, behind index old, always stay.
func (v *view) trim(old int) {
	low := uint64(math.MaxUint64)
	for i := range v.low {
		low = min(low, v.low[i].Load())
	}
	fresh := 0
	for _, f := range v.log[old:] {
		fresh += len(f.bytes)
	}
	cut := 0
	for cut < old && (v.log[cut].to <= low || v.size-fresh > viewBytes) {
		if v.log[cut].to > low {
			v.metrics.dropped.Inc()
		}
		v.size -= len(v.log[cut].bytes)
		cut++
	}
	if cut > 0 {
		kept := make([]*frame, len(v.log)-cut)
		copy(kept, v.log[cut:])
		v.log = kept
	}
}

// next gives the frame that follows a number of generation gen, nil while there
// is none, errOverrun where the ring has lost it. A socket of an older
// generation gets a snapshot. Up to replay nothing is conflated: those numbers
// were missed while away and are owed one by one.
func (v *view) next(gen, seq, replay uint64) (*frame, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case gen < v.gen:
		return v.newest(), nil
	case gen > v.gen || seq >= v.covered:
		return nil, nil
	}
	to := v.covered
	if len(v.log) > 0 {
		i := sort.Search(len(v.log), func(i int) bool { return v.log[i].to > seq })
		f := v.log[i]
		if f.from == seq+1 {
			return f, nil
		}
		if f.from <= seq {
			return v.bridge(bridge{after: seq, to: f.to})
		}
		to = f.from - 1
	}
	return v.bridge(bridge{after: seq, to: to, conflate: seq >= replay})
}

// bridge gives a frame from b.after on, at most to b.to. mu is held.
func (v *view) bridge(b bridge) (*frame, error) {
	if f := v.bridges[b]; f != nil {
		return f, nil
	}
	r := v.ring
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.gen != v.gen {
		return nil, nil // the next flush tells everybody
	}
	if b.after+1 < r.first {
		return nil, errOverrun
	}
	posts := r.collectors.Get().(*collector)
	defer r.collectors.Put(posts)
	n := b.after + 1
	for ; n <= b.to; n++ {
		e := r.at(n)
		if !v.filter.matches(e) {
			continue
		}
		if b.conflate && r.superseded(n, v.filter) {
			v.metrics.conflated.Inc()
			continue
		}
		if posts.add(e); posts.full() {
			break
		}
	}
	f := posts.postsFrame(v.gen, r.quoted, b.after+1, min(n, b.to))
	f.observed = time.Time{} // old by intention
	if v.users.Load() > 1 && len(v.bridges) < maxBridges {
		if v.bridges == nil {
			v.bridges = make(map[bridge]*frame)
		}
		v.bridges[b] = f
	}
	return f, nil
}

// newest gives a snapshot of the ring as it is: the newest reading of each of
// the newest posts that match, newest last. nil while the ring is ahead of the
// view by a generation: the next flush tells everybody. mu is held.
func (v *view) newest() *frame {
	r := v.ring
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.gen != v.gen {
		return nil
	}
	if v.latest != nil && v.latest.to == r.head {
		return v.latest
	}
	numbers := make([]uint64, 0, v.snapshot)
	for n := r.head; n >= r.first && n > 0 && len(numbers) < v.snapshot; n-- {
		if e := r.at(n); v.filter.matches(e) && r.newest[e.id] == n {
			numbers = append(numbers, n)
		}
	}
	posts := r.collectors.Get().(*collector)
	defer r.collectors.Put(posts)
	for i := len(numbers) - 1; i >= 0; i-- {
		posts.add(r.at(numbers[i]))
	}
	f := posts.snapshotFrame(v.gen, r.quoted, r.head)
	if v.users.Load() > 1 {
		v.latest = f
	}
	return f
}
