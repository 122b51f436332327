package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
)

// instant is a log that stores nothing, so that what is measured is ingest alone.
type instant struct{}

func (instant) Append(context.Context, *event.Draft) (store.Receipt, error) {
	return store.Receipt{Seq: 1}, nil
}

func benchBody() string {
	return `{"id":"evt_0198c5b2f1d74d6f9a","type":"analysis.completed","created_at":"2026-03-04T05:00:00.123Z","data":{"analysis_id":"an_81f3","result_count":1284,"query":"` +
		strings.Repeat("staff platform engineers in Berlin who have led a team; ", 44) + `"}}`
}

func benchOptions(b *testing.B) Options {
	secrets, err := signature.NewSet([]string{"whsec_benchmark"})
	if err != nil {
		b.Fatal(err)
	}
	return Options{Log: instant{}, Secrets: secrets, Logger: slog.New(slog.DiscardHandler)}
}

// bare is the least that a handler can do: it reads the body and answers.
func bare(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = io.WriteString(w, `{"received":true}`)
}

// lean does what can't be left out, and nothing else: no limits, no deadlines, no metrics.
func lean(secrets *signature.Set) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, err := secrets.Verify(r.Header[signature.Header], body); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		convert.Convert(body, convert.Request{ReceiveTime: time.Now()})
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = io.WriteString(w, `{"received":true}`)
	}
}

// BenchmarkPort sends webhooks of 2.7 KB over 64 keep-alive connections, to the port and to the two handlers above.
func BenchmarkPort(b *testing.B) {
	for name, serve := range map[string]func(*testing.B, net.Listener) io.Closer{
		"straw": func(b *testing.B, l net.Listener) io.Closer {
			s := NewServer(benchOptions(b))
			go func() { _ = s.Serve(l) }()
			return s
		},
		"lean": func(b *testing.B, l net.Listener) io.Closer {
			s := &http.Server{Handler: lean(benchOptions(b).Secrets.(*signature.Set))}
			go func() { _ = s.Serve(l) }()
			return s
		},
		"bare": func(_ *testing.B, l net.Listener) io.Closer {
			s := &http.Server{Handler: http.HandlerFunc(bare)}
			go func() { _ = s.Serve(l) }()
			return s
		},
	} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer serve(b, l).Close()
			body := benchBody()
			text := []byte(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nUser-Agent: node\r\nAccept: */*\r\nContent-Length: %d\r\nX-Juicebox-Signature: %s\r\n\r\n%s",
				Path, l.Addr(), len(body), signature.Sign([]byte("whsec_benchmark"), []byte(body)), body))
			load(b, l.Addr().String(), text)
		})
	}
}

func load(b *testing.B, addr string, text []byte) {
	const connections = 64
	var senders sync.WaitGroup
	work := make(chan int)
	for range connections {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		senders.Go(func() {
			in := bufio.NewReader(c)
			for n := range work {
				for range n {
					if err := post(c, in, text); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	const batch = 16
	for sent := 0; sent < b.N; sent += batch {
		work <- min(batch, b.N-sent)
	}
	close(work)
	senders.Wait()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the time that this process, senders included, has computed so far, in nanoseconds. Unlike the time on the clock it
// says something on a machine that is shared.
func cpu(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func post(c net.Conn, in *bufio.Reader, text []byte) error {
	if _, err := c.Write(text); err != nil {
		return err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := in.Discard(len(`{"received":true}`))
	return err
}

// discard is a response that goes nowhere.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkHandler measures what the handler adds to net/http.
func BenchmarkHandler(b *testing.B) {
	h := newHandler(benchOptions(b).withDefaults())
	body := benchBody()
	header := http.Header{signature.Header: {signature.Sign([]byte("whsec_benchmark"), []byte(body))}}
	r, err := http.NewRequest(http.MethodPost, Path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header, r.ContentLength = header, int64(len(body))
	w := &discard{http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		h.ServeHTTP(w, r)
	}
}
