package backtest

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// Report is what a series says of the rules. Shares are 0 where they would be
// of nothing.
type Report struct {
	Readings    int       `json:"readings"`
	Posts       int       `json:"posts"`
	Subreddits  int       `json:"subreddits"`
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Comparisons int       `json:"comparisons"`
	Rising      int       `json:"rising"` // of the comparisons
	Rankings    []Ranking `json:"rankings"`
	Trending    Trending  `json:"trending"`
	Alerts      Alerts    `json:"alerts"`
}

// Ranking is how well a formula orders posts by what they gain in the next hour.
// A gain within the noise counts as none. Correlations are Spearman's, -1 to 1.
type Ranking struct {
	Formula string  `json:"formula"`
	All     float64 `json:"all"`
	Rising  float64 `json:"rising"` // among the posts that gain more than the noise
}

// Trending is how well the trending posts are those that rise most: in the top
// tenth of their subreddit by the next hour's gain, and by more than the noise.
// Only moments count at which what is usual was known.
type Trending struct {
	Moments   int     `json:"moments"`
	Top       int     `json:"top"`
	Trending  int     `json:"trending"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	Points    float64 `json:"points"` // share of all points gained that trending posts gained
}

// Alerts is the moments at which posts began to trend.
type Alerts struct {
	Count  int     `json:"count"`
	PerDay float64 `json:"per_day"`
	// Top is the share of them whose next hour was in the top tenth, of those
	// whose next hour is known.
	Top float64 `json:"top"`
	// ToCome is the median share of a post's last score that was still to come.
	ToCome float64 `json:"to_come"`
}

func (r *run) report() *Report {
	s := r.series
	from, to := s.readings[0].at, s.readings[len(s.readings)-1].at
	rep := &Report{
		Readings: len(s.readings), Posts: len(s.posts), Subreddits: len(s.subreddits),
		From: time.UnixMilli(from).UTC(), To: time.UnixMilli(to).UTC(),
	}
	r.rank(rep)
	rep.Alerts.Count = r.alerts
	if days := time.Duration(to-from) * time.Millisecond; days > 0 {
		rep.Alerts.PerDay = rounded(float64(r.alerts) / (days.Hours() / 24))
	}
	r.verify(rep)
	return rep
}

// rank gives the number of regular comparisons, of those with a rise, and how the
// formulas did.
func (r *run) rank(rep *Report) {
	var all, rising []*comparison
	for i := range r.comparisons {
		c := &r.comparisons[i]
		if !c.regular || !c.complete {
			continue
		}
		all = append(all, c)
		if r.rises(c) {
			rising = append(rising, c)
		}
	}
	rep.Comparisons, rep.Rising = len(all), len(rising)
	ofAll, ofRising := r.rankings(all), r.rankings(rising)
	for f := range formulas {
		rep.Rankings = append(rep.Rankings, Ranking{formulaNames[f], ofAll[f], ofRising[f]})
	}
}

// rises tells whether the gain is more than the noise.
func (r *run) rises(c *comparison) bool { return float64(c.gain) > r.c.Rules.Noise }

func (r *run) rankings(chosen []*comparison) (out [formulas]float64) {
	column := make([]float32, len(chosen))
	fill := func(value func(c *comparison) float32) []float32 {
		for i, c := range chosen {
			column[i] = value(c)
		}
		return ranks(column)
	}
	truth := fill(func(c *comparison) float32 {
		if math.Abs(float64(c.gain)) <= r.c.Rules.Noise {
			return 0
		}
		return c.gain
	})
	for f := range out {
		out[f] = rounded(correlation(fill(func(c *comparison) float32 { return c.values[f] }), truth))
	}
	return out
}

// topShare is the share of a subreddit's gains that is its top; below
// fewestGains nothing is said of a subreddit.
const (
	topShare    = 0.1
	fewestGains = 10
)

// tops is for each subreddit the gain from which on a post is at its top.
func (r *run) tops() []float32 {
	gains := make([][]float32, len(r.series.subreddits))
	for i := range r.comparisons {
		if c := &r.comparisons[i]; c.regular && c.complete && c.judged {
			sub := r.series.posts[c.post].subreddit
			gains[sub] = append(gains[sub], c.gain)
		}
	}
	tops := make([]float32, len(gains))
	for sub, g := range gains {
		if len(g) < fewestGains {
			tops[sub] = float32(math.NaN()) // nothing is at or above it
			continue
		}
		slices.Sort(g)
		tops[sub] = g[len(g)-int(topShare*float64(len(g)))]
	}
	return tops
}

// verify compares what trends with what rose.
func (r *run) verify(rep *Report) {
	tops := r.tops()
	t := &rep.Trending
	var hits, alerts, right int
	var all, trending float64
	for i := range r.comparisons {
		c := &r.comparisons[i]
		top := tops[r.series.posts[c.post].subreddit]
		if !c.complete || !c.judged || math.IsNaN(float64(top)) {
			continue
		}
		rose := c.gain >= top && r.rises(c)
		if c.alert {
			alerts++
			right += count(rose)
		}
		if c.regular {
			t.Moments++
			t.Top += count(rose)
			t.Trending += count(c.trending)
			hits += count(rose && c.trending)
			gain := max(float64(c.gain), 0)
			all += gain
			if c.trending {
				trending += gain
			}
		}
	}
	if all > 0 {
		t.Points = rounded(trending / all)
	}
	t.Precision, t.Recall = share(hits, t.Trending), share(hits, t.Top)
	rep.Alerts.Top = share(right, alerts)
	rep.Alerts.ToCome = r.toCome()
}

// toCome is the median share of the alerted posts' last scores that they did not
// have yet.
func (r *run) toCome() float64 {
	var shares []float64
	for i := range r.comparisons {
		c := &r.comparisons[i]
		if last := float64(r.lives[c.post].last.score); c.alert && last > 0 {
			shares = append(shares, 1-float64(c.values[byScore])/last)
		}
	}
	if len(shares) == 0 {
		return 0
	}
	slices.Sort(shares)
	return rounded(shares[len(shares)/2])
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return rounded(float64(part) / float64(whole))
}

func rounded(f float64) float64 { return math.Round(f*1000) / 1000 }

// Write writes the report as text.
func (rep *Report) Write(w io.Writer) error {
	const minute = "2006-01-02 15:04"
	p := &printer{w: w}
	p.print("%d readings of %d posts in %d subreddits, %s to %s UTC\n",
		rep.Readings, rep.Posts, rep.Subreddits, rep.From.Format(minute), rep.To.Format(minute))
	p.print("\nrank correlation with the next hour's gain, of %d moments of posts and %d that rise\n", rep.Comparisons, rep.Rising)
	p.print("  %-18s %7s %7s\n", "", "all", "rising")
	for _, r := range rep.Rankings {
		p.print("  %-18s %7.3f %7.3f\n", r.Formula, r.All, r.Rising)
	}
	t := rep.Trending
	p.print("\ntrending, against the top tenth of the next hour's gains in the subreddit\n")
	p.print("  %d moments, %d at the top, %d trending\n", t.Moments, t.Top, t.Trending)
	p.print("  precision %.3f, recall %.3f, %.3f of all points gained\n", t.Precision, t.Recall, t.Points)
	p.print("\n%d alerts, %.1f a day, %.3f of them at the top in the next hour\n",
		rep.Alerts.Count, rep.Alerts.PerDay, rep.Alerts.Top)
	p.print("  with %.3f of the last score still to come, in the median\n", rep.Alerts.ToCome)
	return p.err
}

// printer prints until writing fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) print(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
