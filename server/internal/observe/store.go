package observe

import (
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Log is what a scrape reads from a store.Log.
type Log interface {
	Types() *event.Types
	Bounds() store.Bounds
	Stats() store.Stats
}

// Readers tells how far the readers are behind the head, in events: the furthest one, and all together.
type Readers interface {
	Lag() (furthest, total uint64)
}

// ObserveLog adds a log's figures, and its readers', read at each scrape. Call it once.
func (m *Metrics) ObserveLog(log Log, readers Readers) {
	m.registry.MustRegister(&logCollector{log: log, readers: readers})
}

// ObserveQuota adds what the newest quota.warning event says, read at each scrape; latest returns nil before there is one.
// Call it once.
func (m *Metrics) ObserveQuota(latest func() *strawv1.Event) {
	m.registry.MustRegister(quotaCollector(latest))
}

// Types are an open set that a sender chooses: the first maxTypeLabels, and those that the gateway knows, get a series of
// their own unless their name is absurd.
const (
	maxTypeLabels = 100
	maxTypeLength = 100 // bytes
	otherTypes    = "other"
)

var (
	appended     = prometheus.NewDesc("straw_events_appended_total", "Events ever appended to the store, by type; types beyond the first hundred together as other.", []string{"type"}, nil)
	unrecognized = prometheus.NewDesc("straw_events_unrecognized_total", "Events ever appended to the store that could not be typed.", nil, nil)
	storeSize    = prometheus.NewDesc("straw_store_size_bytes", "Space that the store takes on disk.", nil, nil)
	storeHead    = prometheus.NewDesc("straw_store_head_sequence", "Place of the newest event in the log, counted from 1.", nil, nil)
	storeFloor   = prometheus.NewDesc("straw_store_floor_sequence", "Place up to which retention has removed events.", nil, nil)
	storeWrites  = prometheus.NewDesc("straw_store_writable", "1 if the store accepts events, 0 if webhooks are answered with 503.", nil, nil)
	lagFurthest  = prometheus.NewDesc("straw_stream_lag_max_events", "Events between the head of the log and the reader that is furthest behind.", nil, nil)
	lagTotal     = prometheus.NewDesc("straw_stream_lag_events", "Events between the head of the log and its readers, all readers together.", nil, nil)
	quotaUsage   = prometheus.NewDesc("straw_juicebox_quota_usage_ratio", "How much of Juicebox's quota is used, by the newest quota.warning event; 1 is all of it.", nil, nil)
)

type logCollector struct {
	log     Log
	readers Readers
}

func (c *logCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		appended, unrecognized, storeSize, storeHead, storeFloor, storeWrites, lagFurthest, lagTotal,
	} {
		to <- d
	}
}

func (c *logCollector) Collect(to chan<- prometheus.Metric) {
	stats, bounds := c.log.Stats(), c.log.Bounds()
	furthest, total := c.readers.Lag()
	writable := 0
	if stats.Problem == "" {
		writable = 1
	}
	for name, count := range byLabel(c.log.Types(), stats.ByType) {
		to <- prometheus.MustNewConstMetric(appended, prometheus.CounterValue, float64(count), name)
	}
	to <- prometheus.MustNewConstMetric(unrecognized, prometheus.CounterValue, float64(stats.Unrecognized))
	gauge(to, storeSize, stats.SizeBytes)
	gauge(to, storeHead, bounds.Head)
	gauge(to, storeFloor, bounds.Floor)
	gauge(to, storeWrites, writable)
	gauge(to, lagFurthest, furthest)
	gauge(to, lagTotal, total)
}

// byLabel sums counts by type number up to counts by label.
func byLabel(types *event.Types, counts []int64) map[string]int64 {
	labels := map[string]int64{}
	for _, known := range event.Known() {
		labels[known] = 0 // from the start, so that the first event shows as an increase
	}
	for n, count := range counts {
		name := types.Name(event.TypeNumber(n))
		if _, known := labels[name]; !known && !labelled(n, name) {
			name = otherTypes
		}
		labels[name] += count
	}
	return labels
}

func labelled(n int, name string) bool {
	return n > 0 && n <= maxTypeLabels && name != "" && len(name) <= maxTypeLength && utf8.ValidString(name)
}

func gauge[V int | int64 | uint64 | event.Sequence](to chan<- prometheus.Metric, d *prometheus.Desc, v V) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
}

type quotaCollector func() *strawv1.Event

func (quotaCollector) Describe(to chan<- *prometheus.Desc) { to <- quotaUsage }

func (latest quotaCollector) Collect(to chan<- prometheus.Metric) {
	if q := latest().GetQuotaWarning(); q != nil && q.UsagePercent != nil {
		to <- prometheus.MustNewConstMetric(quotaUsage, prometheus.GaugeValue, q.GetUsagePercent()/100)
	}
}
