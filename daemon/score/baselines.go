package score

import (
	"math"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
)

// Baselines is what is usual by subreddit and age. It never changes, so that any
// number of goroutines may use it. With 10,000 subreddits at all ages it takes
// some 12 MB.
type Baselines struct {
	index  map[string]int32 // place in places, by subreddit in lower case
	places [][buckets]int32 // place in cells; 0 where there is none
	cells  []cell
	shares []uint16 // all cells' cumulated shares, in 65,535ths
	all    [buckets]int32
}

// cell is what is usual at one age in one subreddit.
type cell struct {
	seconds   float32 // post-time
	median    float32 // of log(1+v)
	deviation float32 // median absolute, of log(1+v)
	comments  float32 // a minute
	from      uint32  // place in shares
	bins      uint8   // shares that it has; those behind are whole
}

// usual is what a post's figures are compared with.
type usual struct {
	median, scale float64 // of log(1+v)
	comments      float64 // a minute
	own, all      *cell
	weight        float64 // of own, 0 to 1
}

// minScale bounds from below the spread that a deviation is measured in: where
// all posts do the same, a little more is still only a little.
const minScale = 0.3

// normal makes a median absolute deviation a standard deviation, were the
// distribution normal.
const normal = 1.4826

// usual is what is usual in a subreddit, in lower case, at an age: its own
// figures and those of all, weighed by their post-time. false: too little is
// known.
func (b *Baselines) usual(subreddit string, age bucket, r *Rules) (usual, bool) {
	if b == nil || age >= buckets || b.all[age] == 0 {
		return usual{}, false
	}
	all := &b.cells[b.all[age]]
	if float64(all.seconds) < r.MinBaseline.Seconds() {
		return usual{}, false
	}
	u := usual{own: all, all: all}
	if at, known := b.index[subreddit]; known && b.places[at][age] != 0 {
		u.own = &b.cells[b.places[at][age]]
		n := float64(u.own.seconds)
		u.weight = n / (n + max(r.Prior.Seconds(), 1))
	}
	u.median = u.mix(u.own.median, all.median)
	u.scale = max(normal*u.mix(u.own.deviation, all.deviation), minScale)
	u.comments = u.mix(u.own.comments, all.comments)
	return u, true
}

func (u *usual) mix(own, all float32) float64 {
	return u.weight*float64(own) + (1-u.weight)*float64(all)
}

// percentile is the percentage of the time that posts spend below log(1+v) = x.
func (b *Baselines) percentile(u *usual, x float64) float64 {
	return 100 * (u.weight*b.share(u.own, x) + (1-u.weight)*b.share(u.all, x))
}

func (b *Baselines) share(c *cell, x float64) float64 {
	place := x / binWidth
	if place >= float64(c.bins)-1 {
		return 1
	}
	full := int(place)
	low, high := b.shares[c.from+uint32(full)], b.shares[c.from+uint32(full)+1]
	return (float64(low) + (place-float64(full))*float64(high-low)) / math.MaxUint16
}

// BaselineBuilder makes Baselines of rows, which come sorted by subreddit and
// age: those of one cell, of several days, behind each other. It is for one
// goroutine.
type BaselineBuilder struct {
	made      *Baselines
	subreddit string
	age       bucket // of the cell under way, noBucket where there is none
	sum       histogram
	comments  float64
}

// NewBaselineBuilder makes a builder without rows.
func NewBaselineBuilder() *BaselineBuilder {
	return &BaselineBuilder{age: noBucket, made: &Baselines{
		index: map[string]int32{}, cells: make([]cell, 1), // place 0 is no cell
	}}
}

// Add adds a row. Rows of unknown ages and times below 0 count nothing.
func (b *BaselineBuilder) Add(row pulse.Baseline) {
	age := bucketNamed(row.AgeBucket)
	if age == noBucket {
		return
	}
	if age != b.age || !strings.EqualFold(row.Subreddit, b.subreddit) {
		b.seal()
		b.subreddit, b.age = strings.ToLower(row.Subreddit), age
	}
	for i, seconds := range row.Seconds {
		if seconds > 0 {
			b.sum.weight[min(i, bins-1)] += float64(seconds)
			b.sum.sum += float64(seconds)
		}
	}
	b.comments += float64(row.Comments)
}

// Done gives the baselines. The builder is used up.
func (b *BaselineBuilder) Done() *Baselines {
	b.seal()
	return b.made
}

// seal ends the cell under way.
func (b *BaselineBuilder) seal() {
	if b.age != noBucket && b.sum.sum > 0 {
		*b.made.place(b.subreddit, b.age) = int32(len(b.made.cells))
		b.made.cells = append(b.made.cells, b.cell())
	}
	b.sum, b.comments, b.age = histogram{}, 0, noBucket
}

func (b *BaselineBuilder) cell() cell {
	m := b.sum.median()
	c := cell{
		seconds: float32(b.sum.sum), median: float32(m), deviation: float32(b.sum.deviation(m)),
		comments: float32(max(b.comments, 0) / (b.sum.sum / 60)), from: uint32(len(b.made.shares)),
	}
	cumulated := 0.0
	for _, w := range b.sum.weight {
		cumulated += w
		b.made.shares = append(b.made.shares, uint16(math.Round(cumulated/b.sum.sum*math.MaxUint16)))
		if c.bins++; cumulated >= b.sum.sum {
			break
		}
	}
	return c
}

// place is where a cell's place is kept.
func (b *Baselines) place(subreddit string, age bucket) *int32 {
	if subreddit == "" {
		return &b.all[age]
	}
	at, known := b.index[subreddit]
	if !known {
		at = int32(len(b.places))
		b.index[subreddit] = at
		b.places = append(b.places, [buckets]int32{})
	}
	return &b.places[at][age]
}

// Covers tells whether enough is known for posts of an age to trend. b may be
// nil.
func (b *Baselines) Covers(age time.Duration, r *Rules) bool {
	_, known := b.usual("", bucketOf(age.Milliseconds()), r)
	return known
}
