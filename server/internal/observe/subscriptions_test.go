package observe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/store"
)

func TestSubscriptionMetrics(t *testing.T) {
	all := []store.Subscription{{
		Definition: &strawv1.Subscription{Id: "billing"}, Backlog: 7, InFlight: 3, Consumers: 2, DeadLetters: 1, Expired: 9,
		Delivered: 20, Redelivered: 4, Acked: 16, DeadLettered: 1, FilterErrors: 5, OldestUnacked: time.Now().Add(-time.Minute),
	}}
	m := NewMetrics()
	m.ObserveSubscriptions(func() []store.Subscription { return all })
	text := scrape(t, m)
	for _, want := range []string{
		"backlog_events 7", "in_flight_events 3", "consumers 2", "dead_letters 1", "expired_total 9", "delivered_total 20",
		"redelivered_total 4", "acked_total 16", "dead_lettered_total 1", "filter_errors_total 5", "oldest_unacked_seconds 60",
	} {
		name, value, _ := strings.Cut(want, " ")
		if line := fmt.Sprintf("straw_subscription_%s{subscription=\"billing\"} %s", name, value); !strings.Contains(text, line) {
			t.Errorf("%s is missing in\n%s", line, text)
		}
	}
	// However many there are, the series stay bounded, and nothing is lost in the sum.
	for i := range 3 * maxSubscriptionLabels {
		all = append(all, store.Subscription{Definition: &strawv1.Subscription{Id: fmt.Sprintf("z%03d", i)}, Backlog: 1})
	}
	text = scrape(t, m)
	if n := strings.Count(text, "straw_subscription_backlog_events{"); n != maxSubscriptionLabels+1 {
		t.Errorf("there are %d series", n)
	}
	if other := fmt.Sprintf("straw_subscription_backlog_events{subscription=\"_other\"} %d\n", 2*maxSubscriptionLabels+1); !strings.Contains(text, other) {
		t.Errorf("%q is missing", other)
	}
}
