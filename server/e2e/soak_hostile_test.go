package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http2"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rpc/rawhttp2"
)

// hostile is one visit of a client that is up to no good. What the gateway does to it is the gateway's affair.
func (s *soak) hostile(ctx context.Context, random *rand.Rand) {
	ctx, cancel := leaving(ctx, between(random, 2*time.Second, 10*time.Second))
	defer cancel()
	visits := []func(context.Context, *rand.Rand){
		s.neverReadGRPC, s.neverReadREST, s.stallInBody, s.stallInMessage, s.reset, s.sayNothing, s.hangUp, s.babble,
	}
	visits[random.IntN(len(visits))](ctx, random)
	s.count(didHostile)
}

// neverReadGRPC opens streams over the whole log and reads none.
func (s *soak) neverReadGRPC(ctx context.Context, random *rand.Rand) {
	conn := s.dialSoak()
	defer conn.Close()
	for range 5 {
		req := &strawv1.SubscribeRequest{Start: earliest(), Filter: fmt.Sprintf(`event.id != "nobody-%d"`, random.Uint64())}
		if _, err := strawv1.NewEventServiceClient(conn).Subscribe(ctx, req); err != nil {
			return
		}
	}
	<-ctx.Done()
}

// neverReadREST does so over HTTP, on a connection each.
func (s *soak) neverReadREST(ctx context.Context, random *rand.Rand) {
	for n := range 5 {
		accept := []string{"text/event-stream", "application/x-ndjson"}[n%2]
		filter := url.QueryEscape(fmt.Sprintf(`event.id != "nobody-%d"`, random.Uint64()))
		conn := s.dialTCP(s.g.http)
		if conn == nil {
			continue
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "GET /v1/events:subscribe?startPosition=EARLIEST&filter=%s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n", filter, accept)
	}
	<-ctx.Done()
}

// stallInBody sends half a webhook, and half a request to the API.
func (s *soak) stallInBody(ctx context.Context, random *rand.Rand) {
	size := 1000 + random.IntN(1<<20-1000)
	for _, target := range []string{s.g.webhook, s.g.webhook, s.g.http} {
		conn := s.dialTCP(target)
		if conn == nil {
			continue
		}
		defer conn.Close()
		path := "/webhooks/juicebox"
		if target == s.g.http {
			path = "/v1/subscriptions"
		}
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Juicebox-Signature: %064x\r\nContent-Length: %d\r\n\r\n", path, 1, size)
		_, _ = io.Copy(conn, io.LimitReader(endless{}, int64(size/2)))
	}
	<-ctx.Done()
}

// endless is spaces without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// stallInMessage opens gRPC calls whose messages claim more than they send.
func (s *soak) stallInMessage(ctx context.Context, _ *rand.Rand) {
	p := s.peer()
	if p == nil {
		return
	}
	defer p.Conn.Close()
	for n := range uint32(5) {
		if p.Open(2*n+1, subscribePath) != nil ||
			p.WriteData(2*n+1, false, append([]byte{0, 0, 0x10, 0, 0}, make([]byte, 8<<10)...)) != nil {
			return
		}
	}
	<-ctx.Done()
}

// reset opens streams and resets them as fast as it can.
func (s *soak) reset(ctx context.Context, _ *rand.Rand) {
	p := s.peer()
	if p == nil {
		return
	}
	defer p.Conn.Close()
	for n := range uint32(2000) {
		if ctx.Err() != nil || p.Open(2*n+1, subscribePath) != nil ||
			p.WriteRSTStream(2*n+1, http2.ErrCodeCancel) != nil {
			return
		}
	}
}

// sayNothing connects to each port, ten times.
func (s *soak) sayNothing(ctx context.Context, _ *rand.Rand) {
	for range 10 {
		for _, target := range []string{s.g.webhook, s.g.http, s.g.grpc} {
			if conn := s.dialTCP(target); conn != nil {
				defer conn.Close()
			}
		}
	}
	<-ctx.Done()
}

// hangUp leaves in the middle of what it asks and of what it is answered.
func (s *soak) hangUp(ctx context.Context, _ *rand.Rand) {
	requests := []string{
		"GET /v1/events?pageSize=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /v1/events:subscribe?startPosition=EARLIEST HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /v1/subscriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"POST /webhooks/juicebox HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
		"GET /v1/ev",
	}
	for n := 0; ctx.Err() == nil; n++ {
		target := s.g.http
		if n%3 == 2 {
			target = s.g.webhook
		}
		if conn := s.dialTCP(target); conn != nil {
			_, _ = io.WriteString(conn, requests[n%len(requests)])
			_, _ = conn.Read(make([]byte, 100))
			_ = conn.Close()
		}
		_ = pause(ctx, 20*time.Millisecond)
	}
}

// babble sends noise, bare and as HTTP/2 frames.
func (s *soak) babble(ctx context.Context, random *rand.Rand) {
	noise := make([]byte, 4096)
	for ctx.Err() == nil {
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		for _, target := range []string{s.g.webhook, s.g.http, s.g.grpc} {
			if conn := s.dialTCP(target); conn != nil {
				_, _ = conn.Write(noise)
				_ = conn.Close()
			}
		}
		if p := s.peer(); p != nil {
			_ = p.WriteRawFrame(http2.FrameType(noise[0]%12), http2.Flags(noise[1]), uint32(noise[2]), noise[:noise[3]])
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: noise[4:40], EndHeaders: true})
			_ = p.Conn.Close()
		}
		_ = pause(ctx, 50*time.Millisecond)
	}
}

// dialTCP connects to a port, given as host:port or as a URL, for a visit's time at most; nil if it can't.
func (s *soak) dialTCP(target string) net.Conn {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(target, "http://"), 5*time.Second)
	if err != nil {
		return nil
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil
	}
	return conn
}

// peer begins to speak HTTP/2 with the gRPC port; nil if it can't.
func (s *soak) peer() *rawhttp2.Peer {
	conn := s.dialTCP(s.g.grpc)
	if conn == nil {
		return nil
	}
	p, err := rawhttp2.New(conn)
	if err != nil {
		return nil
	}
	go p.Discard() // ends with the connection
	return p
}
