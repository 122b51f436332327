package export_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/straw-gateway/straw/server/internal/export"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is in the query of every link, and in no error.
const secret = "X-Signature=hush-4711"

// newClient makes a client with small limits. allow are hosts that the operator names.
func newClient(t *testing.T, options export.Options, allow ...string) *export.Client {
	t.Helper()
	options.AllowHosts = append(options.AllowHosts, allow...)
	client, err := export.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// serve starts a server on loopback and returns it with its host:port.
func serve(t *testing.T, handler http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, strings.TrimPrefix(server.URL, "http://")
}

// link is a link to a server of this test.
func link(hostPort string) string { return "http://" + hostPort + "/file.csv?" + secret }

// get downloads all of a link.
func get(t *testing.T, client *export.Client, link string, from export.Resume) (*export.Download, []byte, error) {
	t.Helper()
	download, err := client.Get(t.Context(), link, from)
	if err != nil {
		return nil, nil, err
	}
	defer download.Body.Close()
	b, err := io.ReadAll(download.Body)
	return download, b, err
}

// fails checks that an error is of a kind, tells enough and tells no secret, however it is printed or unwrapped.
func fails(t *testing.T, err, kind error, says string) {
	t.Helper()
	if !errors.Is(err, kind) || err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("got the error %v, want %v that says %q", err, kind, says)
	}
	if export.Permanent(err) == errors.Is(err, export.ErrTemporary) {
		t.Errorf("%v: Permanent is %v", err, export.Permanent(err))
	}
	keepsSecret(t, err)
}

func keepsSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		if strings.Contains(text, "hush") || strings.Contains(text, "X-Signature") {
			t.Errorf("an error tells the secret: %s", text)
		}
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		t.Errorf("%v has a url.Error in it, which has the link", err)
	}
	switch e := err.(type) { // all of the chain
	case interface{ Unwrap() error }:
		keepsSecret(t, e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			keepsSecret(t, inner)
		}
	}
}

// speak starts a server that answers every connection with what speak writes, and then hangs up.
func speak(t *testing.T, say func(net.Conn)) (hostPort string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				// The request, so that hanging up isn't a reset.
				for tail := ""; !strings.HasSuffix(tail, "\r\n\r\n"); {
					b := make([]byte, 4096)
					n, err := conn.Read(b)
					if err != nil {
						return
					}
					tail = (tail + string(b[:n]))[max(0, len(tail)+n-4):]
				}
				say(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		group.Wait()
	})
	return listener.Addr().String()
}

// A dns is a name server on loopback.
type dns struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr // by name, an answer for each time it is asked; the last one stays
	asked   int
}

// resolver starts the name server and returns a resolver that asks nobody else.
func (d *dns) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			answer, err := d.answer(b[:n])
			if err != nil {
				t.Errorf("name server: %v", err)
				continue
			}
			_, _ = conn.WriteTo(answer, from) // the resolver may have hung up
		}
	})
	t.Cleanup(func() {
		conn.Close()
		group.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (d *dns) answer(query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addrs, known := d.next(strings.ToLower(strings.TrimSuffix(question.Name.String(), ".")), question.Type)
	header.Response, header.Authoritative = true, true
	if !known {
		header.RCode = dnsmessage.RCodeNameError
	}
	message := dnsmessage.Message{Header: header, Questions: []dnsmessage.Question{question}}
	for _, addr := range addrs {
		record := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: 0}}
		switch {
		case question.Type == dnsmessage.TypeA && addr.Is4():
			record.Body = &dnsmessage.AResource{A: addr.As4()}
		case question.Type == dnsmessage.TypeAAAA && addr.Is6():
			record.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		default:
			continue
		}
		message.Answers = append(message.Answers, record)
	}
	return message.Pack()
}

// next takes the answer to a question. Names are asked for with both types; the one for IPv4 moves on.
func (d *dns) next(name string, kind dnsmessage.Type) (addrs []netip.Addr, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	answers, known := d.answers[name]
	if !known {
		return nil, false
	}
	addrs = answers[0]
	if kind == dnsmessage.TypeA {
		d.asked++
		if len(answers) > 1 {
			d.answers[name] = answers[1:]
		}
	}
	return addrs, true
}
