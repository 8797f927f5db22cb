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
	grammar  *grammar
	fullname string // "t5_…"
	key      uint64 // what all its posts follow from
	code     uint32 // its bits in ids
	speed    float64
	bucket   int64 // length of a bucket in milliseconds; 0 where nobody ever posts
	odd      *Oddities
}

// made are the moments in bucket n at which posts were made, as Unix
// milliseconds, all different, oldest first.
func (c *community) made(n int64) []int64 {
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

// Salts of the draws that decide what becomes of a post.
const (
	saltFate = iota + 1
	saltFateAfter
	saltHeld
	saltApproved
	saltLag
	saltDisorder
	saltSticky
)

// birth is what becomes of the post made at a moment. No listing of its chunk
// may be left: its place stays before end.
func (c *community) birth(at, end int64) birth {
	key := mix(c.key ^ uint64(at)*0x9e3779b97f4a7c15)
	b := birth{c: c, at: at, place: at, seen: at, taken: never, gone: never}
	b.seen += c.lag(fraction(key, saltLag))
	if luck := fraction(key, saltDisorder); luck < 0.05 {
		b.place = min(at+c.millis(luck/0.05*float64(c.odd.Disorder.Milliseconds())), end-1)
	}
	b.sticky = fraction(key, saltSticky) < 0.002
	c.end(&b, key)
	if luck := fraction(key, saltHeld); luck < c.odd.Held {
		b.held = true
		if luck < c.odd.Held/5 {
			b.fate, b.seen, b.taken = "automod_filtered", never, at
		} else {
			b.seen = max(b.seen, at+c.approval(fraction(key, saltApproved)))
		}
	}
	return b
}

// end draws whether and when the post is taken away: a few in a hundred are,
// most of them soon.
func (c *community) end(b *birth, key uint64) {
	after := -math.Log(1 - fraction(key, saltFateAfter))
	luck := fraction(key, saltFate)
	if luck >= c.odd.Removed {
		if luck < c.odd.Removed+c.odd.Gone {
			b.gone = b.at + c.millis(min(6*after, 24)*hour)
			b.fate = "gone"
		}
		return
	}
	b.taken = b.at + c.millis(2*after*hour)
	switch luck /= c.odd.Removed; {
	case luck < 0.33:
		b.fate = "moderator"
	case luck < 0.53:
		b.fate = "reddit"
	case luck < 0.67:
		b.fate = "automod_filtered"
	default:
		b.fate = deleted
	}
}

const hour = 3_600_000 // milliseconds

// lag is the milliseconds until listings have a new post: a few seconds for
// most, the whole of the bound for the slowest.
func (c *community) lag(luck float64) int64 {
	most := float64(c.odd.Lag.Milliseconds())
	if luck < 0.05 {
		return c.millis(most * luck / 0.05)
	}
	return c.millis(min(most, most*0.04*-math.Log(1-(luck-0.05)/0.95)))
}

// approval is the milliseconds for which a post is held back: 8 minutes in the
// median, 3 hours at most.
func (c *community) approval(luck float64) int64 {
	odds := (luck + 0.001) / (1.001 - luck)
	return c.millis(min(8.0/60*math.Pow(odds, 0.6), 3) * hour)
}

// millis is a time in life as time on the clock.
func (c *community) millis(ms float64) int64 { return int64(ms / c.speed) }

// age is the age in minutes of a post's own, faster or slower, life.
func (c *community) age(at int64, now time.Time) float64 {
	return float64(now.UnixMilli()-at) / 60_000 * c.speed
}
