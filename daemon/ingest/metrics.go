package ingest

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	observations  *prometheus.CounterVec
	skipped       prometheus.Counter
	polls         prometheus.Histogram
	subreddits    *prometheus.GaugeVec
	leading       prometheus.Gauge
	bisected      prometheus.Counter
	overflow      prometheus.Counter
	gaps          prometheus.Counter
	factor        prometheus.Gauge
	refreshFactor prometheus.Gauge
	live          prometheus.Gauge
	dropped       prometheus.Counter
	refreshed     prometheus.Counter
	gone          prometheus.Counter
	outage        *prometheus.GaugeVec
	unsaved       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "pulse_ingest_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "pulse_ingest_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	m := &metrics{
		observations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pulse_ingest_observations_total", Help: "Observations produced: first sights (raw) and later readings (refresh).",
		}, []string{"kind"}),
		polls: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pulse_ingest_poll_seconds", Help: "A poll from its request to Kafka's acknowledgement.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
		subreddits: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pulse_ingest_subreddits", Help: "Configured subreddits by state.",
		}, []string{"state"}),
		outage: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pulse_ingest_outage", Help: "1 while polling pauses since this part is away.",
		}, []string{"part"}),
		skipped:       counter("skipped_posts_total", "Children of listings that could not be read as posts."),
		leading:       gauge("leading", "1 while this daemon polls, 0 while it waits for another one's end."),
		bisected:      counter("bisections_total", "Requests for several subreddits that were split to find the culprit, or to reach back further."),
		overflow:      counter("overflow_pages_total", "Pages read behind the first since more was new than one page holds."),
		gaps:          counter("gaps_total", "Stretches of time that Reddit's listings no longer reached back to."),
		factor:        gauge("interval_factor", "By which all intervals are stretched for the sake of the budget; 1 keeps every promise."),
		refreshFactor: gauge("refresh_factor", "By which the refresh of posts is stretched for the sake of the budget."),
		live:          gauge("live_posts", "Posts that are read again."),
		dropped:       counter("live_posts_dropped_total", "Posts that are no longer read again since scheduler.max_live was reached."),
		refreshed:     counter("refreshed_posts_total", "Posts that refreshes brought."),
		gone:          counter("gone_posts_total", "Posts that Reddit no longer answers for."),
		unsaved:       counter("unsaved_total", "Times that statuses or the budget could not be saved."),
	}
	reg.MustRegister(m.observations, m.polls, m.subreddits, m.outage)
	m.observations.WithLabelValues("raw")
	m.observations.WithLabelValues("refresh")
	m.outage.WithLabelValues(partReddit)
	m.outage.WithLabelValues(partPipeline)
	return m
}
