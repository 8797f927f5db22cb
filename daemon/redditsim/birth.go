package redditsim

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// birth is a post: its community and the millisecond it was made.
type birth struct {
	c  *community
	at int64
}

func (b birth) id() string {
	return strconv.FormatUint(uint64(b.at-founded)<<codeBits|uint64(b.c.code), 36)
}

func (b birth) fullName() string { return "t3_" + b.id() }

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
func (b birth) curve(rng *rand.Rand) curve {
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

// score is the figure shown to one reader: the true one with a few points added
// or taken away, other ones in each reading.
func (b birth) score(cv *curve, now time.Time) int {
	truth := 1 + (cv.final-1)*cv.grown(b.age(now))
	if truth < 4 {
		return int(math.Round(truth))
	}
	noise := rand.New(rand.NewPCG(b.c.key^uint64(b.at), uint64(now.UnixNano())))
	off := min(max(noise.NormFloat64()*1.6, -9), 9)
	return max(1, int(math.Round(truth+off)))
}

// comments is exact: it never falls.
func (b birth) comments(cv *curve, now time.Time) int {
	// Talk begins a little before the votes come.
	return int(cv.comments * cv.grown(b.age(now)*1.25))
}

// age is the post's age in minutes of its own, faster or slower, life.
func (b birth) age(now time.Time) float64 {
	return float64(now.UnixMilli()-b.at) / 60_000 * b.c.speed
}
