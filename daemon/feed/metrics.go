package feed

import (
	"strconv"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"dev.redditpulse/shared/wire"
)

type metrics struct {
	clients    prometheus.Gauge
	views      prometheus.Gauge
	seq        prometheus.Gauge
	streamUp   prometheus.Gauge
	frames     prometheus.Counter
	bytes      prometheus.Counter
	closed     *prometheus.CounterVec // code
	refused    *prometheus.CounterVec // code
	resumed    *prometheus.CounterVec // answer
	delay      prometheus.Histogram
	rebases    prometheus.Counter
	conflated  prometheus.Counter
	dropped    prometheus.Counter
	duplicates prometheus.Counter
	poison     prometheus.Counter
}

// closeCodes are the values of the label "code"; what a client makes up is
// counted as "other".
var closeCodes = []int{
	websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseProtocolError,
	websocket.CloseNoStatusReceived, websocket.CloseAbnormalClosure,
	websocket.CloseInvalidFramePayloadData, wire.CloseTooBig, wire.CloseRestart,
	wire.CloseBadFrame, wire.CloseToken, wire.CloseForbidden, wire.CloseSlow, wire.CloseFlood,
}

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "pulse_feed_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "pulse_feed_" + name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pulse_feed_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		clients:  gauge("clients", "Open sockets."),
		views:    gauge("filters", "Distinct filters of the open sockets."),
		seq:      gauge("seq", "The newest number of the feed."),
		streamUp: gauge("stream_up", "1 while the feed stream answers."),
		frames:   counter("frames_sent_total", "Frames written to sockets, control frames aside."),
		bytes:    counter("sent_bytes_total", "Bytes written to sockets."),
		closed:   vector("closed_total", "Sockets that ended, by close code; 1006 without one.", "code"),
		refused:  vector("refused_total", "Sockets refused before the upgrade, by error code.", "code"),
		resumed:  vector("resumed_total", "Sockets opened, by what they were told on resuming.", "answer"),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pulse_feed_delay_seconds", Help: "From the oldest reading in a frame to its first write.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600},
		}),
		rebases:    counter("rebases_total", "Times that the numbers started anew and every socket got a snapshot."),
		conflated:  counter("conflated_total", "Readings left out for slow sockets because a newer one follows."),
		dropped:    counter("dropped_frames_total", "Ready frames dropped before every socket had them; the ring serves instead."),
		duplicates: counter("duplicates_total", "Stream entries that were no news: the ring had a reading as new."),
		poison:     counter("poison_total", "Stream entries that could not be read."),
	}
	reg.MustRegister(m.clients, m.views, m.seq, m.streamUp, m.frames, m.bytes, m.closed, m.refused,
		m.resumed, m.delay, m.rebases, m.conflated, m.dropped, m.duplicates, m.poison)
	for _, code := range closeCodes {
		m.closed.WithLabelValues(strconv.Itoa(code))
	}
	m.closed.WithLabelValues("other")
	for _, answer := range []string{wire.NothingMissed, wire.Replayed, wire.Snapshot} {
		m.resumed.WithLabelValues(answer)
	}
	return m
}

func (m *metrics) countClose(code int) {
	for _, known := range closeCodes {
		if code == known {
			m.closed.WithLabelValues(strconv.Itoa(code)).Inc()
			return
		}
	}
	m.closed.WithLabelValues("other").Inc()
}
