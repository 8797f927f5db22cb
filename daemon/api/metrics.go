package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_api_requests_total",
			Help: "Requests by route, method and status; unknown paths are the route unmatched.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "pulse_api_request_seconds",
			Help:    "Time from the first byte of a request to the last of its answer, sockets up to the hand-over.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.seconds)
	}
	return m
}

// touch makes the series of every route exist from the start.
func (m *metrics) touch(routes []route) {
	for _, r := range routes {
		m.requests.WithLabelValues(r.path, r.method, "200")
	}
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Inc()
	m.seconds.Observe(took.Seconds())
}

// knownMethod keeps made-up methods from making series.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
