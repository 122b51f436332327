package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/straw-gateway/straw/server/internal/store"
)

// maxSubscriptionLabels bounds the subscriptions that get series of their own: the first by id. The others are counted
// together, under a name that no subscription can have.
const (
	maxSubscriptionLabels = 200
	otherSubscriptions    = "_other"
)

// ObserveSubscriptions adds the figures of durable subscriptions, read at each scrape, by id. Call it once.
func (m *Metrics) ObserveSubscriptions(stats func() []store.Subscription) {
	m.registry.MustRegister(subscriptionCollector(stats))
}

// subscriptionFigures are what is told of each subscription.
var subscriptionFigures = []struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(store.Subscription) float64
}{
	{subscriptionDesc("backlog_events", "Events that weren't looked at for the subscription yet, and those in flight."), prometheus.GaugeValue,
		func(s store.Subscription) float64 { return float64(s.Backlog) }},
	{subscriptionDesc("in_flight_events", "Events that were sent and aren't settled."), prometheus.GaugeValue,
		func(s store.Subscription) float64 { return float64(s.InFlight) }},
	{subscriptionDesc("consumers", "Streams that consume the subscription."), prometheus.GaugeValue,
		func(s store.Subscription) float64 { return float64(s.Consumers) }},
	{subscriptionDesc("dead_letters", "Dead letters on record."), prometheus.GaugeValue,
		func(s store.Subscription) float64 { return float64(s.DeadLetters) }},
	{subscriptionDesc("delivered_total", "Sendings of events."), prometheus.CounterValue,
		func(s store.Subscription) float64 { return float64(s.Delivered) }},
	{subscriptionDesc("redelivered_total", "Sendings of events that weren't their first."), prometheus.CounterValue,
		func(s store.Subscription) float64 { return float64(s.Redelivered) }},
	{subscriptionDesc("acked_total", "Events that were acknowledged."), prometheus.CounterValue,
		func(s store.Subscription) float64 { return float64(s.Acked) }},
	{subscriptionDesc("dead_lettered_total", "Events that were dead-lettered."), prometheus.CounterValue,
		func(s store.Subscription) float64 { return float64(s.DeadLettered) }},
	{subscriptionDesc("expired_total", "Events that retention removed although they may still have been owed."), prometheus.CounterValue,
		func(s store.Subscription) float64 { return float64(s.Expired) }},
	{subscriptionDesc("filter_errors_total", "Events on which the filter could not be evaluated, and which therefore didn't match."), prometheus.CounterValue,
		func(s store.Subscription) float64 { return float64(s.FilterErrors) }},
}

var oldestUnacked = subscriptionDesc("oldest_unacked_seconds", "Age of the oldest event that isn't settled; 0 if there is none. Of several subscriptions together, that of the oldest.")

func subscriptionDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("straw_subscription_"+name, help, []string{"subscription"}, nil)
}

type subscriptionCollector func() []store.Subscription

func (subscriptionCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range subscriptionFigures {
		to <- f.desc
	}
	to <- oldestUnacked
}

func (stats subscriptionCollector) Collect(to chan<- prometheus.Metric) {
	all := stats()
	for _, s := range all[:min(len(all), maxSubscriptionLabels)] {
		collectSubscriptions(to, s.Definition.GetId(), []store.Subscription{s})
	}
	if len(all) > maxSubscriptionLabels {
		collectSubscriptions(to, otherSubscriptions, all[maxSubscriptionLabels:])
	}
}

func collectSubscriptions(to chan<- prometheus.Metric, label string, all []store.Subscription) {
	for _, f := range subscriptionFigures {
		sum := 0.0
		for _, s := range all {
			sum += f.of(s)
		}
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, sum, label)
	}
	age := 0.0
	for _, s := range all {
		if !s.OldestUnacked.IsZero() {
			age = max(age, time.Since(s.OldestUnacked).Seconds())
		}
	}
	to <- prometheus.MustNewConstMetric(oldestUnacked, prometheus.GaugeValue, age, label)
}
