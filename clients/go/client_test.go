package straw_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestDialRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, target string
		opts         []straw.Option
		want         string // in the error; empty if there is none
	}{
		{"default", "", nil, ""},
		{"loopback", "[::1]:9090", nil, ""},
		{"resolver", "dns:///gateway.internal:9090", nil, ""},
		{"unix socket", "unix:///run/straw.sock", nil, ""},
		{"no port", "gateway.internal", nil, "isn't host:port"},
		{"URL", "http://gateway.internal", nil, "isn't host:port"},
		{"token in the clear", "gateway.internal:9090", []straw.Option{straw.WithPlaintext(), straw.WithToken("t")}, "could be read on the way"},
		{"token over TLS", "gateway.internal:9090", []straw.Option{straw.WithToken("t")}, ""},
		{"token on this machine", "localhost:9090", []straw.Option{straw.WithToken("t")}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := straw.Dial(tc.target, tc.opts...)
			if err == nil {
				c.Close()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// GetStatus answers with the caller's authorization as the version, unless it is to be refused.
func (g *gateway) GetStatus(ctx context.Context, _ *strawv1.GetStatusRequest) (*strawv1.GetStatusResponse, error) {
	if g.refuse != nil {
		if err := g.refuse(0, nil); err != nil {
			return nil, err
		}
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return &strawv1.GetStatusResponse{Version: strings.Join(md.Get("authorization"), ",")}, nil
}

func getStatus(t *testing.T, c *straw.Client) (string, error) {
	t.Helper()
	r, err := c.Gateway().GetStatus(bounded(t), &strawv1.GetStatusRequest{})
	return r.GetVersion(), err
}

func TestToken(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	newGateway(0).serve(t, l)
	got, err := getStatus(t, dial(t, l.Addr().String(), straw.WithToken("abc")))
	if err != nil || got != "Bearer abc" {
		t.Errorf("the gateway saw %q, %v", got, err)
	}
	broken := dial(t, l.Addr().String(), straw.WithTokenSource(func(context.Context) (string, error) {
		return "", errors.New("no token today")
	}))
	if _, err := getStatus(t, broken); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "no token today") {
		t.Errorf("a broken source gave %v", err)
	}
}

func TestMutualTLS(t *testing.T) {
	pool := x509.NewCertPool()
	server, client := certificate(t, pool), certificate(t, pool)
	l := listen(t, "127.0.0.1:0")
	newGateway(3).serve(t, l, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})))
	with := dial(t, l.Addr().String(), straw.WithTLS(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{client}}), straw.WithToken("abc"))
	if got, err := getStatus(t, with); err != nil || got != "Bearer abc" {
		t.Errorf("with a certificate: %q, %v", got, err)
	}
	without := dial(t, l.Addr().String(), straw.WithTLS(&tls.Config{RootCAs: pool}))
	if _, err := getStatus(t, without); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
}

// certificate makes a self-signed certificate for 127.0.0.1 that the pool trusts.
func certificate(t *testing.T, pool *x509.CertPool) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestReadsAreRetried(t *testing.T) {
	g := newGateway(0)
	var calls atomic.Int32
	g.refuse = func(int, *strawv1.SubscribeRequest) error {
		if calls.Add(1) < 3 {
			return failure(codes.Unavailable, "STORE_UNAVAILABLE", nil)
		}
		return nil
	}
	if _, err := getStatus(t, g.start(t)); err != nil || calls.Load() != 3 {
		t.Errorf("after %d calls: %v", calls.Load(), err)
	}
}

func TestErrors(t *testing.T) {
	plain := status.Error(codes.Internal, "stream terminated")
	other := failure(codes.NotFound, "SOMETHING_NEWER", map[string]string{"id": "x"})
	for _, tc := range []struct {
		name string
		sent error
		want straw.Error
		text string
	}{
		{"reason and metadata", failure(codes.OutOfRange, "CURSOR_EXPIRED", map[string]string{"oldest": "c8"}),
			straw.Error{Code: codes.OutOfRange, Reason: strawv1.ErrorReason_CURSOR_EXPIRED, Metadata: map[string]string{"oldest": "c8"}},
			"what happened (OutOfRange, CURSOR_EXPIRED)"},
		{"a reason that is newer", other, straw.Error{Code: codes.NotFound, Metadata: map[string]string{"id": "x"}}, "what happened (NotFound)"},
		{"not the gateway's", plain, straw.Error{Code: codes.Internal}, "stream terminated (Internal)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGateway(0)
			g.refuse = func(int, *strawv1.SubscribeRequest) error { return tc.sent }
			_, err := getStatus(t, g.start(t))
			e, ok := errors.AsType[*straw.Error](err)
			if !ok {
				t.Fatalf("got %T: %v", err, err)
			}
			if e.Code != tc.want.Code || e.Reason != tc.want.Reason || e.Metadata["oldest"] != tc.want.Metadata["oldest"] || err.Error() != tc.text {
				t.Errorf("got %+v: %v", e, e)
			}
			if !errors.Is(err, &straw.Error{Code: e.Code}) || errors.Is(err, &straw.Error{Reason: strawv1.ErrorReason_DRAINING}) {
				t.Error("errors.Is tells wrong")
			}
			if status.Code(err) != tc.want.Code || len(status.Convert(err).Details()) != len(status.Convert(tc.sent).Details()) {
				t.Error("the status is not the one that was sent")
			}
		})
	}
}

func TestContextErrorsAreFound(t *testing.T) {
	c := newGateway(0).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Gateway().GetStatus(ctx, &strawv1.GetStatusRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := c.Gateway().GetStatus(ctx, &strawv1.GetStatusRequest{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timed out: %v", err)
	}
}
