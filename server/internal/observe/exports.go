package observe

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/export"
)

var _ export.Observer = (*Metrics)(nil)

// exportMetrics are what the fetcher tells.
type exportMetrics struct {
	bytes, duration, left prometheus.Histogram
	retries               prometheus.Counter
}

func newExportMetrics(with promauto.Factory) exportMetrics {
	return exportMetrics{
		bytes: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "straw_export_size_bytes",
			Help:    "Sizes of the exports that were stored.",
			Buckets: prometheus.ExponentialBuckets(1<<10, 4, 12), // 1 KiB to 4 GiB
		}),
		duration: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "straw_export_download_seconds",
			Help:    "Time that the last download of a stored export took.",
			Buckets: prometheus.ExponentialBuckets(0.01, 3, 11), // 10 ms to 10 min
		}),
		left: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "straw_export_link_left_seconds",
			Help:    "How long an export's link would still have lived when the export was stored; 0 and less for one that was dead.",
			Buckets: []float64{0, 60, 300, 600, 1200, 1800, 2400, 3000, 3300, 3540, 3590, 3600},
		}),
		retries: with.NewCounter(prometheus.CounterOpts{
			Name: "straw_export_retries_total",
			Help: "Downloads of exports that failed and were to be tried again.",
		}),
	}
}

// ExportStored counts a stored export.
func (m *Metrics) ExportStored(bytes int64, took, left time.Duration) {
	m.exports.bytes.Observe(float64(bytes))
	m.exports.duration.Observe(took.Seconds())
	m.exports.left.Observe(left.Seconds())
}

// ExportRetried counts a download that will be tried again.
func (m *Metrics) ExportRetried() { m.exports.retries.Inc() }

// ObserveExports adds how many exports are in each state, read at each scrape. Call it once.
func (m *Metrics) ObserveExports(counts func() map[strawv1.Export_State]int64) {
	m.registry.MustRegister(exportCollector(counts))
}

var exportStates = prometheus.NewDesc("straw_exports", "Exports that were ever announced, each generation for itself, by state.", []string{"state"}, nil)

type exportCollector func() map[strawv1.Export_State]int64

func (exportCollector) Describe(to chan<- *prometheus.Desc) { to <- exportStates }

func (counts exportCollector) Collect(to chan<- prometheus.Metric) {
	for state, n := range counts() {
		to <- prometheus.MustNewConstMetric(exportStates, prometheus.GaugeValue, float64(n), strings.ToLower(state.String()))
	}
}
