package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A witness reads the whole log, resuming from its cursor whenever it comes back.
type witness struct {
	mu      sync.Mutex
	cursor  string
	seen    []string
	cursors []string // of some moments, for others to start from
}

func newWitness() *witness { return &witness{} }

func (w *witness) saw(f *strawv1.SubscribeResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range f.GetDeliveries() {
		w.seen = append(w.seen, d.GetEvent().GetId())
	}
	w.cursor = f.GetCursor()
	if len(f.GetDeliveries()) > 0 {
		w.cursors = append(w.cursors, w.cursor)
	}
}

// request resumes where the witness was.
func (w *witness) request() *strawv1.SubscribeRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cursor == "" {
		return &strawv1.SubscribeRequest{Start: earliest()}
	}
	return &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_After{After: w.cursor}}
}

// somewhere is a cursor that the witness has passed.
func (w *witness) somewhere(random *rand.Rand) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.cursors) == 0 {
		return ""
	}
	return w.cursors[random.IntN(len(w.cursors))]
}

// witness is one visit of the witness.
func (s *soak) witness(ctx context.Context, random *rand.Rand) {
	ctx, cancel := leaving(ctx, between(random, time.Second, 5*time.Second))
	defer cancel()
	s.count(didResume)
	s.readOn(ctx)
}

// readOn has the witness read until the stream ends.
func (s *soak) readOn(ctx context.Context) bool {
	conn := s.dialSoak()
	defer conn.Close()
	req := s.reader.request()
	req.EndAtHead = ctx.Done() == nil
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(ctx, req)
	for err == nil {
		var f *strawv1.SubscribeResponse
		if f, err = stream.Recv(); err == nil {
			s.reader.saw(f)
		}
	}
	return err == io.EOF || s.fine(ctx, "the witness' stream", err)
}

// ownFilter is a filter that nobody else has, and that lets one event in fifty through or so.
func ownFilter(random *rand.Rand) string {
	return fmt.Sprintf(`has(event.search_alert) && event.search_alert.new_matches %% 10 == 3 && event.id != "nobody-%d"`, random.Uint64())
}

// readGRPC is one visit of a client that reads, from somewhere, with a filter of its own, for a while.
func (s *soak) readGRPC(ctx context.Context, random *rand.Rand) {
	ctx, cancel := leaving(ctx, between(random, time.Second, 4*time.Second))
	defer cancel()
	if random.IntN(3) == 0 {
		s.readFiltered(ctx, random, nil)
		return
	}
	if after := s.reader.somewhere(random); after != "" {
		s.readFiltered(ctx, random, &strawv1.SubscribeRequest_After{After: after})
	}
}

// readFiltered reads from the start, or what is new, or after a cursor.
func (s *soak) readFiltered(ctx context.Context, random *rand.Rand, start any) {
	conn := s.dialSoak()
	defer conn.Close()
	req := &strawv1.SubscribeRequest{Filter: ownFilter(random), IncludeRaw: random.IntN(4) == 0}
	switch start := start.(type) {
	case *strawv1.SubscribeRequest_StartPosition:
		req.Start, req.EndAtHead = start, true
	case *strawv1.SubscribeRequest_After:
		req.Start = start
	}
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(ctx, req)
	if !s.fine(ctx, "a gRPC stream", err) {
		return
	}
	seen := map[string]bool{}
	for {
		f, err := stream.Recv()
		if err != nil {
			if err != io.EOF && ctx.Err() == nil {
				s.fine(ctx, "a gRPC stream", err)
			} else {
				s.count(didReadGRPC)
			}
			return
		}
		s.checkFiltered("gRPC", seen, f)
	}
}

// checkFiltered looks at what ownFilter let through.
func (s *soak) checkFiltered(transport string, seen map[string]bool, f *strawv1.SubscribeResponse) {
	for _, d := range f.GetDeliveries() {
		id := d.GetEvent().GetId()
		if seen[id] {
			s.problem(problemOrder, "%s: %s came twice to one reader", transport, id)
		}
		if a := d.GetEvent().GetSearchAlert(); a == nil || a.GetNewMatches()%10 != 3 {
			s.problem(problemAnswer, "%s: %s came past the filter", transport, id)
		}
		seen[id] = true
	}
}

// readLines is one visit of a client that reads NDJSON, and readEvents of one that reads server-sent events.
func (s *soak) readLines(ctx context.Context, random *rand.Rand) {
	s.readREST(ctx, random, "application/x-ndjson", func(line string) (frame, failure string) {
		if result, ok := strings.CutPrefix(line, `{"result":`); ok {
			return strings.TrimSuffix(result, "}"), ""
		}
		return "", line
	}, didReadLines)
}

func (s *soak) readEvents(ctx context.Context, random *rand.Rand) {
	failing := false
	s.readREST(ctx, random, "text/event-stream", func(line string) (frame, failure string) {
		data, isData := strings.CutPrefix(line, "data: ")
		switch {
		case strings.HasPrefix(line, "event: straw-error"):
			failing = true
		case isData && failing:
			return "", data
		case isData:
			return data, ""
		}
		return "", ""
	}, didReadEvents)
}

func (s *soak) readREST(ctx context.Context, random *rand.Rand, accept string, parse func(line string) (frame, failure string), did string) {
	ctx, cancel := leaving(ctx, between(random, time.Second, 4*time.Second))
	defer cancel()
	query := url.Values{"filter": {ownFilter(random)}}
	if after := s.reader.somewhere(random); after != "" && random.IntN(3) > 0 {
		query.Set("after", after)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.g.http+"/v1/events:subscribe?"+query.Encode(), nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Accept", accept)
	seen := map[string]bool{}
	err = s.lines(req, func(line string) error {
		frame, failure := parse(line)
		if failure != "" {
			return errors.New(failure)
		}
		if frame == "" {
			return nil
		}
		f := &strawv1.SubscribeResponse{}
		if err := protojson.Unmarshal([]byte(frame), f); err != nil {
			return fmt.Errorf("%w in %.300s", err, frame)
		}
		s.checkFiltered(accept, seen, f)
		return nil
	})
	if ctx.Err() != nil { // it read until it left
		s.count(wasCalled)
		s.count(did)
		return
	}
	s.fine(ctx, accept, err)
}

// lines asks, on a connection of its own, and hands over the answer's lines as they come. Errors have a status code.
func (s *soak) lines(req *http.Request, take func(line string) error) error {
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answered(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		if err := take(lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF // streams have no end
}

// answered is the error of an answer that isn't 200.
func answered(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // for the message alone
	code := codes.Unknown
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		code = codes.ResourceExhausted
	case http.StatusServiceUnavailable:
		code = codes.Unavailable
	}
	return status.Errorf(code, "%s: %s", resp.Status, b)
}

// checkLog compares the log with what senders and the witness know.
func (s *soak) checkLog() {
	if !s.readOn(context.Background()) {
		s.t.Fatalf("the witness can't read to the end\n%s", s.g.logs)
	}
	all := s.listAll()
	stored := map[string]int{}
	for i, e := range all {
		id := e.GetId()
		stored[id]++
		if i >= len(s.reader.seen) || s.reader.seen[i] != id {
			s.problem(problemOrder, "the witness' event %d isn't the log's, %s", i, id)
		}
		_, open := s.sent.open[id]
		if !s.sent.answered[id] && !open && e.GetSource() != "straw" || strings.HasPrefix(id, "forged") {
			s.problem(problemForged, "%s of %s", id, e.GetSource())
		}
	}
	if len(s.reader.seen) != len(all) {
		s.problem(problemOrder, "the witness saw %d events, the log has %d", len(s.reader.seen), len(all))
	}
	for id := range s.sent.answered {
		if stored[id] != 1 {
			s.problem(problemLost, "%s is in the log %d times", id, stored[id])
		}
	}
	s.lookUp()
	s.t.Logf("%d webhooks answered 200, %d events stored, %d seen by the witness", len(s.sent.answered), len(all), len(s.reader.seen))
}

// lookUp asks for events by their ids: those that were answered are there, and forged ones aren't.
func (s *soak) lookUp() {
	conn := s.dialSoak()
	defer conn.Close()
	events := strawv1.NewEventServiceClient(conn)
	random := rand.New(rand.NewPCG(1, 1))
	for n := range s.plan.lookups {
		id := s.sent.any(random)
		if e, err := events.GetEvent(s.t.Context(), &strawv1.GetEventRequest{Id: id}); err != nil || e.GetId() != id {
			s.problem(problemLost, "GetEvent of %s: %v", id, err)
		}
		if n%10 > 0 {
			continue
		}
		id = fmt.Sprintf("forged-%d", random.Uint64())
		if e, err := events.GetEvent(s.t.Context(), &strawv1.GetEventRequest{Id: id}); status.Code(err) != codes.NotFound {
			s.problem(problemForged, "GetEvent of %s: %v, %v", id, e, err)
		}
	}
}
