package score

import (
	"math"
	"strings"

	"dev.redditpulse/shared/pulse"
)

// Outcome says how a reading stands to what is remembered of its post.
type Outcome uint8

// The outcomes of a reading.
const (
	New   Outcome = iota // later than all before: it changed the state
	Same                 // of the moment of the newest one
	Stale                // before the newest one
)

// Result is what a reading means.
type Result struct {
	Outcome         Outcome
	Velocity        *float64     // points a minute, nil while unknown
	CommentVelocity *float64     // comments a minute, nil while unknown
	Trend           *pulse.Trend // nil while the post does not trend, and unless New
	Sample          Sample       // for the baseline
	Sampled         bool         // whether there is a sample: only where New
}

// Advance takes a reading of a post: what it means beside the post's state,
// which changes only if the reading is New, and beside what is usual, which may
// be nil. The same state, reading and baselines give the same result.
func (r *Rules) Advance(s *State, o *pulse.Observation, b *Baselines) Result {
	at := millis(o.ObservedAt)
	switch {
	case !s.seen || at-s.at > restartAfter.Milliseconds():
		*s = firstSight(o)
		return Result{Outcome: New}
	case at < s.at:
		return Result{Outcome: Stale}
	case at == s.at:
		res := Result{Outcome: Same}
		res.tell(r.current(&s.points, s.at, r.gate(s.score)), r.current(&s.talk, s.at, exact))
		return res
	}
	return r.step(s, o, at, b)
}

// tell gives both velocities in one allocation.
func (res *Result) tell(points, talk motion) {
	rates := &[2]float64{points.rate, talk.rate}
	if points.known {
		res.Velocity = &rates[0]
	}
	if talk.known {
		res.CommentVelocity = &rates[1]
	}
}

// step takes a reading behind the newest one.
func (r *Rules) step(s *State, o *pulse.Observation, at int64, b *Baselines) Result {
	res := Result{Outcome: New}
	m := movement{
		subreddit: strings.ToLower(o.Subreddit), at: at, age: bucketOf(at - millis(o.CreatedAt)),
		gained: float64(o.NumComments) - float64(s.talk.value), over: minutes(at - s.talk.at),
	}
	m.points = r.move(&s.points, at, o.Score, r.gate(o.Score))
	m.talk = r.move(&s.talk, at, o.NumComments, exact)
	res.tell(m.points, m.talk)
	switch {
	case o.State != pulse.Live || m.age == noBucket:
		s.forgetTrend()
	case m.points.known:
		res.Sample, res.Sampled = r.sample(s, o, &m), true
		res.Trend = r.judge(s, o, &m, b)
	}
	s.at, s.score, s.comments = at, o.Score, o.NumComments
	return res
}

// movement is what one reading adds to what was known.
type movement struct {
	subreddit    string // lower case
	at           int64
	age          bucket
	points, talk motion
	gained, over float64 // comments, and the minutes in which they came
}

// sample is the part of a step that the baseline learns from.
func (r *Rules) sample(s *State, o *pulse.Observation, m *movement) Sample {
	const longest = 60 * 60
	// Whole seconds of the clock, so that short steps add up.
	seconds := floorSeconds(m.at) - floorSeconds(s.at)
	gained := float64(o.NumComments) - float64(s.comments)
	if seconds > longest {
		gained *= longest / float64(seconds)
		seconds = longest
	}
	const most = 1e9
	sample := Sample{
		Subreddit: m.subreddit, Seconds: seconds, Comments: int64(math.Round(max(-most, min(gained, most)))),
		day: floorDiv(m.at, secondsADay*1000), age: m.age,
	}
	if m.points.moved || m.points.rate > r.still() {
		sample.bin = uint8(binOf(m.points.rate))
	}
	return sample
}

func floorSeconds(ms int64) int64 { return floorDiv(ms, 1000) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
