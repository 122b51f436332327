package rpc

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// Bounds on the calls of one kind that work at once. What is beyond them waits.
const (
	maxCalls       = 16              // of all callers
	maxCallerCalls = 4               // of one; fewer than there are, so that one caller doesn't have them all
	maxCallWait    = 5 * time.Second // or the call's deadline, if that is sooner
	callBuckets    = 256             // callers who fall into one share its limit
)

// working are the kinds of calls that may work for long: those that look through the log or at many records, compile a
// filter, or wait for the disk. All others do little, each.
var working = []string{
	strawv1.EventService_ListEvents_FullMethodName,
	strawv1.SubscriptionService_SeekSubscription_FullMethodName,
	strawv1.SubscriptionService_CreateSubscription_FullMethodName,
	strawv1.SubscriptionService_UpdateSubscription_FullMethodName,
	strawv1.SubscriptionService_ListSubscriptions_FullMethodName,
	strawv1.SubscriptionService_ListDeadLetters_FullMethodName,
	strawv1.SubscriptionService_RedeliverDeadLetters_FullMethodName,
	strawv1.SubscriptionService_PurgeDeadLetters_FullMethodName,
	strawv1.ExportService_ListExports_FullMethodName,
}

// callLimits bound the calls of each kind that work at once.
type callLimits struct {
	seed  maphash.Seed
	kinds map[string]*callLimit // by full method; never changed
}

type callLimit struct {
	all     *semaphore.Weighted
	callers [callBuckets]*semaphore.Weighted
}

func newCallLimits() *callLimits {
	l := &callLimits{seed: maphash.MakeSeed(), kinds: map[string]*callLimit{}}
	for _, method := range working {
		k := &callLimit{all: semaphore.NewWeighted(maxCalls)}
		for i := range k.callers {
			k.callers[i] = semaphore.NewWeighted(maxCallerCalls)
		}
		l.kinds[method] = k
	}
	return l
}

// unary also puts the call's work on its caller's account.
func (l *callLimits) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	account := accountOf(ctx)
	k := l.kinds[info.FullMethod]
	if k == nil {
		return next(onAccount(ctx), req)
	}
	own := k.callers[maphash.String(l.seed, account)%callBuckets]
	wait, cancel := context.WithTimeout(ctx, maxCallWait)
	defer cancel()
	if err := own.Acquire(wait, 1); err != nil {
		return nil, tooManyCalls(ctx, "this caller has as many calls of this kind at work as one may")
	}
	defer own.Release(1)
	if err := k.all.Acquire(wait, 1); err != nil {
		return nil, tooManyCalls(ctx, "all callers together have as many calls of this kind at work as they may")
	}
	defer k.all.Release(1)
	return next(onAccount(ctx), req)
}

// tooManyCalls refuses a call that has waited for long enough.
func tooManyCalls(ctx context.Context, problem string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return status.FromContextError(ctx.Err()).Err()
	}
	refusal, _ := status.FromError(fail(codes.ResourceExhausted, strawv1.ErrorReason_OVERLOADED, nil,
		"%s, and none ended in time; make fewer at once, and retry with backoff", problem))
	if with, err := refusal.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}); err == nil {
		refusal = with
	}
	return refusal.Err()
}
