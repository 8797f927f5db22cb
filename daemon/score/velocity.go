package score

import (
	"math"
	"time"
)

// restartAfter is the longest step that says anything of a velocity. What lies
// further back is forgotten.
const restartAfter = 24 * time.Hour

// exact is the gate of a figure without error.
const exact = -1

// motion is a figure's velocity at a reading.
type motion struct {
	rate  float64 // a minute
	known bool
	moved bool // by more than the gate since the anchor, which is here now
}

// move takes a reading of the figure. Over less than the shortest step nothing
// changes. A change within the gate is no movement: the velocity fades, or is 0
// where it was unknown, and the anchor stays, so that slow growth adds up until
// it passes the gate.
func (r *Rules) move(t *track, at, value int64, gate float64) motion {
	if !r.measurable(at - t.at) {
		return motion{rate: t.rate, known: t.known}
	}
	step := minutes(at - t.at)
	keep := math.Exp(-step / r.Tau.Minutes())
	gain := float64(value) - float64(t.value)
	if math.Abs(gain) <= gate {
		faded := r.fade(t.rate, step, gate)
		if step > restartAfter.Minutes() {
			*t = track{at: at, value: value, rate: faded, known: true}
		}
		return motion{rate: faded, known: true}
	}
	rate := gain / step
	if t.known {
		rate = t.rate*keep + (1-keep)*rate
	}
	*t = track{at: at, value: value, rate: rate, known: true}
	return motion{rate: rate, known: true, moved: true}
}

// current is what move answered for the newest reading.
func (r *Rules) current(t *track, at int64, gate float64) motion {
	if !r.measurable(at - t.at) {
		return motion{rate: t.rate, known: t.known}
	}
	return motion{rate: r.fade(t.rate, minutes(at-t.at), gate), known: true}
}

// fade is what is left of a rate after so many minutes without movement. For as
// long as the gate would have hidden it, it may well have gone on.
func (r *Rules) fade(rate, step, gate float64) float64 {
	if rate == 0 {
		return 0
	}
	silent := max(step-max(gate, 0)/math.Abs(rate), 0)
	return rate * math.Exp(-silent/r.Tau.Minutes())
}

// measurable tells whether a velocity may be taken over a step in milliseconds.
func (r *Rules) measurable(step int64) bool { return step > 0 && step >= r.MinStep.Milliseconds() }

func minutes(ms int64) float64 { return float64(ms) / 60_000 }
