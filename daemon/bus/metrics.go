package bus

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/wire"
)

// topics are all that this package produces to, reads and keeps.
var topics = []string{wire.TopicRaw, wire.TopicRefresh, wire.TopicDead}

type metrics struct {
	lag        *prometheus.GaugeVec   // topic, partition; only of partitions held
	fetched    *prometheus.CounterVec // topic
	produced   *prometheus.CounterVec // topic
	resets     *prometheus.CounterVec // topic
	assigned   prometheus.Gauge
	inflight   prometheus.Gauge
	rebalances prometheus.Counter
	joinErrors prometheus.Counter
	coordLost  prometheus.Counter
	cut        prometheus.Counter
	commits    prometheus.Counter
	commitErrs prometheus.Counter
	backwards  prometheus.Counter
	fetchErrs  prometheus.Counter
	retries    prometheus.Counter
	failures   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
	}
	byTopic := func(name, help string) *prometheus.CounterVec {
		v := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"topic"}))
		for _, t := range topics {
			v.WithLabelValues(t)
		}
		return v
	}
	return &metrics{
		lag: register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pulse_process_lag_records",
			Help: "Records between the last commit and the end of a partition held by this process.",
		}, []string{"topic", "partition"})),
		fetched:    byTopic("pulse_bus_fetched_records_total", "Records read."),
		produced:   byTopic("pulse_bus_produced_records_total", "Records acknowledged by all in-sync replicas."),
		resets:     byTopic("pulse_bus_offset_resets_total", "Positions that had left the log and were moved to its start: records may be lost or read again."),
		assigned:   gauge("pulse_bus_assigned_partitions", "Partitions held by this process."),
		inflight:   gauge("pulse_bus_inflight_bytes", "Bytes of records waiting for an acknowledgement."),
		rebalances: counter("pulse_bus_rebalances_total", "Generations of the consumer group that this process joined."),
		joinErrors: counter("pulse_bus_join_errors_total", "Attempts to join the consumer group that did not succeed."),
		coordLost:  counter("pulse_bus_coordinator_losses_total", "Connections to the group's coordinator that were given up, at the end of a process too."),
		cut:        counter("pulse_bus_cut_connections_total", "Connections cut because their broker has left the cluster."),
		commits:    counter("pulse_bus_commits_total", "Offset commits that succeeded."),
		commitErrs: counter("pulse_bus_commit_errors_total", "Offset commits that did not succeed."),
		backwards:  counter("pulse_bus_offset_regressions_total", "Offset commits refused because they would have gone backwards: a bug."),
		fetchErrs:  counter("pulse_bus_fetch_errors_total", "Fetches that did not succeed and were repeated."),
		retries:    counter("pulse_bus_produce_retries_total", "Records sent again after an error."),
		failures:   counter("pulse_bus_produce_failures_total", "Records given back to their sender without an acknowledgement."),
	}
}

func (m *metrics) lagOf(topic string, partition int) prometheus.Gauge {
	return m.lag.WithLabelValues(topic, strconv.Itoa(partition))
}

func (m *metrics) forgetLag(topic string, partition int) {
	m.lag.DeleteLabelValues(topic, strconv.Itoa(partition))
}

// register shares a metric between the buses of one process.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	var there prometheus.AlreadyRegisteredError
	switch err := reg.Register(c); {
	case err == nil:
	case errors.As(err, &there):
		return there.ExistingCollector.(C)
	default:
		panic("bus: register metric: " + err.Error()) // a malformed name
	}
	return c
}
