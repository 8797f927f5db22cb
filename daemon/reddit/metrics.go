package reddit

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec
	remaining prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, perMinute int) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_ingest_reddit_requests_total",
			Help: "Requests to Reddit by kind and HTTP status; code \"error\" means that no whole answer came.",
		}, []string{"kind", "code"}),
		remaining: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pulse_ingest_budget_remaining",
			Help: "Requests left in Reddit's window of 600 s as it last said; until then what the configuration allows.",
		}),
	}
	reg.MustRegister(m.requests, m.remaining)
	for _, k := range []kind{kindToken, kindNew, kindInfo} {
		m.requests.WithLabelValues(string(k), "200")
		m.requests.WithLabelValues(string(k), "error")
	}
	m.remaining.Set(float64(perMinute) * window.Minutes())
	return m
}

func (m *metrics) request(k kind, status int) {
	m.requests.WithLabelValues(string(k), strconv.Itoa(status)).Inc()
}
