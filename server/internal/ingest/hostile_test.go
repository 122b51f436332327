package ingest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/listen"
)

// A length is believed before any of the body has come.
func TestTooLargeIsRefusedUnread(t *testing.T) {
	g := open(t, ingest.Options{})
	for _, length := range []string{"1048577", "5000000000", "9223372036854775807"} {
		got := g.exchange(request("", "Content-Length: "+length)) // and never a byte of the body
		if got.status != 413 {
			t.Errorf("Content-Length %s: %d", length, got.status)
		}
	}
	got := g.exchange(request("", "Content-Length: 2000000", "Expect: 100-continue"))
	if got.status != 413 {
		t.Errorf("a sender that asks first is answered %d", got.status)
	}
}

// A sender without end is stopped soon after the limit, and still gets its answer.
func TestEndlessBodyIsStopped(t *testing.T) {
	g := open(t, ingest.Options{})
	w := g.dial().send(request("", "Transfer-Encoding: chunked"))
	const chunk = 64 << 10
	text := fmt.Sprintf("%x\r\n%s\r\n", chunk, strings.Repeat("x", chunk))
	sent := make(chan int, 1)
	go func() {
		n := 0
		for ; n < 512<<20; n += chunk {
			if _, err := io.WriteString(w, text); err != nil {
				break
			}
		}
		sent <- n
	}()
	if got := w.reply(); got.status != 413 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := <-sent; n >= 512<<20 {
		t.Errorf("the server took %d bytes", n)
	}
}

func TestBodyShorterThanItsLength(t *testing.T) {
	g := open(t, ingest.Options{})
	body := webhook("evt_1")
	w := g.dial().send(request(body, fmt.Sprint("Content-Length: ", len(body)+1), "x-juicebox-signature: "+sign(body)))
	if err := w.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := w.reply(); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	w.closed()
	if outcome := g.seen.nth(t, 1); outcome != "bad_request" {
		t.Errorf("the outcome is %q", outcome)
	}
	if g.stored("evt_1") {
		t.Error("half a body was stored")
	}
}

// One request is never read as two, nor as another than a proxy before the gateway may have read.
func TestAmbiguousFraming(t *testing.T) {
	body := webhook("evt_1")
	sig := "x-juicebox-signature: " + sign(body)
	chunks, length := "Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", len(body))
	for name, text := range map[string]string{
		"length and chunks":            request(chunked(body, 9), length, chunks, sig),
		"chunks and length":            request(chunked(body, 9), chunks, sig, length),
		"length in other letters":      request(chunked(body, 9), chunks, sig, strings.Replace(length, "Content-Length", "cOnTeNt-lEnGtH", 1)),
		"length of the framed body":    request(chunked(body, 9), chunks, sig, fmt.Sprint("Content-Length: ", len(chunked(body, 9)))),
		"two lengths":                  request(body, length, "Content-Length: 3", sig),
		"a negative length":            request(body, "Content-Length: -1", sig),
		"a length with a sign":         request(body, "Content-Length: +5", sig),
		"two lengths in one":           request(body, fmt.Sprintf("Content-Length: %d, %d", len(body), len(body)), sig),
		"space before the colon":       request(body, fmt.Sprint("Content-Length : ", len(body)), sig),
		"a chunk without size":         request("\r\n"+body+"\r\n0\r\n\r\n", chunks, sig),
		"a chunk size that isn't hex":  request("zz\r\n"+body+"\r\n0\r\n\r\n", chunks, sig),
		"a chunk size of 70 bits":      request("ffffffffffffffffff\r\n"+body+"\r\n0\r\n\r\n", chunks, sig),
		"a chunk longer than its size": request("3\r\n"+body+"\r\n0\r\n\r\n", chunks, sig),
		"a negative chunk size":        request("-3\r\n"+body+"\r\n0\r\n\r\n", chunks, sig),
		"line feeds alone":             strings.ReplaceAll(request(chunked(body, 9), chunks, length, sig), "\r\n", "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, ingest.Options{})
			w := g.dial().send(text)
			if got := w.reply(); got.status != 400 {
				t.Errorf("%d %s, want 400", got.status, got.body)
			}
			w.closed()
			if g.head() != 0 {
				t.Error("it was stored")
			}
		})
	}
	t.Run("another encoding", func(t *testing.T) {
		g := open(t, ingest.Options{})
		if got := g.exchange(request(chunked(body, 9), "Transfer-Encoding: gzip, chunked", sig)); got.status != 501 {
			t.Errorf("%d, want 501", got.status)
		}
	})
}

// The head of a chunked request is found however its bytes arrive, on a connection that has carried others.
func TestChunksOnAUsedConnection(t *testing.T) {
	g := open(t, ingest.Options{})
	w := g.dial()
	for i := range 20 {
		plain := webhook(fmt.Sprint("evt_plain_", i))
		if got := w.send(signed(plain)).reply(); got.status != 200 {
			t.Fatalf("%d: plain: %d %s", i, got.status, got.body)
		}
		body := webhook(fmt.Sprint("evt_chunked_", i))
		text := request(chunked(body, 1+i), "Transfer-Encoding: chunked", "X-Filler: "+strings.Repeat("x", 700*i), "x-juicebox-signature: "+sign(body))
		w.send(text[:i*37%len(text)]).send(text[i*37%len(text):])
		if got := w.reply(); got.status != 200 {
			t.Fatalf("%d: chunked: %d %s", i, got.status, got.body)
		}
	}
	smuggled := webhook("evt_smuggled")
	w.send(request(chunked(smuggled, 9), "Transfer-Encoding: chunked", "Content-Length: 4", "x-juicebox-signature: "+sign(smuggled)))
	if got := w.reply(); got.status != 400 {
		t.Errorf("with a length too: %d", got.status)
	}
	w.closed()
	if g.stored("evt_smuggled") || g.head() != 40 {
		t.Errorf("%d stored", g.head())
	}
}

// Sent ahead, before the answer to the one before, such a request doesn't get through either.
func TestAmbiguousFramingSentAhead(t *testing.T) {
	first, smuggled := webhook("evt_1"), webhook("evt_smuggled")
	attack := request(chunked(smuggled, 9), "Transfer-Encoding: chunked", "Content-Length: 4", "x-juicebox-signature: "+sign(smuggled))
	ahead := signed(first) + attack
	for cut := len(signed(first)); cut < len(ahead); cut += 7 {
		g := open(t, ingest.Options{})
		w := g.dial().send(ahead[:cut])
		if got := w.reply(); got.status != 200 {
			t.Fatalf("cut at %d: the first is answered %d", cut, got.status)
		}
		if got := w.send(ahead[cut:]).reply(); got.status != 400 {
			t.Errorf("cut at %d: %d", cut, got.status)
		}
		if g.stored("evt_smuggled") {
			t.Errorf("cut at %d: it was stored", cut)
		}
	}
}

func TestSlowHeaders(t *testing.T) {
	const limit = 100 * time.Millisecond
	g := open(t, ingest.Options{ReadHeaderTimeout: limit})
	start := time.Now()
	w := g.dial().send("POST /webhooks/juicebox HTTP/1.1\r\nHost: x\r\n")
	w.closed()
	if took := time.Since(start); took < limit {
		t.Errorf("closed after %v", took)
	}
}

func TestSlowBody(t *testing.T) {
	const limit = 200 * time.Millisecond
	g := open(t, ingest.Options{ReadTimeout: limit})
	for name, text := range map[string]string{
		"with a length": signed(webhook("evt_1"))[:200],
		"in chunks":     request("5\r\n{\"id", "Transfer-Encoding: chunked"),
	} {
		start := time.Now()
		w := g.dial().send(text)
		if got := w.reply(); got.status != 408 || got.header.Get("Connection") != "close" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
		w.closed()
		if took := time.Since(start); took < limit {
			t.Errorf("%s: closed after %v", name, took)
		}
	}
	if g.head() != 0 {
		t.Error("half a body was stored")
	}
}

func TestIdleConnection(t *testing.T) {
	g := open(t, ingest.Options{IdleTimeout: 50 * time.Millisecond})
	w := g.dial()
	if got := w.send(signed(webhook("evt_1"))).reply(); got.status != 200 {
		t.Fatal(got.status)
	}
	w.closed()
}

func TestLargeHeaders(t *testing.T) {
	g := open(t, ingest.Options{})
	if got := g.exchange(signed(webhook("evt_1"), "X-Filler: "+strings.Repeat("x", 15<<10))); got.status != 200 {
		t.Errorf("15 KiB: %d", got.status)
	}
	if got := g.exchange(signed(webhook("evt_2"), "X-Filler: "+strings.Repeat("x", 24<<10))); got.status != 431 {
		t.Errorf("24 KiB: %d", got.status)
	}
}

// Large bodies that are still coming in take from a bounded memory. When it is used up another is told to come back, until the
// one that has been coming longest gives way. Small ones are not concerned.
func TestMemoryIsBounded(t *testing.T) {
	g := open(t, ingest.Options{MaxMemory: 50_000, MinRate: 1})
	large := strings.Replace(webhook("evt_large"), "SENSITIVE", strings.Repeat("x", 30_000), 1)
	other := strings.Replace(webhook("evt_other"), "SENSITIVE", strings.Repeat("x", 30_000), 1)
	text := signed(large)
	slow := g.dial().send(text[:len(text)-1])
	eventually(t, "the slow one gives way", func() bool {
		if got := g.exchange(signed(webhook("evt_small"))); got.status != 200 {
			t.Errorf("a small one is answered %d", got.status)
		}
		got := g.exchange(signed(other))
		if got.status != 200 && (got.status != 503 || got.header.Get("Retry-After") != "1") {
			t.Errorf("another is answered %d %s", got.status, got.raw)
		}
		return g.seen.has(string(ingest.BadRequest))
	})
	if got := slow.reply(); got.status != 408 || got.header.Get("Connection") != "close" {
		t.Errorf("the slow one is answered %d %s", got.status, got.raw)
	}
	for range 20 { // refused ones give back what they took
		if got := g.exchange(request(other, fmt.Sprint("Content-Length: ", len(other)))); got.status != 401 {
			t.Fatalf("unsigned: %d", got.status)
		}
	}
	if got := g.exchange(signed(strings.Replace(large, "xx", strings.Repeat("x", 50_000), 1))); got.status != 503 {
		t.Errorf("one that is larger than the memory is answered %d", got.status)
	}
	if !strings.Contains(g.logged.String(), "set aside") {
		t.Errorf("the log doesn't tell:\n%s", g.logged)
	}
}

// A large body that stops is ended long before all reading has to; one that keeps coming isn't, however long it takes, and
// nor is a small one that stops.
func TestMinimumRate(t *testing.T) {
	const rate = 128 << 10 // a quarter of a second for each piece
	g := open(t, ingest.Options{MinRate: rate})
	large := strings.Replace(webhook("evt_large"), "SENSITIVE", strings.Repeat("x", 300_000), 1)
	text := signed(large)
	small := g.dial().send(signed(webhook("evt_small"))[:200])
	start := time.Now()
	stalled := g.dial().send(text[:len(text)-1])
	if got := stalled.reply(); got.status != 408 || got.header.Get("Connection") != "close" {
		t.Errorf("one that stops is answered %d %s", got.status, got.raw)
	}
	stalled.closed()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it was let be for %v", took)
	}
	steady := g.dial()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for start = time.Now(); len(text) > 0; <-tick.C {
		n := min(10_000, len(text)) // four times as fast as it must be
		steady.send(text[:n])
		text = text[n:]
	}
	if got := steady.reply(); got.status != 200 {
		t.Errorf("one that keeps coming, for %v, is answered %d", time.Since(start), got.status)
	}
	if got := small.send(signed(webhook("evt_small"))[200:]).reply(); got.status != 200 {
		t.Errorf("a small one that stopped for a while is answered %d", got.status)
	}
}

// from connects from another address of this machine.
func (g *gateway) from(address string) *wire {
	g.t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}).Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		g.t.Fatal(err)
	}
	return &wire{c.(*net.TCPConn), g.t, bufio.NewReader(c)}
}

// Senders who know no secret hold connections open with bodies that don't end, and hold as much memory as they get. The real
// sender's webhooks, small and large, all get in meanwhile.
func TestSendersWithoutASecretKeepNobodyOut(t *testing.T) {
	claim := request("{", "Content-Length: 1000000", "x-juicebox-signature: 00")
	for name, attack := range map[string]struct {
		connections, addresses int
		text                   string
	}{
		"a byte of a claimed megabyte": {2100, 7, claim},
		"a byte, from one address":     {500, 1, claim},
		"all but the last byte":        {64, 1, request(strings.Repeat("x", event.MaxBody-1), fmt.Sprint("Content-Length: ", event.MaxBody), "x-juicebox-signature: 00")},
		"the same from 80 addresses":   {80, 80, request(strings.Repeat("x", event.MaxBody-1), fmt.Sprint("Content-Length: ", event.MaxBody), "x-juicebox-signature: 00")},
		"chunks without end":           {40, 4, request(chunked(strings.Repeat("x", 900<<10), 900<<10)[:900<<10], "Transfer-Encoding: chunked", "x-juicebox-signature: 00")},
		"a head without end":           {500, 4, "POST /webhooks/juicebox HTTP/1.1\r\nHost: x\r\n"},
		"asked to go on, and silent":   {500, 4, request("", "Content-Length: 1000000", "Expect: 100-continue", "x-juicebox-signature: 00")},
		"never a byte":                 {500, 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, ingest.Options{Peers: listen.Peers{CountLoopback: true}})
			var sending sync.WaitGroup
			defer sending.Wait()
			gate := make(chan struct{}, 16)
			var held atomic.Int64
			for i := range attack.connections {
				w := g.from(fmt.Sprintf("127.0.1.%d", 1+i%attack.addresses))
				defer w.Close()
				sending.Go(func() {
					gate <- struct{}{}
					_, _ = io.WriteString(w, attack.text) // it may be refused in the middle
					<-gate
					held.Add(1)
				})
			}
			eventually(t, "most of the attack is there", func() bool { return held.Load() >= int64(attack.connections)*9/10 })
			began := time.Now() // a body gives way once it has been coming for a while
			eventually(t, "the attack lasts", func() bool { return time.Since(began) > 700*time.Millisecond })
			sender := g.from("127.0.2.1")
			for i := range 60 {
				body := webhook(fmt.Sprint("evt_", i))
				if i%4 == 0 {
					body = strings.Replace(body, "SENSITIVE", "SENSITIVE"+strings.Repeat("x", 3000*i), 1) // up to 170 KB
				}
				if got := sender.send(signed(body)).reply(); got.status != 200 {
					t.Fatalf("real webhook %d, of %d bytes, is answered %d %s", i, len(body), got.status, got.raw)
				}
			}
		})
	}
}

// A claimed length alone takes no memory worth speaking of.
func TestClaimedLengthTakesNoMemory(t *testing.T) {
	g := open(t, ingest.Options{MaxMemory: 2 * event.MaxBody})
	for range 20 {
		w := g.dial().send(request("{", fmt.Sprint("Content-Length: ", event.MaxBody)))
		defer w.Close()
	}
	for i := range 50 {
		if got := g.exchange(signed(webhook(fmt.Sprint("evt_", i)))); got.status != 200 {
			t.Fatalf("%d: %d", i, got.status)
		}
	}
}
