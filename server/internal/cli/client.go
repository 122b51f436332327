package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	straw "github.com/straw-gateway/straw/clients/go"
)

// clientFlags say which gateway a command talks to.
type clientFlags struct {
	addr      string
	plaintext bool
	ca        string
}

func addClientFlags(c *cobra.Command) *clientFlags {
	f := &clientFlags{}
	c.Flags().StringVar(&f.addr, "addr", "", "The gateway's gRPC `address`. (STRAW_ADDR; default "+straw.DefaultTarget+")")
	c.Flags().BoolVar(&f.plaintext, "plaintext", false, "Connect without TLS to an address beyond this machine.")
	c.Flags().StringVar(&f.ca, "tls-ca", "", "Connect with TLS and trust the certificates in this PEM `file` instead of the system's.")
	return f
}

// target is the gateway's address.
func (p *program) target(f *clientFlags) string {
	for _, target := range []string{f.addr, p.getenv("STRAW_ADDR")} {
		if target != "" {
			return target
		}
	}
	return straw.DefaultTarget
}

// dial returns a client. A token comes from STRAW_TOKEN alone: other users of the machine can see a command line.
func (p *program) dial(f *clientFlags) (*straw.Client, error) {
	var opts []straw.Option
	if token := p.getenv("STRAW_TOKEN"); token != "" {
		opts = append(opts, straw.WithToken(token))
	}
	switch {
	case f.plaintext && f.ca != "":
		return nil, usage("--plaintext and --tls-ca exclude each other")
	case f.plaintext:
		opts = append(opts, straw.WithPlaintext())
	case f.ca != "":
		roots, err := readRoots(f.ca)
		if err != nil {
			return nil, usage("--tls-ca: %w", err)
		}
		opts = append(opts, straw.WithTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))
	}
	client, err := straw.Dial(p.target(f), opts...)
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// unreachable says what to do about a gateway that isn't there. The code stays the error's.
func (p *program) unreachable(f *clientFlags, err error) error {
	e, ok := errors.AsType[*straw.Error](err)
	if !ok || e.Code != codes.Unavailable || e.Reason != 0 {
		return err
	}
	// gRPC puts errors into each other; the innermost says what happened.
	_, cause, found := cutLast(e.Message, `desc = "`)
	if found {
		cause = strings.TrimSuffix(cause, `"`)
	}
	return &hinted{e, fmt.Sprintf("no gateway answers at %s: %s. Name another one with --addr, or start one with `straw dev`", p.target(f), cause)}
}

// hinted is an error told in other words.
type hinted struct {
	error
	text string
}

func (h *hinted) Error() string { return h.text }
func (h *hinted) Unwrap() error { return h.error }

// cutLast cuts around the last separator; without one, after is everything.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", text, false
	}
	return text[:i], text[i+len(separator):], true
}

func readRoots(path string) (*x509.CertPool, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return roots, nil
}
