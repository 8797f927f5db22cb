package backtest

import (
	"cmp"
	"math"
	"slices"
)

// ranks gives each value its place in the order of all, from 1; equal values
// share the middle of theirs.
func ranks(values []float32) []float32 {
	order := make([]int32, len(values))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(values[a], values[b]) })
	out := make([]float32, len(values))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float32(from+to+1) / 2
		}
		from = to
	}
	return out
}

// correlation is Pearson's, 0 where one side is the same throughout. Of ranks it
// is Spearman's.
func correlation(a, b []float32) float64 {
	n := float64(len(a))
	var sumA, sumB float64
	for i := range a {
		sumA += float64(a[i])
		sumB += float64(b[i])
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i])-sumA/n, float64(b[i])-sumB/n
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}
