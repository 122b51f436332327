package straw

import (
	"context"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// assumedDeadline is a subscription's ack deadline until the gateway has told.
const assumedDeadline = 30 * time.Second

// extendAll extends the deadlines of all that the client holds, every third of the subscription's ack deadline. What waits
// in the queue is as much in the client's hands as what a handler has.
func (k *consumer) extendAll() {
	deadline := assumedDeadline
	for failures := 0; ; {
		wait := deadline / 3
		told, err := k.extend(wait)
		if told > 0 {
			deadline, wait = told, told/3
		}
		if err != nil {
			failures++
			wait = min(wait, jitter(failures))
		} else {
			failures = 0
		}
		if sleep(k.calls, wait) != nil {
			return
		}
	}
}

// extend makes one round. It returns the subscription's deadline, which may change, as soon as it knows that.
func (k *consumer) extend(patience time.Duration) (deadline time.Duration, err error) {
	ctx, cancel := context.WithTimeout(k.calls, min(patience, callPatience))
	defer cancel()
	stub := strawv1.NewSubscriptionServiceClient(k.link.conn())
	subscription, err := stub.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: k.options.Subscription})
	if err != nil {
		return 0, err
	}
	deadline = subscription.GetAckDeadline().AsDuration()
	deliveries, ids := k.toExtend()
	if len(ids) == 0 {
		return deadline, nil
	}
	r, err := stub.ExtendDeadline(ctx, &strawv1.ExtendDeadlineRequest{SubscriptionId: k.options.Subscription, AckIds: ids})
	if err != nil {
		return deadline, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, result := range r.GetResults()[:min(len(ids), len(r.GetResults()))] {
		if result.GetStatus() != Acked {
			deliveries[i].overtaken = ids[i]
		}
	}
	return deadline, nil
}

// toExtend lists what isn't settled, but for what is known to be in other hands by now.
func (k *consumer) toExtend() (deliveries []*Delivery, ids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.held {
		if d.stage <= begun && d.overtaken != d.sending.ackID {
			deliveries, ids = append(deliveries, d), append(ids, d.sending.ackID)
		}
	}
	return deliveries, ids
}
