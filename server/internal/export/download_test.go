package export_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/export"
)

var discard = log.New(io.Discard, "", 0)

func TestDownload(t *testing.T) {
	_, hostPort := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != secret || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Range") != "" {
			t.Errorf("the request is %s with %v", r.URL, r.Header)
		}
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("ETag", `"v1"`)
		_, _ = w.Write([]byte("a,b\n1,2\n"))
	})
	download, body, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
	if err != nil || string(body) != "a,b\n1,2\n" {
		t.Fatalf("got %q, %v", body, err)
	}
	want := blob.Origin{ContentType: "text/csv; charset=utf-8", ETag: `"v1"`}
	if diff := cmp.Diff(want, download.Origin); diff != "" || download.Size != 8 || download.Offset != 0 {
		t.Errorf("from %d of %d, Origin (-want +got):\n%s", download.Offset, download.Size, diff)
	}
	_, err = download.Body.Read(make([]byte, 1))
	if !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestStatuses(t *testing.T) {
	for status, kind := range map[int]error{
		400: export.ErrLinkDead, 401: export.ErrLinkDead, 403: export.ErrLinkDead, 404: export.ErrLinkDead, 410: export.ErrLinkDead,
		405: export.ErrRefused, 416: export.ErrRefused, 451: export.ErrRefused, 204: export.ErrRefused, 206: export.ErrRefused, 304: export.ErrRefused, 300: export.ErrRefused,
		408: export.ErrTemporary, 425: export.ErrTemporary, 429: export.ErrTemporary, 500: export.ErrTemporary, 503: export.ErrTemporary, 599: export.ErrTemporary,
	} {
		hostPort := speak(t, func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 %d it was %s\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", status, secret)
		})
		_, _, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
		fails(t, err, kind, fmt.Sprintf("127.0.0.1: it answers %d", status))
		var e *export.DownloadError
		if !errors.As(err, &e) || e.Status != status || e.Host != "127.0.0.1" {
			t.Errorf("%d: %+v", status, e)
		}
		if wait := e.RetryAfter; (kind == export.ErrTemporary) != (wait == 7*time.Second) {
			t.Errorf("%d: RetryAfter is %s", status, wait)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "-1": 0, "soon": 0, "99999999": time.Hour,
		"Mon, 02 Jan 2006 15:04:05 GMT":                              time.Duration(0),
		time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat): time.Hour,
	} {
		_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", text)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, _, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
		if e, ok := errors.AsType[*export.DownloadError](err); !ok || e.RetryAfter != want {
			t.Errorf("%q: %+v, want %s", text, e, want)
		}
	}
}

// TestNonsense: answers that are no HTTP, and repeat the secret.
func TestNonsense(t *testing.T) {
	for _, answer := range []string{
		secret + "\r\n\r\n",
		"HTTP/1.1 " + secret + "\r\n\r\n",
		"HTTP/9.9 200 OK\r\n" + secret + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secret + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret + "\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat(secret, 10_000) + "\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://%zz/" + secret + "\r\n\r\n",
		"",
	} {
		hostPort := speak(t, func(c net.Conn) { _, _ = io.WriteString(c, answer) })
		_, _, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
		if err == nil {
			t.Errorf("%.40q passes for a file", answer)
		}
		keepsSecret(t, err)
	}
}

func TestNobodyThere(t *testing.T) {
	server, hostPort := serve(t, func(http.ResponseWriter, *http.Request) {})
	server.Close()
	_, _, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
	fails(t, err, export.ErrTemporary, "127.0.0.1: connection refused")
}

func TestTooLarge(t *testing.T) {
	const limit = 100_000
	client := func(hostPort string) *export.Client {
		return newClient(t, export.Options{MaxBytes: limit}, hostPort)
	}
	// A length that is announced is refused before a byte is read.
	announced := speak(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n") })
	_, err := client(announced).Get(t.Context(), link(announced), export.Resume{})
	fails(t, err, export.ErrTooLarge, "more than 100000 bytes")

	// One that isn't ends at the limit, and a file of just the limit is none too large.
	for size, tooLarge := range map[int]bool{limit: false, limit + 1: true, 50 * limit: true} {
		_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush() // chunks
			_, _ = w.Write(make([]byte, size))
		})
		_, body, err := get(t, client(hostPort), link(hostPort), export.Resume{})
		if len(body) > limit {
			t.Errorf("%d bytes came through", len(body))
		}
		if tooLarge {
			fails(t, err, export.ErrTooLarge, "more than 100000 bytes")
		} else if err != nil {
			t.Error(err)
		}
	}
}

// drip sends a byte each 2 ms until the client hangs up.
func drip(t *testing.T) (hostPort string) {
	t.Helper()
	_, hostPort = serve(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	return hostPort
}

func TestDrip(t *testing.T) {
	hostPort := drip(t)
	_, body, err := get(t, newClient(t, export.Options{StallTimeout: 500 * time.Millisecond}, hostPort), link(hostPort), export.Resume{})
	fails(t, err, export.ErrTemporary, "fewer than 65536 bytes came in 500ms")
	if len(body) == 0 {
		t.Error("nothing came before it was given up")
	}
	_, _, err = get(t, newClient(t, export.Options{Timeout: 200 * time.Millisecond}, hostPort), link(hostPort), export.Resume{})
	fails(t, err, export.ErrTooSlow, "given up after 200ms")
}

// TestSlowReader: the time that the reader takes is not the server's.
func TestSlowReader(t *testing.T) {
	_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4<<20)) })
	client := newClient(t, export.Options{StallTimeout: 500 * time.Millisecond}, hostPort)
	download, err := client.Get(t.Context(), link(hostPort), export.Resume{})
	if err != nil {
		t.Fatal(err)
	}
	defer download.Body.Close()
	if _, err := download.Body.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // twice what the server may take
	if n, err := io.Copy(io.Discard, download.Body); err != nil || n != 4<<20-10 {
		t.Errorf("read %d more bytes: %v", n, err)
	}
}

func TestInterrupted(t *testing.T) {
	hostPort := drip(t)
	ctx, cancel := context.WithCancel(t.Context())
	download, err := newClient(t, export.Options{}, hostPort).Get(ctx, link(hostPort), export.Resume{})
	if err != nil {
		t.Fatal(err)
	}
	defer download.Body.Close()
	cancel()
	_, err = io.Copy(io.Discard, download.Body)
	fails(t, err, export.ErrTemporary, "interrupted")
	fails(t, err, context.Canceled, "interrupted")
	_, err = newClient(t, export.Options{}, hostPort).Get(ctx, link(hostPort), export.Resume{})
	fails(t, err, context.Canceled, "interrupted")
}

// TestBomb: ten megabytes of zeros arrive as the ten kilobytes that they were sent as.
func TestBomb(t *testing.T) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	download, body, err := get(t, newClient(t, export.Options{MaxBytes: 20_000}, hostPort), link(hostPort), export.Resume{})
	if err != nil || !bytes.Equal(body, packed.Bytes()) || download.Origin.ContentEncoding != "gzip" {
		t.Errorf("got %d bytes in %q, %v", len(body), download.Origin.ContentEncoding, err)
	}
}

// TestLyingLength: a body that is shorter than announced is no file, in each framing; a longer one ends where it should.
func TestLyingLength(t *testing.T) {
	for answer, says := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort":                  "ended too early",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n": "ended too early",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nshort":    "ended too early",
	} {
		hostPort := speak(t, func(c net.Conn) { _, _ = io.WriteString(c, answer) })
		_, body, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
		fails(t, err, export.ErrTemporary, says)
		if string(body) != "short" {
			t.Errorf("%q: got %q", answer, body)
		}
	}
	unmarked := speak(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nwho knows") })
	_, _, err := get(t, newClient(t, export.Options{}, unmarked), link(unmarked), export.Resume{})
	fails(t, err, export.ErrRefused, "without its length")

	long := speak(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlonger") })
	if _, body, err := get(t, newClient(t, export.Options{}, long), link(long), export.Resume{}); err != nil || string(body) != "long" {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestResume asks a real file server for the rest of a file.
func TestResume(t *testing.T) {
	content := strings.Repeat("0123456789", 10_000)
	for _, test := range []struct {
		name   string
		from   export.Resume
		offset int64
	}{
		{"the same file", export.Resume{Offset: 12_345, ETag: `"v1"`}, 12_345},
		{"one byte is missing", export.Resume{Offset: 99_999, ETag: `"v1"`}, 99_999},
		{"another file", export.Resume{Offset: 12_345, ETag: `"v0"`}, 0},
		{"no ETag", export.Resume{Offset: 12_345}, 0},
		{"a weak ETag", export.Resume{Offset: 12_345, ETag: `W/"v1"`}, 0},
		{"no ETag at all", export.Resume{Offset: 12_345, ETag: "v1"}, 0},
		{"two lines", export.Resume{Offset: 12_345, ETag: "\"v1\"\r\nX: \"y\""}, 0},
		{"nothing there", export.Resume{ETag: `"v1"`}, 0},
		{"all is there", export.Resume{Offset: 100_000, ETag: `"v1"`}, 0},
		{"more is there", export.Resume{Offset: 100_001, ETag: `"v1"`}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, hostPort := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"v1"`)
				http.ServeContent(w, r, "file.csv", time.Time{}, strings.NewReader(content))
			})
			download, body, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), test.from)
			if err != nil {
				t.Fatal(err)
			}
			if download.Offset != test.offset || download.Size != 100_000 || string(body) != content[test.offset:] {
				t.Errorf("got %d bytes from %d of %d", len(body), download.Offset, download.Size)
			}
			if download.Origin.ETag != `"v1"` || !strings.HasPrefix(download.Origin.ContentType, "text/csv") {
				t.Errorf("Origin is %+v", download.Origin)
			}
		})
	}
}

// TestLyingRange: a server that answers with another part than was asked for is asked for all of it.
func TestLyingRange(t *testing.T) {
	const all = "0123456789"
	for name, header := range map[string]map[string]string{
		"another start":        {"Content-Range": "bytes 4-9/10"},
		"not to the end":       {"Content-Range": "bytes 5-8/10"},
		"beyond the end":       {"Content-Range": "bytes 5-10/10"},
		"backwards":            {"Content-Range": "bytes 9-5/10"},
		"unknown size":         {"Content-Range": "bytes 5-9/*"},
		"signs":                {"Content-Range": "bytes +5-9/10"},
		"no bytes":             {"Content-Range": "items 5-9/10"},
		"nothing":              {},
		"a huge number":        {"Content-Range": "bytes 5-99999999999999999999/10"},
		"another length":       {"Content-Range": "bytes 5-9/10", "Content-Length": "4"},
		"another file":         {"Content-Range": "bytes 5-9/10", "ETag": `"v2"`},
		"several parts":        {"Content-Type": "multipart/byteranges; boundary=x"},
		"unsatisfiable though": {"status": "416"},
	} {
		t.Run(name, func(t *testing.T) {
			hostPort := speakHTTP(t, func(w *bytes.Buffer, ranged bool) {
				if !ranged {
					fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 10\r\n\r\n%s", all)
					return
				}
				status := "206"
				if s, ok := header["status"]; ok {
					status = s
				}
				fmt.Fprintf(w, "HTTP/1.1 %s X\r\n", status)
				if header["Content-Length"] == "" {
					fmt.Fprint(w, "Content-Length: 5\r\n")
				}
				for name, value := range header {
					if name != "status" {
						fmt.Fprintf(w, "%s: %s\r\n", name, value)
					}
				}
				fmt.Fprint(w, "\r\n56789")
			})
			download, body, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{Offset: 5, ETag: `"v1"`})
			if err != nil || download.Offset != 0 || string(body) != all {
				t.Errorf("got %q, %v", body, err)
			}
		})
	}
}

// TestRangedBody: the rest of a file must be as long as its Content-Range says, whatever frames it.
func TestRangedBody(t *testing.T) {
	for body, says := range map[string]string{
		"3\r\n567\r\n0\r\n\r\n":     "ended too early",
		"7\r\n56789ab\r\n0\r\n\r\n": "more bytes than it announced",
		"5\r\n56789\r\n0\r\n\r\n":   "",
	} {
		hostPort := speakHTTP(t, func(w *bytes.Buffer, _ bool) {
			fmt.Fprintf(w, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nTransfer-Encoding: chunked\r\n\r\n%s", body)
		})
		download, got, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{Offset: 5, ETag: `"v1"`})
		if says != "" {
			fails(t, err, export.ErrTemporary, says)
		} else if err != nil || string(got) != "56789" || download.Offset != 5 || download.Size != 10 {
			t.Errorf("got %q, %v", got, err)
		}
		if len(got) > 5 {
			t.Errorf("%q came through", got)
		}
	}
	large := speakHTTP(t, func(w *bytes.Buffer, _ bool) {
		fmt.Fprint(w, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-10000000000/10000000001\r\n\r\n")
	})
	_, _, err := get(t, newClient(t, export.Options{}, large), link(large), export.Resume{Offset: 5, ETag: `"v1"`})
	fails(t, err, export.ErrTooLarge, strconv.Itoa(export.DefaultMaxBytes))
}

// speakHTTP starts a server whose answers are written by hand; ranged tells whether a range was asked for.
func speakHTTP(t *testing.T, say func(w *bytes.Buffer, ranged bool)) (hostPort string) {
	t.Helper()
	_, hostPort = serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		var answer bytes.Buffer
		say(&answer, r.Header.Get("Range") != "")
		_, _ = conn.Write(answer.Bytes()) // the client may have hung up
	})
	return hostPort
}

// TestOddHeaders: what isn't well formed of the server's words isn't kept.
func TestOddHeaders(t *testing.T) {
	_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/csv; " + strings.Repeat("a", 300)}
		w.Header()["Content-Encoding"] = []string{strings.Repeat("gzip, ", 100)}
		w.Header()["Etag"] = []string{`W/"weak"`}
		_, _ = w.Write([]byte("x"))
	})
	download, _, err := get(t, newClient(t, export.Options{}, hostPort), link(hostPort), export.Resume{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blob.Origin{}, download.Origin); diff != "" {
		t.Errorf("Origin (-want +got):\n%s", diff)
	}
}
