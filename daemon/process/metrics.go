package process

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	records *prometheus.CounterVec
	batch   prometheus.Histogram
	steps   *prometheus.HistogramVec
	paused  *prometheus.GaugeVec
	dead    *prometheus.CounterVec

	seeded, unlearnt prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_process_records_total", Help: "Records taken from Kafka, by what became of them.",
		}, []string{"outcome"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pulse_process_batch_seconds", Help: "From a batch's fetch to its announcement.", Buckets: buckets,
		}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pulse_process_step_seconds", Help: "One step of a batch, waiting included.", Buckets: buckets,
		}, []string{"step"}),
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pulse_process_paused", Help: "Partitions that stand still, by reason.",
		}, []string{"reason"}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_process_dead_letters_total", Help: "Records sent to the dead letters, by the step that failed.",
		}, []string{"stage"}),
	}
	m.seeded = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pulse_process_seeded_posts_total", Help: "Posts continued from the database because Redis had lost them.",
	})
	m.unlearnt = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pulse_process_unlearnt_cells_total", Help: "Cells of baselines dropped because they could not be stored.",
	})
	reg.MustRegister(m.records, m.batch, m.steps, m.paused, m.dead, m.seeded, m.unlearnt)
	for _, s := range steps {
		m.steps.WithLabelValues(string(s))
	}
	for _, outcome := range []string{"stored", "repeated", "dead"} {
		m.records.WithLabelValues(outcome)
	}
	for _, reason := range []string{reasonOutage, reasonBug, reasonPoison} {
		m.paused.WithLabelValues(reason)
	}
	m.dead.WithLabelValues(string(stepDecode))
	m.dead.WithLabelValues(string(stepStore))
	return m
}

// watch shows the counters that others keep.
func (m *metrics) watch(reg prometheus.Registerer, p *Processor) {
	counter := func(name, help string, value func() uint64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value()) }))
	}
	counter("pulse_process_unlearnt_samples_total", "Samples dropped because too much was learnt between two flushes.", p.learner.Dropped)
	counter("pulse_process_sentiment_hits_total", "Titles whose sentiment was known.", p.sentiments.Hits)
	counter("pulse_process_sentiment_misses_total", "Titles whose sentiment was computed.", p.sentiments.Misses)
}
