package rpc

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A streamQuota bounds the streams that one caller may have open. A caller is a peer's address without its port.
type streamQuota struct {
	limit int
	mu    sync.Mutex
	open  map[string]int
	total int
}

func newStreamQuota(limit int) *streamQuota {
	return &streamQuota{limit: limit, open: map[string]int{}}
}

// take counts a stream in; call release when it ends.
func (q *streamQuota) take(ctx context.Context) (release func(), err error) {
	caller := callerOf(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[caller] >= q.limit {
		return nil, fail(codes.ResourceExhausted, strawv1.ErrorReason_TOO_MANY_STREAMS, map[string]string{"limit": fmt.Sprint(q.limit)},
			"%s has %d streams open, as many as one caller may; end some, or let one stream serve more of your program", caller, q.limit)
	}
	q.open[caller]++
	q.total++
	return func() { q.release(caller) }, nil
}

func (q *streamQuota) release(caller string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if q.open[caller]--; q.open[caller] == 0 {
		delete(q.open, caller)
	}
}

func (q *streamQuota) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
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
