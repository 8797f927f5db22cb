package reddit

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons of a stop.
const (
	stopRefused = "refused" // 429
	stopUsedUp  = "used_up" // nothing is left of the window
)

type metrics struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	remaining  prometheus.Gauge
	stops      *prometheus.CounterVec
	waiting    [classes]prometheus.Gauge
	turnedAway [classes]prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, perMinute int) *metrics {
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pulse_ingest_budget_waiting",
		Help: "Requests that wait for their turn: urgent goes before discovery, and that before refresh.",
	}, []string{"class"})
	turnedAway := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pulse_ingest_budget_turned_away_total",
		Help: "Requests that were not sent: their caller could not wait as long, or too many waited.",
	}, []string{"class"})
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_ingest_reddit_requests_total",
			Help: "Requests to Reddit by kind and HTTP status; code \"error\" means that no whole answer came.",
		}, []string{"kind", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "pulse_ingest_reddit_answer_seconds",
			Help:    "Time from sending a request to the last byte of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 10),
		}, []string{"kind"}),
		remaining: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pulse_ingest_budget_remaining",
			Help: "Requests left in Reddit's window of 600 s as it last said; until then what the configuration allows.",
		}),
		stops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_ingest_budget_stops_total",
			Help: "Times that nothing could be sent for a while: \"refused\" by a 429, or the window was \"used_up\".",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.requests, m.seconds, m.remaining, m.stops, waiting, turnedAway)
	for _, k := range []kind{kindToken, kindNew, kindInfo} {
		m.requests.WithLabelValues(string(k), "200")
		m.requests.WithLabelValues(string(k), "error")
		m.seconds.WithLabelValues(string(k))
	}
	for c := range classes {
		m.waiting[c] = waiting.WithLabelValues(c.String())
		m.turnedAway[c] = turnedAway.WithLabelValues(c.String())
	}
	m.stops.WithLabelValues(stopRefused)
	m.stops.WithLabelValues(stopUsedUp)
	m.remaining.Set(float64(perMinute) * window.Minutes())
	return m
}

func (m *metrics) request(k kind, status int) {
	m.requests.WithLabelValues(string(k), strconv.Itoa(status)).Inc()
}
