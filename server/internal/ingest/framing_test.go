package ingest

import (
	"bufio"
	"context"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

// parse reads a chunked request as net/http does, on a connection that recorded something; nil if it isn't one.
func parse(text, recorded string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil || r.ContentLength >= 0 {
		return nil
	}
	c := &conn{}
	c.record([]byte(recorded))
	return r.WithContext(withConn(context.Background(), c))
}

func TestAmbiguous(t *testing.T) {
	const chunks = "POST /webhooks/juicebox HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	const both = "POST /webhooks/juicebox HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		text, recorded string
		want           bool
	}{
		"chunks":                            {chunks, chunks, false},
		"both":                              {both, both, true},
		"the first byte was read before":    {chunks, chunks[1:], false},
		"both, the first byte read before":  {both, both[1:], true},
		"empty lines before":                {chunks, "\r\n\n" + chunks, false},
		"a body behind, like a head":        {chunks, chunks + "0\r\nContent-Length: 3\r\n\r\n", false},
		"lines end in line feeds":           {chunks, strings.ReplaceAll(chunks, "\r\n", "\n") + "Content-Length: 3\n", false},
		"both, lines end in line feeds":     {both, strings.ReplaceAll(both, "\r\n", "\n"), true},
		"nothing recorded":                  {chunks, "", true},
		"another request recorded":          {chunks, strings.Replace(chunks, "juicebox", "other", 1), true},
		"the end is missing":                {chunks, chunks[:len(chunks)-2], true},
		"the beginning is missing":          {both, both[80:], true},
		"a length in another header's name": {strings.Replace(chunks, "Host", "X-Content-Length: 3\r\nHost", 1), strings.Replace(chunks, "Host", "X-Content-Length: 3\r\nHost", 1), false},
	} {
		if got := ambiguous(parse(c.text, c.recorded)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(chunks)))
	if err != nil || !ambiguous(r) {
		t.Errorf("a request on an unknown connection passes (%v)", err)
	}
}

// A head is recorded alike in whatever pieces it arrives, and never without bound.
func TestRecord(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\n\r\n"
	for cut := range len(head) {
		c := &conn{}
		c.record([]byte(head[:cut]))
		c.record([]byte(head[cut:]))
		if string(c.head) != head {
			t.Errorf("cut at %d: recorded %q", cut, c.head)
		}
	}
	c := &conn{}
	for range 1000 {
		if !c.full {
			c.record([]byte(strings.Repeat("x", 1000)))
		}
	}
	if len(c.head) != maxHead {
		t.Errorf("recorded %d bytes", len(c.head))
	}
	if c.forget(); c.full || len(c.head) != 0 || cap(c.head) > keepHead {
		t.Errorf("after forgetting: %v, %d bytes, room for %d", c.full, len(c.head), cap(c.head))
	}
}

// FuzzAmbiguous holds the reading of heads to the standard library's.
func FuzzAmbiguous(f *testing.F) {
	f.Add("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f.Add("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n")
	f.Add("POST / HTTP/1.1\nTransfer-Encoding: chunked\n content-length: 3\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := parse(text, text)
		if r == nil {
			return
		}
		lines := textproto.NewReader(bufio.NewReader(strings.NewReader(text)))
		if _, err := lines.ReadLine(); err != nil {
			t.Fatal(err)
		}
		header, err := lines.ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		if _, both := header["Content-Length"]; both && !ambiguous(r) {
			t.Errorf("%q passes with a Content-Length", text)
		} else if !both && len(text) < maxHead && ambiguous(r) {
			t.Errorf("%q is refused without one", text)
		}
	})
}
