package rpc

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"

	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func (s *subscriptionService) ListDeadLetters(ctx context.Context, req *strawv1.ListDeadLettersRequest) (*strawv1.ListDeadLettersResponse, error) {
	id := req.GetSubscriptionId()
	after, ok := parseLetterToken(id, req.GetPageToken())
	if !ok {
		return nil, invalidField("page_token", "it is not the next_page_token of a page of this subscription; leave it out to begin again")
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPageSize
	}
	page, more, err := s.subscriptions.DeadLetters(ctx, id, after, size, maxPageBytes)
	if err != nil {
		return nil, subscriptionError(id, err)
	}
	resp := new(strawv1.ListDeadLettersResponse)
	for _, l := range page {
		e, err := l.Event.Decode(s.log.Identity())
		if err != nil {
			return nil, err
		}
		resp.DeadLetters = append(resp.DeadLetters, &strawv1.DeadLetter{
			Event: e, Attempts: l.Attempts, Reason: l.Reason, DeadLetterTime: timestamppb.New(l.Time),
		})
	}
	if more {
		resp.NextPageToken = letterToken(id, page[len(page)-1].Event.Seq)
	}
	return resp, nil
}

// letterToken says after which event the next page begins, and of which subscription it is.
func letterToken(id string, after event.Sequence) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(after))
	h := fnv.New32a()
	h.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(h.Sum(b))
}

func parseLetterToken(id, token string) (event.Sequence, bool) {
	if token == "" {
		return 0, true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 12 {
		return 0, false
	}
	after := event.Sequence(binary.BigEndian.Uint64(b))
	return after, letterToken(id, after) == token
}

func (s *subscriptionService) RedeliverDeadLetters(ctx context.Context, req *strawv1.RedeliverDeadLettersRequest) (*strawv1.RedeliverDeadLettersResponse, error) {
	which, err := choiceOf(req)
	if err != nil {
		return nil, err
	}
	n, err := s.subscriptions.Redeliver(ctx, req.GetSubscriptionId(), which, req.GetDryRun())
	if err != nil {
		return nil, subscriptionError(req.GetSubscriptionId(), err)
	}
	return &strawv1.RedeliverDeadLettersResponse{Count: n}, nil
}

func (s *subscriptionService) PurgeDeadLetters(ctx context.Context, req *strawv1.PurgeDeadLettersRequest) (*strawv1.PurgeDeadLettersResponse, error) {
	which, err := choiceOf(req)
	if err != nil {
		return nil, err
	}
	n, err := s.subscriptions.Purge(ctx, req.GetSubscriptionId(), which, req.GetDryRun())
	if err != nil {
		return nil, subscriptionError(req.GetSubscriptionId(), err)
	}
	return &strawv1.PurgeDeadLettersResponse{Count: n}, nil
}

// choiceOf reads which dead letters are meant. All of them must be said, so that an empty list never means that.
func choiceOf(req interface {
	GetAll() bool
	GetEventIds() []string
}) (store.Choice, error) {
	which := store.Choice{All: req.GetAll(), EventIDs: req.GetEventIds()}
	switch {
	case which.All && len(which.EventIDs) > 0:
		return which, invalidField("all", "it is set beside event_ids; set one of them")
	case !which.All && len(which.EventIDs) == 0:
		return which, invalidField("event_ids", "it is empty; name the events, or set all")
	}
	return which, nil
}
