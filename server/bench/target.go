package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Target is a server under measurement: Straw or a limit program.
type Target struct {
	*Process
	Addresses
}

// A strawLog reads the listeners' addresses from Straw's log.
type strawLog struct {
	mu    sync.Mutex
	addrs Addresses
}

// listenerLine matches the keys `listener` and `addr` as slog writes them, as text.
var listenerLine = regexp.MustCompile(`\blistener=(\w+)\b.*\baddr=(\S+)`)

func (s *strawLog) line(text string) {
	var named struct{ Listener, Addr string }
	if json.Unmarshal([]byte(text), &named) != nil {
		m := listenerLine.FindStringSubmatch(text)
		if m == nil {
			return
		}
		named.Listener, named.Addr = m[1], m[2]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch strings.ToLower(named.Listener) {
	case "webhook":
		s.addrs.Webhook = named.Addr
	case "grpc":
		s.addrs.GRPC = named.Addr
	case "http":
		s.addrs.HTTP = named.Addr
	}
}

func (s *strawLog) found() (Addresses, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs, s.addrs.Webhook != "" && s.addrs.GRPC != "" && s.addrs.HTTP != ""
}

// errLimitsOnly stands for every measurement of Straw in a run with -limits.
var errLimitsOnly = errors.New("only the limits are measured")

// startStraw runs the real gateway on a store and returns once /readyz says that it is ready; opened is what that took.
func (b *Bench) startStraw(ctx context.Context, dir string, env ...string) (t *Target, opened time.Duration, err error) {
	if b.straw == "" {
		return nil, 0, errLimitsOnly
	}
	blobs, err := os.MkdirTemp(b.dir, "blobs-")
	if err != nil {
		return nil, 0, err
	}
	var log strawLog
	began := monotonic()
	p, err := start(ctx, "straw", log.line, env, b.straw, "serve",
		"--webhook-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
		"--webhook-secret", webhookSecret, "--store", "pebble:"+dir, "--blobs", "file:"+blobs)
	if err != nil {
		return nil, 0, err
	}
	t = &Target{Process: p}
	err = eventually(time.Minute, func() (ready bool, err error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if t.Addresses, ready = log.found(); !ready {
			return false, p.alive()
		}
		return t.ready(ctx), nil
	})
	if err != nil {
		p.Kill()
		return nil, 0, fmt.Errorf("waiting for straw to be ready: %w%s", err, p.log.tail())
	}
	return t, monotonic() - began, nil
}

// freshStraw runs Straw on a new store.
func (b *Bench) freshStraw(ctx context.Context, env ...string) (*Target, error) {
	dir, err := os.MkdirTemp(b.dir, "straw-")
	if err != nil {
		return nil, err
	}
	t, _, err := b.startStraw(ctx, dir, env...)
	return t, err
}

// startLimit runs a limit program.
func (b *Bench) startLimit(ctx context.Context, role string, config any, env ...string) (*Target, error) {
	t := &Target{}
	var err error
	t.Process, err = startRole(ctx, role, config, &t.Addresses, env...)
	return t, err
}

// alive is an error once the process has ended, as far as its standard output tells.
func (p *Process) alive() error {
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/exe", p.PID())); err != nil {
		return fmt.Errorf("%s has ended", p.Name)
	}
	return nil
}

var plainHTTP = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableCompression: true}}

// get asks the server's HTTP port. The caller closes the answer's body.
func (t *Target) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	return plainHTTP.Do(request)
}

func (t *Target) ready(ctx context.Context) bool {
	r, err := t.get(ctx, "/readyz")
	if err != nil {
		return false
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	return r.StatusCode == http.StatusOK
}

// metrics returns the figures without labels that /metrics tells.
func (t *Target) metrics(ctx context.Context) (map[string]float64, error) {
	r, err := t.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics answered %s", r.Status)
	}
	figures := map[string]float64{}
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			figures[name] = v
		}
	}
	return figures, lines.Err()
}
