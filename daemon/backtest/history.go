package backtest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

// maxCells bounds what is learnt between two looks at it.
const maxCells = 100_000

// history is what the series has taught so far, as the database would have it.
type history struct {
	learner *score.Learner
	rows    []pulse.Baseline // sorted by subreddit, age and day, each once
}

func newHistory() *history { return &history{learner: score.NewLearner(maxCells)} }

func (h *history) add(s score.Sample) { h.learner.Add(s) }

// usual is what was usual in the days before a moment, in Unix milliseconds.
func (h *history) usual(at int64) *score.Baselines {
	first := time.UnixMilli(at).UTC().AddDate(0, 0, -keepDays)
	h.rows = slices.DeleteFunc(h.rows, func(b pulse.Baseline) bool { return b.Day.Before(first) })
	h.rows = merge(h.rows, h.learner.Take())
	build := score.NewBaselineBuilder()
	for _, row := range h.rows {
		build.Add(row)
	}
	return build.Done()
}

// merge adds rows up, both sorted.
func merge(a, b []pulse.Baseline) []pulse.Baseline {
	out := make([]pulse.Baseline, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := compareCells(a[0], b[0]); {
		case order < 0:
			out, a = append(out, a[0]), a[1:]
		case order > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, sum(a[0], b[0])), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func compareCells(a, b pulse.Baseline) int {
	return cmp.Or(strings.Compare(a.Subreddit, b.Subreddit), strings.Compare(a.AgeBucket, b.AgeBucket), a.Day.Compare(b.Day))
}

func sum(a, b pulse.Baseline) pulse.Baseline {
	if len(a.Seconds) < len(b.Seconds) {
		a, b = b, a
	}
	for i, s := range b.Seconds {
		a.Seconds[i] += s
	}
	a.Comments += b.Comments
	return a
}
