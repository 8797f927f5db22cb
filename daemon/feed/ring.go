package feed

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"

	"dev.redditpulse/shared/wire"
)

// noEpoch is what clients see while the stream has never had an entry: an
// epoch is never empty on the wire.
const noEpoch = "none"

// entry is one number of the stream. body is nil where the number carries
// nothing for anybody: a reading that is no news, or one that cannot be read.
type entry struct {
	id        string
	observed  time.Time
	subreddit string // lower case
	title     string // its words in lower case, a space around each
	score     int64
	velocity  float64 // NaN while unknown
	trending  bool
	body      []byte // JSON of the post, number included
}

// ring is the newest posts under contiguous numbers first to head. The tailer
// alone writes; everybody reads.
type ring struct {
	metrics    *metrics
	collectors sync.Pool // of *collector: many views build frames, few at a time
	poison     int       // entries that could not be read; the tailer's alone

	mu     sync.RWMutex // covers what follows
	gen    uint64       // grows with every reset: numbers of two generations are not related
	epoch  string       // as clients see it
	quoted []byte       // epoch as JSON
	first  uint64       // head+1 while empty
	head   uint64
	slots  []entry           // number n is in slot n modulo length
	newest map[string]uint64 // the number that holds a post's newest reading
}

func newRing(length int, m *metrics) *ring {
	r := &ring{metrics: m, slots: make([]entry, length)}
	r.collectors.New = func() any { return new(collector) }
	r.reset(noEpoch, 0, nil)
	return r
}

// at gives the entry of a number between first and head. mu is held.
func (r *ring) at(n uint64) *entry { return &r.slots[n%uint64(len(r.slots))] }

// reset starts a generation: an epoch, the newest number, and the entries that
// end in it, of which those behind the last hole are kept.
func (r *ring) reset(epoch string, head uint64, entries []wire.FeedEntry) {
	if n := len(entries); n > 0 {
		head = entries[n-1].Seq
	}
	entries = unbroken(entries, len(r.slots))
	decoded := r.decode(entries)
	quoted, err := json.Marshal(epoch)
	if err != nil {
		panic("feed: encode epoch: " + err.Error()) // a string always encodes
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.gen++
	r.epoch, r.quoted = epoch, quoted
	clear(r.slots)
	r.newest = make(map[string]uint64, len(entries))
	r.head = head - uint64(len(entries))
	r.first = r.head + 1
	for i := range decoded {
		r.push(decoded[i])
	}
	r.metrics.seq.Set(float64(r.head))
}

// unbroken is the longest end of entries, at most limit, without a hole.
func unbroken(entries []wire.FeedEntry, limit int) []wire.FeedEntry {
	i := len(entries)
	for i > 0 && len(entries)-i < limit && entries[i-1].Seq > 0 &&
		(i == len(entries) || entries[i-1].Seq+1 == entries[i].Seq) {
		i--
	}
	return entries[i:]
}

// extend appends what came next. It tells whether the numbers were contiguous;
// what stands before a hole is taken, the rest is not.
func (r *ring) extend(entries []wire.FeedEntry) bool {
	whole := true
	next := r.head + 1
	for i := range entries {
		if entries[i].Seq != next+uint64(i) {
			entries, whole = entries[:i], false
			break
		}
	}
	decoded := r.decode(entries)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range decoded {
		r.push(decoded[i])
	}
	r.metrics.seq.Set(float64(r.head))
	return whole
}

// push takes the next number. mu is held.
func (r *ring) push(e entry) {
	n := r.head + 1
	slot := r.at(n)
	if n-r.first >= uint64(len(r.slots)) {
		if slot.body != nil && r.newest[slot.id] == n-uint64(len(r.slots)) {
			delete(r.newest, slot.id)
		}
		r.first++
	}
	if e.body != nil {
		if held, ok := r.newest[e.id]; ok && !e.observed.After(r.at(held).observed) {
			e = entry{}
			r.metrics.duplicates.Inc()
		} else {
			r.newest[e.id] = n
		}
	}
	*slot = e
	r.head = n
}

// where gives the generation and the number it reaches to. mu is held for the
// moment only: both may have grown when it returns.
func (r *ring) where() (gen, head uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.gen, r.head
}

func (r *ring) decode(entries []wire.FeedEntry) []entry {
	decoded := make([]entry, len(entries))
	for i := range entries {
		e, err := newEntry(&entries[i])
		if err != nil {
			r.poison++
			r.metrics.poison.Inc()
		}
		decoded[i] = e
	}
	return decoded
}

func newEntry(in *wire.FeedEntry) (entry, error) {
	p, err := wire.DecodePost(in.Post)
	if err != nil {
		return entry{}, err
	}
	p.Seq = &in.Seq
	body, err := wire.EncodePost(&p)
	if err != nil {
		return entry{}, err
	}
	e := entry{
		id: p.PostID, observed: p.ObservedAt, subreddit: strings.ToLower(p.Subreddit),
		title: " " + strings.ToLower(strings.Join(wordsOf(p.Title), " ")) + " ", score: p.Score, velocity: math.NaN(),
		trending: p.Trend != nil, body: body,
	}
	if p.Velocity != nil {
		e.velocity = *p.Velocity
	}
	return e, nil
}

// superseded tells whether a newer reading of the entry's post is in the ring
// and passes the filter too, so that a client that gets the newer one needs
// the older no more. mu is held.
func (r *ring) superseded(n uint64, c *filter) bool {
	e := r.at(n)
	newest := r.newest[e.id]
	return newest > n && c.matches(r.at(newest))
}
