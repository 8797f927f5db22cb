package backtest

import (
	"context"
	"math"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// Config says how a series is played.
type Config struct {
	Rules score.Rules
	Every time.Duration // how often, at most, a post is compared with its future
}

const (
	// horizon is the future that is compared with.
	horizon = time.Hour
	// learnEvery is how often what was learnt counts as usual, of keepDays days.
	learnEvery = 10 * time.Minute
	keepDays   = 7
	// checkEvery is after how many readings the end of the context is noticed.
	checkEvery = 10_000
)

// formula is a way of telling what rises next.
type formula int

const (
	byVelocity formula = iota
	byStep
	byComments
	byLifetime
	byScore
	byNews
	byHot
	formulas
)

var formulaNames = [formulas]string{
	"velocity", "last step alone", "comment velocity", "score / age", "score", "Hacker News", "Reddit hot",
}

// comparison is what was known of a post at a moment, and what came next.
type comparison struct {
	values   [formulas]float32
	gain     float32 // points in the horizon
	post     uint32
	regular  bool // one of those made every so often
	judged   bool // what is usual was known
	trending bool
	alert    bool // the moment at which the post began to trend
	complete bool // the series tells the gain
}

// life is a post as it is played.
type life struct {
	state   score.State
	last    reading
	seen    bool
	next    int64 // when it is compared next, Unix milliseconds
	since   time.Time
	pending []pending // comparisons whose gain is still to come, the oldest first
}

type pending struct {
	index int
	due   int64 // Unix milliseconds
	score int32
}

// run is one series being played.
type run struct {
	c           Config
	series      *Series
	lives       []life
	history     *history
	usual       *score.Baselines
	comparisons []comparison
	alerts      int
}

// Run plays the series.
func (s *Series) Run(ctx context.Context, c Config) (*Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.readings) == 0 {
		return nil, pulse.Errorf(pulse.Invalid, "no readings: nothing to play")
	}
	s.sort()
	r := &run{c: c, series: s, lives: make([]life, len(s.posts)), history: newHistory()}
	learnAt := int64(math.MinInt64)
	for i := range s.readings {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		reading := &s.readings[i]
		if reading.at >= learnAt {
			r.usual = r.history.usual(reading.at)
			learnAt = reading.at + learnEvery.Milliseconds()
		}
		r.play(reading)
	}
	return r.report(), nil
}

// play takes one reading.
func (r *run) play(now *reading) {
	l := &r.lives[now.post]
	o := r.series.observation(now)
	res := r.c.Rules.Advance(&l.state, &o, r.usual)
	if res.Outcome != score.New {
		return
	}
	if res.Sampled {
		r.history.add(res.Sample)
	}
	r.settle(l, now)
	if res.Velocity != nil {
		r.compare(l, now, &o, &res)
	}
	l.last, l.seen = *now, true
}

// settle tells pending comparisons the gain that is due. It lies on a line
// between two readings; where they are further apart than the horizon, it is
// unknown.
func (r *run) settle(l *life, now *reading) {
	for len(l.pending) > 0 && l.pending[0].due <= now.at {
		p := l.pending[0]
		l.pending = l.pending[1:]
		if now.at-l.last.at > horizon.Milliseconds() {
			continue
		}
		share := float64(p.due-l.last.at) / float64(now.at-l.last.at)
		then := float64(l.last.score) + share*float64(now.score-l.last.score)
		c := &r.comparisons[p.index]
		c.gain, c.complete = float32(then-float64(p.score)), true
	}
}

func (r *run) compare(l *life, now *reading, o *pulse.Observation, res *score.Result) {
	alert := res.Trend != nil && !res.Trend.Since.Equal(l.since)
	if alert {
		l.since = res.Trend.Since
		r.alerts++
	}
	regular := now.at >= l.next
	age := o.ObservedAt.Sub(o.CreatedAt)
	if !now.live || age < 0 || !regular && !alert {
		return
	}
	if regular {
		l.next = now.at + r.c.Every.Milliseconds()
	}
	l.pending = append(l.pending, pending{len(r.comparisons), now.at + horizon.Milliseconds(), now.score})
	r.comparisons = append(r.comparisons, comparison{
		values: values(l, now, o, res), post: now.post,
		regular: regular, alert: alert, trending: res.Trend != nil,
		judged: r.usual.Covers(age, &r.c.Rules),
	})
}

// values are the formulas' at a reading.
func values(l *life, now *reading, o *pulse.Observation, res *score.Result) [formulas]float32 {
	age := max(o.ObservedAt.Sub(o.CreatedAt), time.Second)
	points := float64(now.score)
	var v [formulas]float32
	v[byVelocity] = float32(*res.Velocity)
	v[byStep] = float32(float64(now.score-l.last.score) / float64(now.at-l.last.at))
	if res.CommentVelocity != nil {
		v[byComments] = float32(*res.CommentVelocity)
	}
	v[byLifetime] = float32(points / age.Minutes())
	v[byScore] = float32(points)
	v[byNews] = float32(math.Pow(max(points-1, 0), 0.8) / math.Pow(age.Hours()+2, 1.8))
	const founded = 1_134_028_003 // when Reddit's own clock of posts begins
	order := math.Log10(max(math.Abs(points), 1))
	v[byHot] = float32(math.Copysign(order, points) + float64(o.CreatedAt.Unix()-founded)/45_000)
	return v
}
