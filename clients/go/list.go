package straw

import (
	"context"
	"iter"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// EachSubscription yields every durable subscription, by id, page after page. An error is the last.
func (c *Client) EachSubscription(ctx context.Context) iter.Seq2[*Subscription, error] {
	return pages(func(token string) ([]*Subscription, string, error) {
		r, err := c.Subscriptions().ListSubscriptions(ctx, &strawv1.ListSubscriptionsRequest{PageToken: token})
		return r.GetSubscriptions(), r.GetNextPageToken(), err
	})
}

// EachDeadLetter yields the dead letters of a subscription, in log order, page after page. An error is the last.
func (c *Client) EachDeadLetter(ctx context.Context, subscription string) iter.Seq2[*DeadLetter, error] {
	return pages(func(token string) ([]*DeadLetter, string, error) {
		r, err := c.Subscriptions().ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: subscription, PageToken: token})
		return r.GetDeadLetters(), r.GetNextPageToken(), err
	})
}

// pages yields what a listing call returns, until a page has no token of a next one.
func pages[T any](list func(token string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for token := ""; ; {
			page, next, err := list(token)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}
