package redditsim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// community is one synthetic community. It never changes.
type community struct {
	entry
	key    uint64 // what all its posts follow from
	code   uint32 // its bits in ids
	speed  float64
	bucket int64 // length of a bucket in milliseconds
}

// births are the posts made in bucket n, as Unix milliseconds, all different,
// oldest first.
func (c *community) births(n int64) []int64 {
	rng := rand.New(rand.NewPCG(c.key, uint64(n)))
	start := n * c.bucket
	// Busier in the evening than in the morning, and never even: the variance of
	// the counts is about three times their mean.
	mean := perBucket * daily(start) * (0.25 + rng.ExpFloat64()*0.75)
	times := make([]int64, poisson(rng, min(mean, 8*perBucket)))
	for i := range times {
		times[i] = start + rng.Int64N(c.bucket)
	}
	slices.Sort(times)
	times = slices.Compact(times)
	for len(times) > 0 && times[0] <= founded {
		times = times[1:]
	}
	return times
}

// daily is how busy a moment is beside the mean of the day.
func daily(unixMilli int64) float64 {
	const day = 24 * 60 * 60 * 1000
	return 1 + 0.45*math.Sin(2*math.Pi*(float64(unixMilli%day)/day-0.5))
}

func poisson(rng *rand.Rand, mean float64) int {
	n, p := 0, rng.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= rng.Float64()
	}
	return n
}

// walk goes back through the posts that a community's listing has at a moment.
type walk struct {
	c       *community
	now     time.Time
	at      int64 // of the post it stands at
	more    bool  // it stands at a post
	next    int64 // bucket to read when pending is empty
	pending []int64
	empty   int // buckets without a post, in a row
}

func (c *community) walk(now time.Time) *walk {
	w := &walk{c: c, now: now, next: now.UnixMilli() / c.bucket, more: true}
	w.step()
	return w
}

// step goes on to the next older post.
func (w *walk) step() {
	for w.more {
		if n := len(w.pending); n > 0 {
			w.at = w.pending[n-1]
			w.pending = w.pending[:n-1]
			if w.at <= w.now.UnixMilli() && !w.c.fate(w.at).gone(w.now) {
				return
			}
			continue
		}
		w.pending = w.c.births(w.next)
		w.next--
		if len(w.pending) > 0 {
			w.empty = 0
		} else if w.empty++; w.empty > maxEmpty {
			w.more = false
		}
	}
}

// fate is what becomes of a post in the end.
type fate struct {
	category string // Reddit's word; "" stays
	at       int64  // Unix milliseconds
}

// gone tells whether the post has left the listing.
func (f fate) gone(now time.Time) bool { return f.category != "" && f.at <= now.UnixMilli() }

// fate says whether and when the post made at that moment is taken away: a few
// in a hundred are, most of them soon.
func (c *community) fate(at int64) fate {
	key := mix(c.key ^ uint64(at)*0x9e3779b97f4a7c15)
	var f fate
	switch luck := fraction(key, 1); {
	case luck < 0.010:
		f.category = "moderator"
	case luck < 0.016:
		f.category = "reddit"
	case luck < 0.020:
		f.category = "automod_filtered"
	case luck < 0.030:
		f.category = "deleted"
	default:
		return f
	}
	hours := -2 * math.Log(1-fraction(key, 2))
	f.at = at + int64(hours*3_600_000/c.speed)
	return f
}
