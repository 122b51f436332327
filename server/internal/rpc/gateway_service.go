package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

type gatewayService struct {
	strawv1.UnimplementedGatewayServiceServer
	Options
	started time.Time
	streams *quota
}

func (s *gatewayService) GetStatus(context.Context, *strawv1.GetStatusRequest) (*strawv1.GetStatusResponse, error) {
	id, bounds, stats := s.Log.Identity(), s.Log.Bounds(), s.Log.Stats()
	return &strawv1.GetStatusResponse{
		Version:   s.Version,
		StartTime: timestamppb.New(s.started),
		Store: &strawv1.StoreStatus{
			Engine:      s.Engine,
			Id:          id.StoreID(),
			Incarnation: id.IncarnationID(),
			EventCount:  int64(bounds.Head - bounds.Floor),
			SizeBytes:   stats.SizeBytes,
			Writable:    stats.Problem == "",
			Problem:     problem(stats),
		},
		HeadCursor:         id.Cursor(bounds.Head),
		OldestCursor:       id.Cursor(bounds.Floor),
		TypeCounts:         typeCounts(s.Log.Types(), stats.ByType),
		UnrecognizedCount:  stats.Unrecognized,
		DuplicateCount:     stats.Duplicates,
		ConflictCount:      stats.Conflicts,
		Secrets:            s.secrets(),
		LatestQuotaWarning: s.Quota.Latest(),
		JuiceboxHoldUntil:  s.holdUntil(),
		StreamCount:        s.streams.served.Load(),
	}, nil
}

func problem(stats store.Stats) string {
	if stats.Problem != "" {
		return stats.Problem
	}
	return stats.Warning
}

func typeCounts(types *event.Types, counts []int64) []*strawv1.TypeCount {
	var out []*strawv1.TypeCount
	for n, count := range counts {
		if count > 0 {
			out = append(out, &strawv1.TypeCount{Type: types.Name(event.TypeNumber(n)), Count: count})
		}
	}
	return out
}

func (s *gatewayService) secrets() []*strawv1.SecretStatus {
	var out []*strawv1.SecretStatus
	for _, secret := range s.Secrets.Status() {
		status := &strawv1.SecretStatus{Fingerprint: secret.Fingerprint}
		if !secret.LastUsed.IsZero() {
			status.LastUsedTime = timestamppb.New(secret.LastUsed)
		}
		out = append(out, status)
	}
	return out
}
