package rpc_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rpc"
	"github.com/straw-gateway/straw/server/internal/rpc/rawhttp2"
)

const (
	subscribeMethod  = "/straw.v1.EventService/Subscribe"
	getStatusMethod  = "/straw.v1.GatewayService/GetStatus"
	reflectionMethod = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
)

// dialRaw connects to the API as a hostile client; it hangs up when the test ends.
func (a *api) dialRaw() *rawhttp2.Peer {
	a.t.Helper()
	p, err := rawhttp2.Dial(a.t.Context(), a.conn.Target())
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = p.Conn.Close() })
	return p
}

// impatient is a gateway that doesn't wait long for requests.
func impatient(t *testing.T, maxStreams int) *api {
	return newAPI(t, setup{maxStreams: maxStreams, more: func(o *rpc.Options) { o.RequestTimeout = 300 * time.Millisecond }})
}

// must ends the test at an error of the attack's own.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestHalfARequestEnds: none of what may stay unsaid keeps a call open.
func TestHalfARequestEnds(t *testing.T) {
	t.Parallel()
	a := impatient(t, 0)
	halves := map[string][]byte{
		"nothing": nil, "part of a length": {0, 0, 16}, "a length": rawhttp2.Message(1<<20, 0), "a part": rawhttp2.Message(1<<20, 64<<10-5),
		"all but a byte": rawhttp2.Message(100, 99), "all but the end": rawhttp2.Message(0, 0),
	}
	for _, method := range []string{subscribeMethod, getStatusMethod, "/straw.v1.SubscriptionService/Acknowledge", reflectionMethod, "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/Check"} {
		for name, half := range halves {
			if name == "all but the end" && method == reflectionMethod {
				continue // it has a whole message, and more may follow
			}
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				p := a.dialRaw()
				must(t, p.Open(1, method))
				if len(half) > 0 {
					must(t, p.Send(1, half, false))
				}
				if status, err := p.Status(1); err != nil || status != fmt.Sprint(int(codes.DeadlineExceeded)) {
					t.Errorf("%s, %v, want DEADLINE_EXCEEDED", status, err)
				}
			})
		}
	}
}

// TestHalfARequestEndsByDefault: nobody has to ask for the limit.
func TestHalfARequestEndsByDefault(t *testing.T) {
	t.Parallel()
	p := newAPI(t, setup{}).dialRaw()
	must(t, p.Conn.SetDeadline(time.Now().Add(3*rpc.DefaultRequestTimeout)))
	must(t, p.Open(1, subscribeMethod), p.Send(1, rawhttp2.Message(1<<20, 1000), false))
	if status, err := p.Status(1); err != nil || status != fmt.Sprint(int(codes.DeadlineExceeded)) {
		t.Errorf("%s, %v, want DEADLINE_EXCEEDED", status, err)
	}
}

// TestAWholeRequestMayTakeItsTime: the limit is for the request alone, not for what follows.
func TestAWholeRequestMayTakeItsTime(t *testing.T) {
	a := impatient(t, 0)
	s := a.subscribe(&strawv1.SubscribeRequest{})
	a.recv(s)
	slow, p := a.dialRaw(), a.dialRaw()
	list := []byte{0, 0, 0, 0, 3, 0x3a, 1, '*'} // a request for the services' names
	must(t, slow.Open(1, reflectionMethod), slow.Send(1, list, false))
	must(t, p.Open(1, getStatusMethod))
	if status, err := p.Status(1); err != nil || status != fmt.Sprint(int(codes.DeadlineExceeded)) { // and so the limit has passed
		t.Fatalf("%s, %v", status, err)
	}
	a.append("search.alert", nil)
	if f := a.recv(s); len(f.GetDeliveries()) != 1 {
		t.Errorf("the stream got %v", f)
	}
	must(t, slow.Send(1, list, true))
	if status, err := slow.Status(1); err != nil || status != "0" {
		t.Errorf("the stream of requests ended with %s, %v", status, err)
	}
}

// TestStreamsCountFromTheirFirstByte: half a request takes a place, and gives it back.
func TestStreamsCountFromTheirFirstByte(t *testing.T) {
	const limit = 5
	a := newAPI(t, setup{maxStreams: limit})
	p := a.dialRaw()
	for i := range limit {
		must(t, p.Open(uint32(2*i+1), subscribeMethod))
	}
	must(t, p.Open(2*limit+1, subscribeMethod))
	if status, err := p.Status(2*limit + 1); err != nil || status != fmt.Sprint(int(codes.ResourceExhausted)) {
		t.Fatalf("one too many got %s, %v", status, err)
	}
	s := a.subscribe(&strawv1.SubscribeRequest{})
	_, err := s.Recv()
	wantError(t, err, codes.ResourceExhausted, strawv1.ErrorReason_TOO_MANY_STREAMS, map[string]string{"limit": fmt.Sprint(limit)})
	// Unary calls are apart.
	if _, err := a.gateway.GetStatus(t.Context(), &strawv1.GetStatusRequest{}); err != nil {
		t.Error(err)
	}
	for i := range limit {
		must(t, p.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel))
	}
	a.waitForPlaces(limit)
}

// TestPlacesComeBackAtTheLimit: neither what was ended for being late nor what was refused keeps a place.
func TestPlacesComeBackAtTheLimit(t *testing.T) {
	const limit = 3
	a := impatient(t, limit)
	for range 3 {
		p := a.dialRaw()
		for i := range 2 * limit {
			must(t, p.Open(uint32(2*i+1), subscribeMethod))
		}
		must(t, p.Conn.Close())
		a.waitForPlaces(limit)
	}
	p := a.dialRaw()
	must(t, p.Open(1, subscribeMethod))
	if status, err := p.Status(1); err != nil || status != fmt.Sprint(int(codes.DeadlineExceeded)) {
		t.Fatalf("%s, %v", status, err)
	}
	a.waitForPlaces(limit)
}

// waitForPlaces opens streams, as many as there may be, and tries again until all are let in.
func (a *api) waitForPlaces(limit int) {
	a.t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		ctx, end := context.WithCancel(a.t.Context())
		var err error
		for range limit {
			var s grpc.ServerStreamingClient[strawv1.SubscribeResponse]
			if s, err = a.events.Subscribe(ctx, &strawv1.SubscribeRequest{}); err == nil {
				_, err = s.Recv()
			}
			if err != nil {
				break
			}
		}
		end()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			a.t.Fatalf("not %d streams at once: %v", limit, err)
		}
	}
}

// TestUnfinishedCallsAreBounded: a caller can't begin more calls than it sends requests for.
func TestUnfinishedCallsAreBounded(t *testing.T) {
	a := newAPI(t, setup{})
	p := a.dialRaw()
	const most = 10_000
	for i := range most {
		must(t, p.Open(uint32(2*i+1), getStatusMethod))
	}
	must(t, p.Open(2*most+1, getStatusMethod))
	if status, err := p.Status(2*most + 1); err != nil || status != fmt.Sprint(int(codes.ResourceExhausted)) {
		t.Fatalf("one too many got %s, %v", status, err)
	}
	must(t, p.Conn.Close())
}

// TestManyCallsAtOnce: calls whose requests come with them are no unfinished ones, however many begin together.
func TestManyCallsAtOnce(t *testing.T) {
	a := newAPI(t, setup{})
	const calls = 3000
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make(chan error, calls)
	for range calls {
		wg.Go(func() {
			<-start
			if _, err := a.gateway.GetStatus(t.Context(), &strawv1.GetStatusRequest{}); err != nil {
				errs <- err
			}
		})
	}
	close(start)
	wg.Wait()
	if len(errs) > 0 {
		t.Errorf("%d of %d calls failed: %v", len(errs), calls, <-errs)
	}
}

// TestHalfMessagesTakeBoundedMemory claims 1 MiB on thousands of streams and sends 64 KiB of each, on one connection, on four,
// and a little on each of many.
func TestHalfMessagesTakeBoundedMemory(t *testing.T) {
	attacks := []struct {
		name                 string
		connections, streams int
		frame                int
		most                 int // MiB of the requests
	}{
		{"one connection", 1, 1300, 16 << 10, 64},
		{"five connections", 5, 1000, 16 << 10, 256},
		{"many connections, none with much", 45, 100, 16 << 10, 256},
		{"single bytes", 1, 100, 1, 64},
	}
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			a := newAPI(t, setup{})
			before := liveHeap()
			var wg sync.WaitGroup
			for range attack.connections {
				p := a.dialRaw()
				wg.Go(p.Discard)
				for i := range attack.streams {
					if p.Open(uint32(2*i+1), "/straw.v1.SubscriptionService/Acknowledge") != nil || sendHalf(p, uint32(2*i+1), attack.frame) != nil {
						break // the gateway has had enough of it
					}
				}
				defer p.Conn.Close()
			}
			const streams = 64 << 20 // what they take themselves, on both sides
			if after := liveHeap(); after > before+attack.most<<20+streams {
				t.Errorf("the heap grew from %d to %d MiB", before>>20, after>>20)
			}
			if _, err := a.gateway.GetStatus(t.Context(), &strawv1.GetStatusRequest{}); err != nil {
				t.Errorf("another caller: %v", err)
			}
		})
	}
}

// TestLargeRequestsSideBySide: a busy client sends many of the largest requests on one connection, beside a stream.
func TestLargeRequestsSideBySide(t *testing.T) {
	a := newDurable(t, setup{more: func(o *rpc.Options) { o.RequestTimeout = time.Minute }}) // tests are slow under the race detector
	s := a.subscribe(&strawv1.SubscribeRequest{})
	a.recv(s)
	if _, err := a.stub.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{Id: "busy"}}); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("%060d", i)
	}
	var wg sync.WaitGroup
	for range 30 { // 18 MiB together
		wg.Go(func() {
			got, err := a.stub.Acknowledge(t.Context(), &strawv1.AcknowledgeRequest{SubscriptionId: "busy", AckIds: ids})
			if err != nil || len(got.GetResults()) != len(ids) {
				t.Errorf("%d results, %v", len(got.GetResults()), err)
			}
		})
	}
	wg.Wait()
	a.append("search.alert", nil)
	for len(a.recv(s).GetDeliveries()) == 0 { // heartbeats
	}
}

func sendHalf(p *rawhttp2.Peer, stream uint32, frame int) error {
	data := rawhttp2.Message(1<<20, 64<<10-5)
	for len(data) > 0 {
		n := min(frame, len(data))
		if err := p.WriteData(stream, false, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// liveHeap is what is left after a collection; the tests' client is part of it.
func liveHeap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestLimitsOfAConnection reads what the port says that it allows, and tries it: a limit that is unset leaves floods unbounded.
func TestLimitsOfAConnection(t *testing.T) {
	a := newAPI(t, setup{})
	got, err := a.dialRaw().Settings()
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[http2.SettingID]uint32{
		http2.SettingMaxConcurrentStreams: rpc.DefaultMaxStreams + 1000, http2.SettingMaxHeaderListSize: 16 << 10, http2.SettingMaxFrameSize: 16 << 10,
	} {
		if got[id] != want {
			t.Errorf("%v is %d, want %d", id, got[id], want)
		}
	}
}

func TestMessagesBeyondAMebibyteAreRefused(t *testing.T) {
	a := newAPI(t, setup{})
	for claimed, want := range map[int]codes.Code{1<<20 + 1: codes.ResourceExhausted, 64 << 20: codes.ResourceExhausted} {
		p := a.dialRaw()
		must(t, p.Open(1, getStatusMethod), p.Send(1, rawhttp2.Message(claimed, 0), false))
		if status, err := p.Status(1); err != nil || status != fmt.Sprint(int(want)) {
			t.Errorf("%d bytes: %s, %v, want %v", claimed, status, err, want)
		}
	}
}

// TestPingsAreBounded: a peer that pings without end is told so, and cut.
func TestPingsAreBounded(t *testing.T) {
	a := newAPI(t, setup{})
	p := a.dialRaw()
	go func() {
		for p.WritePing(false, [8]byte{1}) == nil {
		}
	}()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			t.Fatalf("cut without being told: %v", err)
		}
		if away, ok := f.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("told %v, want ENHANCE_YOUR_CALM", away.ErrCode)
			}
			return
		}
		if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
			continue
		}
	}
}

// TestAnotherProtocolIsHungUpOn: a browser speaks HTTP/1 to a port without TLS, so no page reaches gRPC.
func TestAnotherProtocolIsHungUpOn(t *testing.T) {
	a := newAPI(t, setup{})
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"POST " + getStatusMethod + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc\r\nContent-Length: 1000\r\n\r\n" + http2.ClientPreface,
	} {
		conn, err := net.Dial("tcp", a.conn.Target())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 64<<10)
		n := 0
		for err == nil {
			var more int
			more, err = conn.Read(answer[n:])
			n += more
		}
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("%.20q: the connection stays open", request)
		}
		if got := string(answer[:n]); len(got) >= 4 && got[:4] == "HTTP" {
			t.Errorf("%.20q was answered with %q", request, got)
		}
	}
}
