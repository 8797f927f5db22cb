package db

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	rows       *prometheus.CounterVec
	reads      *prometheus.CounterVec
	lag        prometheus.Gauge
	replicaOff prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_store_rows_written_total", Help: "Rows inserted or changed.",
		}, []string{"table"}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_store_reads_total", Help: "Reads, by the server that answered.",
		}, []string{"target"}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pulse_store_replica_lag_seconds", Help: "How far the replica is behind the primary.",
		}),
		replicaOff: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pulse_store_replica_off", Help: "1 while reads go to the primary because the replica is away or behind.",
		}),
	}
	reg.MustRegister(m.rows, m.reads, m.lag, m.replicaOff)
	m.rows.WithLabelValues("posts")
	m.rows.WithLabelValues("post_history")
	m.reads.WithLabelValues("primary")
	m.reads.WithLabelValues("replica")
	return m
}
