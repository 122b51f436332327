// Package app wires the gateway from its parts, runs it, and drains it in reverse order.
//
// It decides nothing about events: a line here opens a part or hands one to another.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/juicebox"
	"github.com/straw-gateway/straw/server/internal/listen"
	"github.com/straw-gateway/straw/server/internal/observe"
	"github.com/straw-gateway/straw/server/internal/rpc"
	turns "github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
)

// drainTimeout is how long what is open may take to end by itself once the gateway shuts down.
const drainTimeout = 10 * time.Second

// cutTimeout is how long a call may take to notice that its caller is gone.
const cutTimeout = 5 * time.Second

// gcPercent lets the heap grow to five times of what is live before it is collected. A gateway's live heap is small (the
// tail of the log, mostly) next to what its requests leave behind, and Go's default would collect it many times a second.
const gcPercent = 400

// syncProcs are added to the processors that Go code may use at once: a goroutine in an fsync keeps its place until the
// runtime notices, which is longer than most fsyncs take.
const syncProcs = 2

// Options are what a run is told beside its settings.
type Options struct {
	Version string
	// Stderr takes the log.
	Stderr io.Writer
	// CountLoopback counts connections from loopback addresses against an address's share, as those from elsewhere. Tests set it.
	CountLoopback bool
	// Ready is called once, when every listener accepts; nil for nobody.
	Ready func(Addrs)
}

// Addrs are the listeners' final addresses, as host:port.
type Addrs struct {
	Webhook, GRPC, HTTP string
}

// Run opens the gateway, serves until the context ends or a part fails, and drains. It returns nil after an orderly end.
func Run(ctx context.Context, c *config.Config, o Options) (err error) {
	g := &gateway{config: c, options: o, share: turns.New(tune() / 2)}
	// What waits for a disk that is full or hangs is given up when the opening is interrupted, and after the drain.
	ending, end := context.WithCancel(context.Background())
	defer func() {
		g.closing.close()
		if err == nil && g.log != nil {
			err = g.endedBy()
		}
	}()
	defer end()
	g.ending = ending.Done()
	keepWaiting := context.AfterFunc(ctx, end)
	defer keepWaiting()
	for _, step := range []struct {
		name string
		open func() error
	}{
		{"log and metrics", g.openObserve},
		{"limits", g.openLimits},
		{"webhook secrets", g.openSecrets},
		{"store", g.openStore},
		{"export files", g.openExports},
		{"API", g.openAPI},
		{"HTTP port", g.openHTTP},
		{"webhook port", g.openWebhook},
	} {
		err = step.open()
		if errors.Is(err, event.ErrFull) && ctx.Err() != nil {
			g.logger.Info("shutting down", "reason", context.Cause(ctx))
			return nil
		}
		if err != nil {
			return fmt.Errorf("open the %s: %w", step.name, err)
		}
	}
	keepWaiting()
	return g.run(ctx, end)
}

// tune sets up Go's runtime for a gateway's work, where the environment doesn't say otherwise. It returns how many processors
// there are.
func tune() int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		return runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + syncProcs)
	}
	return runtime.GOMAXPROCS(0)
}

// A gateway is what Run opens, in the order of its steps.
type gateway struct {
	config  *config.Config
	options Options
	closing stack
	ending  <-chan struct{} // closed when nothing is worth waiting for any more

	logger        *slog.Logger
	metrics       *observe.Metrics
	limits        limits
	peers         listen.Peers
	secrets       *signature.Set
	hub           *fanout.Hub
	share         *turns.Share // half of the processors, for readers
	log           *pebblestore.Log
	subscriptions *pebblestore.Subscriptions
	streams       *stream.Streams
	quota         *juicebox.Quota
	exports       *pebblestore.Exports
	blobs         blob.Blobs
	fetcher       *export.Fetcher

	api      *rpc.Server
	rest     *http.Server
	webhook  *ingest.Server
	draining atomic.Bool

	webhookListener, grpcListener, httpListener *listen.Listener
}

// run serves until the context ends or a part fails; then it drains.
func (g *gateway) run(ctx context.Context, end func()) error {
	// The parts outlive the context, for draining needs them.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	parts, failed := errgroup.WithContext(work)
	for _, part := range []func() error{
		func() error { return g.hub.Run(work) },
		func() error { return g.quota.Run(work) },
		func() error { return g.fetcher.Run(work) },
		func() error { return g.secrets.Watch(work, g.logger) },
		func() error { return g.watchStore(work) },
		func() error { return g.watchHealth(work) },
		func() error { return g.api.Serve(g.grpcListener) },
		func() error { return ignoreClosed(g.rest.Serve(g.httpListener)) },
		func() error { return ignoreClosed(g.webhook.Serve(g.webhookListener)) },
	} {
		parts.Go(part)
	}
	g.announce()
	select {
	case <-ctx.Done():
		g.logger.Info("shutting down", "reason", context.Cause(ctx))
	case <-failed.Done():
		g.logger.Error("shutting down, for a part failed", "error", context.Cause(failed))
		if err := g.log.Err(); err != nil {
			g.streams.Fail(err) // before they are told that the gateway merely goes away
		}
	}
	g.drain()
	stop()
	end()
	return parts.Wait()
}

func (g *gateway) announce() {
	addrs := Addrs{Webhook: g.webhookListener.Addr().String(), GRPC: g.grpcListener.Addr().String(), HTTP: g.httpListener.Addr().String()}
	g.logger.Info("listening for webhooks", "listener", webhookListener, "addr", addrs.Webhook)
	g.logger.Info("serving gRPC", "listener", grpcListener, "addr", addrs.GRPC)
	g.logger.Info("serving HTTP", "listener", httpListener, "addr", addrs.HTTP)
	if g.options.Ready != nil {
		g.options.Ready(addrs)
	}
}

// watchStore ends with the store's error if it fails: whatever it answers after that can't be trusted.
func (g *gateway) watchStore(ctx context.Context) error {
	select {
	case <-g.log.Failed():
		return g.endedBy()
	case <-ctx.Done():
		return nil
	}
}

// endedBy is why the store failed; nil if it hasn't, or was given up on a full disk after the drain.
func (g *gateway) endedBy() error {
	if err := g.log.Err(); !errors.Is(err, event.ErrFull) {
		return err
	}
	return nil
}

// healthEvery is how often gRPC's health service is told what /readyz says.
const healthEvery = time.Second

// watchHealth keeps the health service true.
func (g *gateway) watchHealth(ctx context.Context) error {
	t := time.NewTicker(healthEvery)
	defer t.Stop()
	for {
		g.api.Ready(g.ready() == nil)
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// drain ends what is open from the outside in: first nothing new comes in, then the streams are told, then the transports
// close. Each step is bounded, for a peer that doesn't read can't be waited for.
func (g *gateway) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	g.draining.Store(true)
	g.api.NotServing()
	g.closeHTTP(ctx, webhookListener, g.webhook)
	g.streams.Drain(stream.GoingAway{RetryDelay: time.Second, Reason: "the gateway is shutting down"})
	var ports sync.WaitGroup
	ports.Go(func() { g.closeHTTP(ctx, httpListener, g.rest) })
	ports.Go(func() { g.closeGRPC(ctx) })
	ports.Wait()
	g.closeInProcess()
}

func (g *gateway) closeGRPC(ctx context.Context) {
	stopped := make(chan struct{})
	go func() {
		g.api.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		g.logger.Warn("some gRPC streams didn't end by themselves and were cut; their clients resume from their cursors")
		g.api.Stop()
		<-stopped
	}
}

// closeInProcess waits for the calls that HTTP requests made: each ends soon after its request, and needs the store until then.
func (g *gateway) closeInProcess() {
	ctx, cancel := context.WithTimeout(context.Background(), cutTimeout)
	defer cancel()
	if err := g.api.InProcess().Shutdown(ctx); err != nil {
		g.logger.Warn("some calls of HTTP requests go on although these were cut", "error", err)
	}
}

func (g *gateway) closeHTTP(ctx context.Context, listener string, s interface {
	Shutdown(context.Context) error
	Close() error
}) {
	if err := s.Shutdown(ctx); err != nil {
		g.logger.Warn("some requests didn't end by themselves and were cut", "listener", listener, "error", err)
		_ = s.Close() // nothing more can be done about an error here
	}
}

// ready says why the gateway should get no traffic; nil if it should.
func (g *gateway) ready() error {
	if g.draining.Load() {
		return errors.New("the gateway is shutting down")
	}
	if err := g.log.Err(); err != nil {
		return err
	}
	if problem := g.log.Stats().Problem; problem != "" {
		return errors.New(problem)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
