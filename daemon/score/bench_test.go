package score_test

import (
	"fmt"
	"testing"
	"time"

	"dev.redditpulse/daemon/score"
	"dev.redditpulse/shared/pulse"
)

func BenchmarkAdvance(b *testing.B) {
	usual := quiet()
	for name, gains := range map[string][]int64{"still": {0, 0, 0}, "rising": {5, 9, 9}, "trending": {50, 50, 50}} {
		b.Run(name, func(b *testing.B) {
			readings := climb(20*time.Minute, time.Minute, gains...)
			var before score.State
			play(rules, &before, usual, readings[:3]...)
			b.ReportAllocs()
			for b.Loop() {
				s := before
				rules.Advance(&s, readings[3], usual)
			}
		})
	}
}

func BenchmarkState(b *testing.B) {
	var s score.State
	play(rules, &s, quiet(), climb(20*time.Minute, time.Minute, 50, 50, 50)...)
	stored := s.Append(nil)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			stored = s.Append(stored[:0])
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := score.ParseState(stored); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLearner(b *testing.B) {
	var s score.State
	sample := play(rules, &s, nil, climb(20*time.Minute, time.Minute, 50)...).Sample
	l := score.NewLearner(1000)
	b.ReportAllocs()
	for b.Loop() {
		l.Add(sample)
	}
}

func BenchmarkBaselines(b *testing.B) {
	var rows []pulse.Baseline
	for n := range 1000 {
		for _, age := range ages {
			rows = append(rows, pulse.Baseline{
				Subreddit: fmt.Sprint("subreddit_", n), AgeBucket: age, Seconds: append(make([]int64, 20), 7, 5, 3, 2, 1), Comments: 9,
			})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		build := score.NewBaselineBuilder()
		for _, row := range rows {
			build.Add(row)
		}
		build.Done()
	}
}
