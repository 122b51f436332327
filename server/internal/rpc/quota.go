package rpc

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A quota bounds what one caller may have open. A caller is a peer's address without its port.
type quota struct {
	limit  int
	exceed func(caller string, limit int) error
	mu     sync.Mutex
	open   map[string]int
	served atomic.Int64
}

func newQuota(limit int, exceed func(caller string, limit int) error) *quota {
	return &quota{limit: limit, exceed: exceed, open: map[string]int{}}
}

func tooManyStreams(caller string, limit int) error {
	return fail(codes.ResourceExhausted, strawv1.ErrorReason_TOO_MANY_STREAMS, map[string]string{"limit": fmt.Sprint(limit)},
		"%s has %d streams open, as many as one caller may; end some, or let one stream serve more of your program", caller, limit)
}

func tooManyUnfinished(caller string, limit int) error {
	return fail(codes.ResourceExhausted, strawv1.ErrorReason_RATE_LIMITED, map[string]string{"limit": fmt.Sprint(limit)},
		"%s has begun %d calls whose requests aren't there yet, as many as one caller may; send each request with its call", caller, limit)
}

// take counts a stream in, unless it was when it began to arrive, and as one that is served; call release when it ends.
func (q *quota) take(ctx context.Context) (release func(), err error) {
	giveBack := func() {}
	if arrivalOf(ctx) == nil {
		if giveBack, err = q.count(ctx); err != nil {
			return nil, err
		}
	}
	q.served.Add(1)
	return func() {
		q.served.Add(-1)
		giveBack()
	}, nil
}

func (q *quota) count(ctx context.Context) (release func(), err error) {
	caller := callerOf(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[caller] >= q.limit {
		return nil, q.exceed(caller, q.limit)
	}
	q.open[caller]++
	return func() { q.release(caller) }, nil
}

func (q *quota) release(caller string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[caller]--; q.open[caller] == 0 {
		delete(q.open, caller)
	}
}

func callerOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "an unknown peer"
	}
	if host, _, err := net.SplitHostPort(p.Addr.String()); err == nil {
		return host
	}
	return p.Addr.String()
}
