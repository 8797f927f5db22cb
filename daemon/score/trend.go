package score

import (
	"math"
	"time"

	"dev.redditpulse/shared/pulse"
)

// A trend's score is 100·logistic(pointsWeight·z + commentsWeight·max(z_c, 0) −
// offset): z is how far a post's log(1+velocity) lies above the usual, in units
// of its spread, z_c how far its comments lie above those expected. The weights
// were chosen with `pulse backtest` on simulated series; a change of them belongs
// in the changelog, as it changes what users see.
const (
	pointsWeight   = 1.0
	commentsWeight = 0.3
	offset         = 2.6
	// mostComments bounds z_c: talk alone is a hint.
	mostComments = 6
	// dispersion is of the negative binomial: the variance of a count around λ is
	// λ + dispersion·λ². Counts of fewer than one comment are worth little.
	dispersion = 1.0
	oneComment = 1.0
	// rare is the percentile from which on a post may begin to trend: where half
	// of the posts don't move at all, the usual says little of the others.
	rare = 95
)

// verdict is how unusual a post's movement is.
type verdict struct {
	usual    usual
	height   float64 // log(1+velocity)
	score    float64 // 0 to 100
	comments float64 // expected in the time of movement.gained
	rarity   float64 // percentage of the time that posts spend below that height
	enough   bool    // the post moves enough to matter at all
	evident  bool    // the reading itself shows it; others only repeat what was known
}

// judge tells how a post trends, nil where it does not.
func (r *Rules) judge(s *State, o *pulse.Observation, m *movement, b *Baselines) *pulse.Trend {
	u, known := b.usual(m.subreddit, m.age, r)
	if !known {
		return nil
	}
	v := r.weigh(u, m)
	v.rarity = b.percentile(&u, v.height)
	r.settle(s, &v, m.at)
	if !s.trending {
		return nil
	}
	return r.trend(s, o, m, &v)
}

func (r *Rules) weigh(u usual, m *movement) verdict {
	v := verdict{usual: u, height: math.Log1p(max(m.points.rate, 0)), comments: u.comments * m.over}
	z := (v.height - u.median) / u.scale
	zc := (m.gained - v.comments) / math.Sqrt(v.comments+dispersion*v.comments*v.comments+oneComment)
	zc = max(0, min(zc, mostComments))
	v.score = 100 / (1 + math.Exp(offset-pointsWeight*z-commentsWeight*zc))
	window := r.Tau.Minutes()
	v.enough = m.points.rate*window >= r.MinPoints || m.talk.rate*window >= r.MinComments
	v.evident = m.points.moved || m.gained >= r.MinComments
	return v
}

// settle begins and ends trends: two verdicts in a row, a step apart, do. Those
// that begin one must be evident, or a single jump would confirm itself.
func (r *Rules) settle(s *State, v *verdict, at int64) {
	if (s.trending || s.doubtful) && !r.measurable(at-s.judged) {
		return
	}
	high := v.enough && v.score >= r.Enter && v.rarity >= rare
	low := !v.enough || v.score < r.Leave
	switch {
	case !s.trending && !high, s.trending && low && s.doubtful:
		s.forgetTrend()
	case !s.trending && !v.evident:
	case !s.trending && !s.doubtful:
		s.doubtful, s.since, s.judged = true, at, at
	case !s.trending:
		s.trending, s.doubtful, s.judged = true, false, at
	default:
		s.doubtful, s.judged = low, at
	}
}

func (s *State) forgetTrend() { s.trending, s.doubtful, s.since, s.judged = false, false, 0, 0 }

func (r *Rules) trend(s *State, o *pulse.Observation, m *movement, v *verdict) *pulse.Trend {
	rate := max(m.points.rate, 0)
	often := math.Expm1(v.usual.median)
	t := &pulse.Trend{
		Score: hundredths(v.score), Usual: hundredths(often),
		TimesUsual: hundredths(rate / max(often, r.still(), 1e-3)),
		Percentile: hundredths(min(v.rarity, surest)),
		AgeBucket:  bucketNames[m.age], Since: time.UnixMilli(s.since).UTC(),
	}
	t.Reason = r.reason(t, o.Subreddit, m, v)
	return t
}

// surest bounds a percentile: what has not been seen yet is not impossible.
const surest = 99.9

func hundredths(f float64) float64 { return math.Round(f*100) / 100 }
