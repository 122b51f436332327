package rpc

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"time"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
)

// Bounds of a page.
const (
	defaultPageSize = 100
	maxPageBytes    = 2 << 20
	// maxPageScan is how long a page may look for matches; what it found by then is the page.
	maxPageScan = 2 * time.Second
)

func (s *eventService) ListEvents(ctx context.Context, req *strawv1.ListEventsRequest) (*strawv1.ListEventsResponse, error) {
	selection, err := compile(ctx, s.share, req.GetTypes(), req.GetFilter(), s.log.Types())
	if err != nil {
		return nil, err
	}
	token, err := s.listRange(ctx, req)
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPageSize
	}
	p := page{service: s, turn: s.share.Turn(share.CallerOf(ctx)), selection: selection, pos: token.after, end: token.end, size: size}
	if err := p.fill(ctx); err != nil {
		return nil, err
	}
	resp := &strawv1.ListEventsResponse{Events: p.events}
	if p.pos < p.end {
		resp.NextPageToken = pageToken{after: p.pos, end: p.end, query: token.query}.String()
	}
	return resp, nil
}

// listRange finds the stretch of the log to list: what the token says, or the first page's. The end is fixed by the first
// page, so that paging ends even while events come in.
func (s *eventService) listRange(ctx context.Context, req *strawv1.ListEventsRequest) (pageToken, error) {
	head := s.log.Bounds().Head
	query := queryHash(req)
	if req.GetPageToken() != "" {
		token, ok := parsePageToken(req.GetPageToken())
		if !ok || token.query != query || token.end > head {
			return pageToken{}, invalidField("page_token", "it is not the next_page_token of a page with the same other fields; leave it out to begin again")
		}
		return token, nil
	}
	token := pageToken{after: s.log.Bounds().Floor, end: head, query: query}
	var err error
	if req.GetStartTime() != nil {
		if token.after, err = timePosition(ctx, s.log, "start_time", req.GetStartTime()); err != nil {
			return token, err
		}
	}
	if req.GetEndTime() != nil {
		if err := req.GetEndTime().CheckValid(); err != nil {
			return token, invalidField("end_time", "%v", err)
		}
		end, err := s.log.Before(ctx, req.GetEndTime().AsTime())
		if err != nil {
			return token, err
		}
		token.end = min(head, end)
	}
	return token, nil
}

// A page is being filled.
type page struct {
	service   *eventService
	turn      share.Turn
	selection *filter.Selection
	pos, end  event.Sequence
	size      int
	bytes     int
	events    []*strawv1.Event
}

func (p *page) fill(ctx context.Context) error {
	defer p.turn.Give()
	start, deadline := p.pos, time.Now().Add(maxPageScan)
	for p.pos < p.end && len(p.events) < p.size && time.Now().Before(deadline) {
		if p.pos > start { // or a page wouldn't lead on
			p.turn.Patience(deadline)
		}
		if err := p.turn.Take(ctx); err != nil {
			return unlessLater(err)
		}
		seg, err := p.service.log.Read(ctx, p.pos, p.selection.MayWant)
		if errors.Is(err, event.ErrPassed) { // between two pages; what is gone can't be listed
			p.pos = p.service.log.Bounds().Floor
			continue
		}
		if err != nil {
			return err
		}
		if full, err := p.take(ctx, seg); full || err != nil {
			return unlessLater(err)
		}
	}
	p.pos = min(p.pos, p.end)
	return nil
}

// unlessLater ends a page without an error if its turn doesn't come before its time is up.
func unlessLater(err error) error {
	if errors.Is(err, share.ErrLater) {
		return nil
	}
	return err
}

func (p *page) take(ctx context.Context, seg *event.Segment) (full bool, err error) {
	for i, entry := range seg.View() {
		if entry.Seq > p.end {
			break
		}
		if err := p.turn.Take(ctx); err != nil {
			return true, err
		}
		e, err := seg.Decode(i)
		if err != nil {
			return true, err
		}
		if p.selects(entry, e) {
			size := int(entry.End - entry.Body)
			if len(p.events) > 0 && p.bytes+size > maxPageBytes {
				return true, nil
			}
			p.events = append(p.events, e)
			p.bytes += size
		}
		p.pos = entry.Seq
		if len(p.events) == p.size {
			return true, nil
		}
	}
	p.pos = seg.Through()
	return false, nil
}

func (p *page) selects(entry event.Entry, e *strawv1.Event) bool {
	if entry.Type == 0 && !p.selection.WantsType(e.GetType()) {
		return false
	}
	ok, err := p.selection.Match(e)
	return ok && err == nil
}

// A pageToken says where the next page begins, where the last one ends, and which question it belongs to.
type pageToken struct {
	after, end event.Sequence
	query      uint64
}

func (t pageToken) String() string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.after))
	binary.BigEndian.PutUint64(b[8:], uint64(t.end))
	binary.BigEndian.PutUint64(b[16:], t.query)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func parsePageToken(s string) (pageToken, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 24 {
		return pageToken{}, false
	}
	return pageToken{
		after: event.Sequence(binary.BigEndian.Uint64(b)),
		end:   event.Sequence(binary.BigEndian.Uint64(b[8:])),
		query: binary.BigEndian.Uint64(b[16:]),
	}, true
}

// queryHash tells the fields that must stay the same from page to page.
func queryHash(req *strawv1.ListEventsRequest) uint64 {
	same := proto.Clone(req).(*strawv1.ListEventsRequest)
	same.PageToken, same.PageSize = "", 0
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(same)
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}
