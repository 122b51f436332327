// Package observe makes the gateway's logs and metrics. A Metrics is the Observer that store, ingest and stream declare and
// call, and serves what it was told in Prometheus' format; figures that the store keeps anyway are read at each scrape.
//
// It decides nothing: no other package asks it for a number. No metric carries an id of an event or export, a cursor, a text
// of an event or a caller's name, and the number of its series is bounded whatever a sender makes up.
package observe

import (
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/listen"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/stream"
)

var (
	_ ingest.Observer = (*Metrics)(nil)
	_ store.Observer  = (*Metrics)(nil)
	_ stream.Observer = (*Metrics)(nil)
	_ listen.Observer = (*Metrics)(nil)
)

// Metrics counts what happens in one gateway. Safe for concurrent use; no method blocks.
type Metrics struct {
	registry *prometheus.Registry

	webhooks        *prometheus.CounterVec
	webhookDuration *prometheus.HistogramVec

	fsync, batch, appends prometheus.Histogram

	streams       *prometheus.GaugeVec
	streamStarts  *prometheus.CounterVec
	frames        prometheus.Counter
	deliveries    prometheus.Counter
	filterFailure prometheus.Counter

	connections connectionMetrics
	exports     exportMetrics
}

// liveHeap is what the last collection found to be in use (go_gc_heap_live_bytes). With a heap that may grow to five times of
// that before it is collected, the other figures of the heap tell a leak from garbage only after hours.
var liveHeap = regexp.MustCompile(`^/gc/heap/live:bytes$`)

// NewMetrics returns metrics in a registry of their own, with those of Go and of the process.
func NewMetrics() *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: liveHeap})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	with := promauto.With(registry)
	m := &Metrics{
		registry:    registry,
		connections: newConnectionMetrics(with),
		exports:     newExportMetrics(with),
		webhooks: with.NewCounterVec(prometheus.CounterOpts{
			Name: "straw_webhooks_received_total",
			Help: "Requests to the webhook endpoint, by what became of them; cause is why a signature was refused.",
		}, []string{"outcome", "cause"}),
		webhookDuration: with.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "straw_webhook_duration_seconds",
			Help:    "Time from a webhook's headers to its answer, by what became of it.",
			Buckets: latencies(),
		}, []string{"outcome"}),
		fsync: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "straw_store_fsync_seconds",
			Help:    "Time that the store took to make a batch of events durable.",
			Buckets: latencies(),
		}),
		appends: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "straw_append_seconds",
			Help:    "Time from handing a webhook's event to the store until it was durable.",
			Buckets: latencies(),
		}),
		batch: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "straw_store_batch_events",
			Help:    "Events that became durable together.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // to 256, the most that a batch holds
		}),
		streams: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "straw_streams",
			Help: "Subscribe streams that are open, by mode.",
		}, []string{"mode"}),
		streamStarts: with.NewCounterVec(prometheus.CounterOpts{
			Name: "straw_stream_starts_total",
			Help: "Subscribe streams that were opened, by mode.",
		}, []string{"mode"}),
		frames: with.NewCounter(prometheus.CounterOpts{
			Name: "straw_frames_total",
			Help: "Frames handed to subscribers' transports, heartbeats included.",
		}),
		deliveries: with.NewCounter(prometheus.CounterOpts{
			Name: "straw_deliveries_total",
			Help: "Events handed to subscribers' transports, once for each subscriber and sending.",
		}),
		filterFailure: with.NewCounter(prometheus.CounterOpts{
			Name: "straw_filter_errors_total",
			Help: "Events that a subscriber's filter could not be evaluated on, and which therefore didn't match.",
		}),
	}
	m.begin()
	return m
}

// begin shows every series at zero, so that the first count of each is seen as an increase.
func (m *Metrics) begin() {
	for _, o := range ingest.Outcomes() {
		if o != ingest.Unauthorized {
			m.webhooks.WithLabelValues(string(o), "")
		}
	}
	for _, c := range signature.Causes() {
		m.webhooks.WithLabelValues(string(ingest.Unauthorized), string(c))
	}
	for _, mode := range []string{stream.ModeCursor, stream.ModeDurable} {
		m.streams.WithLabelValues(mode)
		m.streamStarts.WithLabelValues(mode)
	}
}

// ObserveLogLines adds how many lines of the log were lost, read at each scrape. Call it once.
func (m *Metrics) ObserveLogLines(lost func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "straw_log_lines_lost_total",
		Help: "Lines of the gateway's log that were lost, for its reader was gone or didn't take them.",
	}, func() float64 { return float64(lost()) }))
}

// latencies are buckets from 0.1 ms to 13 s.
func latencies() []float64 { return prometheus.ExponentialBuckets(0.0001, 2, 18) }

// scrapeTimeout bounds a scrape, which waits for nothing but the store's figures.
const scrapeTimeout = 10 * time.Second

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, MaxRequestsInFlight: 4, Timeout: scrapeTimeout, EnableOpenMetrics: true,
	})
}

// Received counts a request to the webhook endpoint, what became of it, and what that took.
func (m *Metrics) Received(o ingest.Outcome, cause signature.Cause, took time.Duration) {
	m.webhooks.WithLabelValues(string(o), string(cause)).Inc()
	m.webhookDuration.WithLabelValues(string(o)).Observe(took.Seconds())
}

// Appended counts what an event waited for the store.
func (m *Metrics) Appended(took time.Duration) { m.appends.Observe(took.Seconds()) }

// Synced counts a batch of n new events and what its fsync took.
func (m *Metrics) Synced(n int, sync time.Duration) {
	m.batch.Observe(float64(n))
	m.fsync.Observe(sync.Seconds())
}

// Opened counts a stream in.
func (m *Metrics) Opened(mode string) {
	m.streams.WithLabelValues(mode).Inc()
	m.streamStarts.WithLabelValues(mode).Inc()
}

// Closed counts a stream out.
func (m *Metrics) Closed(mode string) { m.streams.WithLabelValues(mode).Dec() }

// Sent counts a frame and its deliveries.
func (m *Metrics) Sent(deliveries int) {
	m.frames.Inc()
	m.deliveries.Add(float64(deliveries))
}

// FilterFailed counts an event that a filter could not be evaluated on.
func (m *Metrics) FilterFailed() { m.filterFailure.Inc() }
