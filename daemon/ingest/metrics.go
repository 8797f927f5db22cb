package ingest

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	observations *prometheus.CounterVec
	skipped      prometheus.Counter
	polls        prometheus.Histogram
	subreddits   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		observations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_ingest_observations_total", Help: "Observations produced: first sights (raw) and later readings (refresh).",
		}, []string{"kind"}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pulse_ingest_skipped_posts_total", Help: "Children of listings that could not be read as posts.",
		}),
		polls: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pulse_ingest_poll_seconds", Help: "A poll from its request to Kafka's acknowledgement.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
		subreddits: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pulse_ingest_subreddits", Help: "Configured subreddits.",
		}),
	}
	reg.MustRegister(m.observations, m.skipped, m.polls, m.subreddits)
	m.observations.WithLabelValues("raw")
	m.observations.WithLabelValues("refresh")
	return m
}
