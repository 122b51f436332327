package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/straw-gateway/straw/server/internal/listen"
)

type connectionMetrics struct {
	ended  *prometheus.CounterVec
	failed *prometheus.CounterVec
}

func newConnectionMetrics(with promauto.Factory) connectionMetrics {
	return connectionMetrics{
		ended: with.NewCounterVec(prometheus.CounterOpts{
			Name: "straw_connections_ended_total",
			Help: "Connections that a limit ended, by listener and by which: address, total and descriptors refused them at once, evicted had waited longest and made room.",
		}, []string{"listener", "reason"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "straw_accept_failures_total",
			Help: "Failures to accept a connection, which are tried again, by listener.",
		}, []string{"listener"}),
	}
}

// ObserveConnections shows how many connections a listener has open. It is called once for each.
func (m *Metrics) ObserveConnections(listener string, open func() int) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "straw_connections",
		Help:        "Connections that are open, by listener.",
		ConstLabels: prometheus.Labels{"listener": listener},
	}, func() float64 { return float64(open()) })
	for _, why := range listen.Reasons() {
		m.connections.ended.WithLabelValues(listener, string(why))
	}
	m.connections.failed.WithLabelValues(listener)
}

// ConnectionEnded counts a connection that a limit ended.
func (m *Metrics) ConnectionEnded(listener string, why listen.Reason) {
	m.connections.ended.WithLabelValues(listener, string(why)).Inc()
}

// AcceptFailed counts a failure to accept.
func (m *Metrics) AcceptFailed(listener string) { m.connections.failed.WithLabelValues(listener).Inc() }
