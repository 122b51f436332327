package rpc

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"
)

// An arrival is a call from its first byte on. It counts against its caller's quota at once, and its request must be there
// soon: whoever sends half of one, and stops, would otherwise keep what it has sent in memory for ever.
//
// It is the call's context, for the transport waits for the request under it: what it ends, ends that wait.
type arrival struct {
	context.Context
	late    atomic.Bool
	timer   *time.Timer
	refused error       // what the call is to be answered with; nil if it may begin
	keep    func() bool // reports whether the call still counts, and if so leaves it to the caller to release it
	release func()
}

type arrivalKey struct{}

func arrivalOf(ctx context.Context) *arrival {
	a, _ := ctx.Value(arrivalKey{}).(*arrival)
	return a
}

// Value finds the arrival itself, too.
func (a *arrival) Value(key any) any {
	if key == (arrivalKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// Err tells a call that took too long from one that its caller gave up.
func (a *arrival) Err() error {
	err := a.Context.Err()
	if err != nil && a.late.Load() {
		return context.DeadlineExceeded
	}
	return err
}

// complete says that the request is there.
func (a *arrival) complete() { a.timer.Stop() }

// An entrance lets calls in.
type entrance struct {
	timeout time.Duration
	streams *quota
	unary   *quota
	// streaming are the full names of the methods that stream. It is filled before the server serves.
	streaming map[string]bool
}

func newEntrance(o Options, streams *quota) *entrance {
	return &entrance{timeout: o.RequestTimeout, streams: streams, unary: newQuota(maxUnfinished, tooManyUnfinished), streaming: map[string]bool{}}
}

// learn notes what the server serves.
func (e *entrance) learn(s *grpc.Server) {
	for service, info := range s.GetServiceInfo() {
		for _, method := range info.Methods {
			e.streaming["/"+service+"/"+method.Name] = method.IsServerStream || method.IsClientStream
		}
	}
}

// let is called by the transport for each call that begins, and must be quick: nothing else of its connection goes on.
func (e *entrance) let(ctx context.Context, info *tap.Info) (context.Context, error) {
	quota := e.unary
	if e.streaming[info.FullMethodName] {
		quota = e.streams
	}
	release, err := quota.count(ctx)
	timeout := e.timeout
	if err != nil && quota == e.unary {
		if !hasLongDeadline(ctx) {
			return ctx, err
		}
		timeout = time.Millisecond
	}
	inner, cancel := context.WithCancel(ctx)
	a := &arrival{Context: inner, refused: err, release: release}
	a.timer = time.AfterFunc(timeout, func() {
		a.late.Store(true)
		cancel()
	})
	a.keep = context.AfterFunc(inner, func() {
		a.timer.Stop()
		if err == nil {
			release()
		}
	})
	return a, nil
}

// hasLongDeadline reports whether a call would leave a timer behind for long: the transport doesn't stop that of one which isn't
// let in.
func hasLongDeadline(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) > time.Minute
}

// unaryArrived runs once the request is there; from then on it isn't unfinished.
func (e *entrance) unaryArrived(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if a := arrivalOf(ctx); a != nil {
		a.complete()
		if a.refused != nil {
			return nil, a.refused
		}
		if a.keep() {
			a.release()
		}
	}
	return next(ctx, req)
}

// streamArrives runs before the request is read. A stream counts until its handler returns.
func (e *entrance) streamArrives(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	a := arrivalOf(s.Context())
	if a == nil {
		return next(srv, s) // it doesn't come from the network
	}
	defer a.complete()
	if a.refused != nil {
		return a.refused
	}
	if a.keep() {
		defer a.release()
	}
	return next(srv, &arrivingStream{s, a})
}

type arrivingStream struct {
	grpc.ServerStream
	arrival *arrival
}

// RecvMsg ends the wait for the request with the first message.
func (s *arrivingStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.arrival.complete()
	}
	return err
}
