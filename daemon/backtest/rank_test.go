package backtest

import (
	"errors"
	"math"
	"slices"
	"testing"

	"dev.redditpulse/shared/pulse"
)

func TestRanks(t *testing.T) {
	t.Parallel()
	got := ranks([]float32{5, -1, 5, 0, 5, 0})
	if want := []float32{5, 1, 5, 2.5, 5, 2.5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ranks(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestCorrelation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{[]float32{1, 2, 3}, []float32{10, 20, 30}, 1},
		{[]float32{1, 2, 3}, []float32{3, 2, 1}, -1},
		{[]float32{1, 2, 3}, []float32{4, 4, 4}, 0},
		{nil, nil, 0},
		{[]float32{1, 2, 3, 4}, []float32{2, 1, 4, 3}, 0.6},
	} {
		if got := correlation(c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestASeriesIsBounded(t *testing.T) {
	t.Parallel()
	s := NewSeries()
	s.posts = make([]post, MaxPosts)
	if err := s.Add(&pulse.Observation{PostID: "t3_one_more"}); pulse.CodeOf(err) != pulse.TooMany {
		t.Errorf("one more post: %v", err)
	}
	s = NewSeries()
	s.readings = make([]reading, MaxReadings)
	var e *pulse.Error
	if err := s.Add(&pulse.Observation{PostID: "t3_a"}); !errors.As(err, &e) || e.Code != pulse.TooMany {
		t.Errorf("one more reading: %v", err)
	}
}
