package ingest

import (
	"log/slog"
	"time"
)

// How long polling pauses while a part is away: from, doubling, up to. One
// request tries whether it is back.
const (
	outageMin = time.Second
	outageMax = time.Minute
)

// outage is whether a part is away, and until when nobody tries it.
type outage struct {
	part     string // "" while none is
	failures int
	since    time.Time
	until    time.Time
}

// met takes note of an answer to a request that began at begun: err of the part,
// or part "" when all went well.
func (o *outage) met(part string, err error, begun, now time.Time, log *slog.Logger, m *metrics) {
	if part == "" {
		if o.part != "" && begun.After(o.since) {
			log.Info("polling goes on", "outage", o.part, "away", now.Sub(o.since))
			m.outage.WithLabelValues(o.part).Set(0)
			*o = outage{}
		}
		return
	}
	if o.part != "" && o.part != part {
		m.outage.WithLabelValues(o.part).Set(0)
	}
	if o.part == "" {
		o.since = now
		log.Warn("polling pauses", "outage", part, "err", err)
	} else if now.Before(o.until) {
		return // one of those that were under way when it began
	}
	m.outage.WithLabelValues(part).Set(1)
	o.part = part
	o.failures++
	o.until = now.Add(jitter(min(outageMax, outageMin<<min(o.failures, 10))))
}

// allows tells whether a request may go while busy others are under way.
func (o *outage) allows(now time.Time, busy int) bool {
	return o.part == "" || busy == 0 && !now.Before(o.until)
}
