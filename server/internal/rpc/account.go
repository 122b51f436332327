package rpc

import (
	"context"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
)

// onAccount returns a context whose work is on its caller's account.
func onAccount(ctx context.Context) context.Context { return share.WithCaller(ctx, accountOf(ctx)) }

// accountOf is who pays for a caller's work.
func accountOf(ctx context.Context) string { return share.Account(callerOf(ctx)) }

// compile makes a selection, in a turn of the caller's share: a long filter takes a while.
func compile(ctx context.Context, s *share.Share, types []string, source string, table *event.Types) (*filter.Selection, error) {
	if source != "" {
		turn := s.Turn(share.CallerOf(ctx))
		if err := turn.Take(ctx); err != nil {
			return nil, err
		}
		defer turn.Give()
	}
	return filter.New(types, source, table)
}
