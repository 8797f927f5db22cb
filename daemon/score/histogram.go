package score

import "math"

// The steps of velocity: the first is of posts that do not move, the others are
// a tenth of log(1+v) each, v in points a minute. The last has all from e⁸, some
// 3,000 a minute, on.
const (
	bins     = 81
	binWidth = 0.1
)

// binOf is the step of a velocity.
func binOf(v float64) int {
	if !(v > 0) {
		return 0
	}
	return 1 + int(min(math.Log1p(v)/binWidth, bins-2))
}

// histogram is a distribution of log(1+v): how much time was spent at each
// step, and all of it. A step's time lies evenly in it; that of the first lies
// at 0.
type histogram struct {
	weight [bins]float64
	sum    float64
}

// share is the part of the time at which log(1+v) was at most x.
func (h *histogram) share(x float64) float64 {
	if x < 0 || h.sum <= 0 {
		return 0
	}
	full := min(int(x/binWidth), bins-1) // steps wholly below x, but for the first
	part := h.weight[0]
	for _, w := range h.weight[1 : 1+full] {
		part += w
	}
	if full < bins-1 {
		part += h.weight[1+full] * (x/binWidth - float64(full))
	}
	return min(part/h.sum, 1)
}

// median is log(1+v) that half of the time was not above.
func (h *histogram) median() float64 {
	left := h.sum/2 - h.weight[0]
	for i, w := range h.weight[1:] {
		if left <= 0 {
			return float64(i) * binWidth
		}
		if w >= left {
			return (float64(i) + left/w) * binWidth
		}
		left -= w
	}
	return (bins - 1) * binWidth
}

// deviation is the distance from the median m that half of the time was within.
func (h *histogram) deviation(m float64) float64 {
	low, high := 0.0, float64(bins)*binWidth
	for range 16 { // to a ten-thousandth
		d := (low + high) / 2
		if h.share(m+d)-h.below(m-d) >= 0.5 {
			high = d
		} else {
			low = d
		}
	}
	return high
}

// below is share without the time at 0 itself.
func (h *histogram) below(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return h.share(x)
}
