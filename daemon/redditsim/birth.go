package redditsim

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// never is later than all moments, in Unix milliseconds.
const never = math.MaxInt64

// deleted is the fate of a post whose author took it away.
const deleted = "deleted"

// birth is a post: its community, the millisecond it was made, and what becomes
// of it. All moments are Unix milliseconds. Nothing of it ever changes.
type birth struct {
	c      *community
	at     int64  // when it was made
	place  int64  // what /new goes by
	seen   int64  // listings have it from then on; never where it is not approved
	taken  int64  // listings no longer have it from then on
	gone   int64  // nor is it found by id
	fate   string // Reddit's word for why it was taken, "gone", or "" where it stays
	held   bool   // it waits, or waited, for approval
	sticky bool
}

// listed tells whether listings have the post at a moment.
func (b *birth) listed(now int64) bool { return b.seen <= now && now < b.taken && now < b.gone }

// found tells whether it is found by its id.
func (b *birth) found(now int64) bool { return b.at <= now && now < b.gone }

// category is what removed_by_category says at a moment, "" for null.
func (b *birth) category(now int64) string {
	switch {
	case b.taken <= now:
		return b.fate
	case b.held && now < b.seen:
		return "automod_filtered"
	}
	return ""
}

func (b *birth) number() uint64 {
	return uint64(b.at-founded)<<codeBits | uint64(b.c.code)
}

func (b *birth) appendName(to []byte) []byte {
	return strconv.AppendUint(append(to, "t3_"...), b.number(), 36)
}

func (b *birth) subreddit() string { return b.c.name }

// created is the creation time as the API gives it: whole seconds.
func (b *birth) created() int64 { return b.at / 1000 }

func (b *birth) rank(p *pen, now time.Time) rank {
	p.turnTo(b)
	cv := b.curve(p.rng)
	return rank{created: float64(b.created()), score: b.truth(&cv, now), sticky: b.sticky}
}

// curve is how a post's figures grow: towards a final value, slowly, then fast,
// then slowly again.
type curve struct {
	final    float64 // points
	comments float64 // in the end
	middle   float64 // minutes of age at which half is reached
	width    float64 // minutes
	ratio    float64
}

// curve draws the post's fortune. Half of all posts stay where they began; a
// few rise to what the community can give.
func (b *birth) curve(rng *rand.Rand) curve {
	var cv curve
	if rng.Float64() < 0.5 {
		cv.final = []float64{0, 1, 1, 1, 2, 2, 3}[rng.IntN(7)]
		cv.ratio = []float64{1, 1, 0.67, 0.5, 0.75, 0.6}[rng.IntN(6)]
		cv.comments = math.Floor(rng.ExpFloat64() * (1 + 4*b.c.chatter))
	} else {
		cv.final = math.Pow(b.c.reach, 0.3) * math.Pow(1-rng.Float64(), -1/0.8)
		if top := b.c.reach * (0.4 + 0.6*rng.Float64()); cv.final > top {
			cv.final = top
		}
		cv.ratio = 1 - 0.3*rng.Float64()*rng.Float64()
		cv.comments = b.c.chatter*math.Pow(cv.final, 0.85)*math.Exp(0.6*rng.NormFloat64()) + 4*rng.Float64()
	}
	// What rises far rises for long.
	cv.middle = (10 + 12*math.Log1p(cv.final)) * math.Exp(0.4*rng.NormFloat64())
	cv.width = cv.middle * (0.25 + 0.2*rng.Float64())
	cv.ratio = math.Round(cv.ratio*100) / 100
	return cv
}

// grown is the share of the final value that is reached at an age in minutes:
// 0 at birth, never falling, 1 in the end.
func (cv *curve) grown(age float64) float64 {
	if age <= 0 {
		return 0
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	floor := sigmoid(-cv.middle / cv.width)
	risen := (sigmoid((age-cv.middle)/cv.width) - floor) / (1 - floor)
	// A part comes at once, from those who read the newest posts.
	const early = 0.15
	return early*(1-math.Exp(-age/15)) + (1-early)*risen
}

// truth is the score without any error.
func (b *birth) truth(cv *curve, now time.Time) float64 {
	return 1 + (cv.final-1)*cv.grown(b.c.age(b.at, now))
}

// score is the figure shown to one reader: the true one with a few points added
// or taken away, other ones in each reading.
func (b *birth) score(cv *curve, now time.Time) int {
	truth := b.truth(cv, now)
	if truth < 4 {
		return int(math.Round(truth))
	}
	return max(0, int(math.Round(truth+b.c.odd.Fuzz*fuzz(b.c.key^uint64(b.at)^mix(uint64(now.UnixNano()))))))
}

// fuzz is the error of a reading in points: none in every second one, else up
// to 5 either way, small ones more often.
func fuzz(key uint64) float64 {
	luck := fraction(key, 1)
	if luck < 0.5 {
		return 0
	}
	off := min(0.5-1.3*math.Log(1-fraction(key, 2)), 5)
	return math.Copysign(off, luck-0.75)
}

// comments is exact: it never falls.
func (b *birth) comments(cv *curve, now time.Time) int {
	// Talk begins a little before the votes come.
	return int(cv.comments * cv.grown(b.c.age(b.at, now)*1.25))
}
