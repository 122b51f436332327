package app

import (
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/hostname"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/juicebox"
	"github.com/straw-gateway/straw/server/internal/listen"
	"github.com/straw-gateway/straw/server/internal/observe"
	"github.com/straw-gateway/straw/server/internal/rest"
	"github.com/straw-gateway/straw/server/internal/rpc"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
)

func (g *gateway) openObserve() error {
	format := string(g.config.LogFormat)
	out := observe.NewLogWriter(g.options.Stderr, format)
	g.closing.push(out)
	g.logger = observe.NewLogger(out, g.config.LogLevel, format)
	g.metrics = observe.NewMetrics()
	g.metrics.ObserveLogLines(out.Lost)
	return nil
}

func (g *gateway) openSecrets() (err error) {
	g.secrets, err = signature.Open(g.config.WebhookSecrets.Reveal(), g.config.WebhookSecretsFile, g.config.MinSecret())
	return err
}

func (g *gateway) openStore() error {
	g.hub = fanout.New(0)
	retention, err := g.retention()
	if err != nil {
		return err
	}
	g.log, err = pebblestore.Open(g.config.Store.Dir, pebblestore.Options{
		Tail: g.hub, Observer: g.metrics, Logger: g.logger, Retention: retention, Ending: g.ending,
		MaxOpenFiles: g.limits.tables,
	})
	if err != nil {
		return err
	}
	g.closing.push(g.log)
	g.hub.Open(g.log.Identity(), g.log.Types(), g.log.Bounds().Head)
	if g.subscriptions, err = pebblestore.OpenSubscriptions(g.log, pebblestore.SubscriptionOptions{Hub: g.hub, Share: g.share}); err != nil {
		return err
	}
	g.closing.push(g.subscriptions)
	g.streams = stream.New(g.log, g.hub, g.share, g.metrics)
	g.quota = juicebox.NewQuota(g.log, g.hub)
	g.metrics.ObserveLog(g.log, g.hub)
	g.metrics.ObserveSubscriptions(g.subscriptions.Stats)
	g.metrics.ObserveQuota(g.quota.Latest)
	return nil
}

// retention turns shares of the disk into bytes.
func (g *gateway) retention() (pebblestore.Retention, error) {
	c := g.config
	r := pebblestore.Retention{Age: c.RetentionAge, HardAge: c.RetentionHardAge, Bytes: c.RetentionBytes.Bytes, HardBytes: c.RetentionHardBytes.Bytes}
	if c.RetentionBytes.Percent == 0 && c.RetentionHardBytes.Percent == 0 {
		return r, nil
	}
	if err := vfs.Default.MkdirAll(c.Store.Dir, 0o700); err != nil {
		return r, err
	}
	disk, err := vfs.Default.GetDiskUsage(c.Store.Dir)
	if err != nil {
		return r, fmt.Errorf("find the size of the disk under %s: %w", c.Store.Dir, err)
	}
	r.Bytes, r.HardBytes = c.RetentionBytes.Of(int64(disk.TotalBytes)), c.RetentionHardBytes.Of(int64(disk.TotalBytes))
	return r, nil
}

// openAPI opens the API, and the port that gRPC is on.
func (g *gateway) openAPI() (err error) {
	registerHosts, err := hostname.NewSet(g.config.RegisterHosts...)
	if err != nil {
		return err
	}
	g.api = rpc.NewServer(rpc.Options{
		Log: g.log, Engine: "pebble", Hub: g.hub, Streams: g.streams, Subscriptions: g.subscriptions, Secrets: g.secrets, Quota: g.quota,
		Exports: g.exports, Blobs: g.blobs, Fetcher: g.fetcher,
		Juicebox: juicebox.NewClient(juicebox.Options{
			URL: g.config.JuiceboxAPIURL, Key: g.config.JuiceboxAPIKey.Reveal(), Latest: g.quota.Latest, Logger: g.logger,
		}),
		RegisterHosts: registerHosts, Version: g.options.Version, Logger: g.logger, Share: g.share,
	})
	g.grpcListener, err = g.listen(grpcListener, "grpc-addr", g.config.GRPCAddr, g.limits.grpc, false)
	return err
}

func (g *gateway) openHTTP() error {
	hosts, err := g.httpHosts()
	if err != nil {
		return err
	}
	handler, err := rest.New(rest.Options{
		Conn: g.api.InProcess(), Exports: g.api, Metrics: g.metrics.Handler(), Ready: g.ready, Hosts: hosts, Logger: g.logger, Share: g.share,
	})
	if err != nil {
		return err
	}
	g.rest = rest.NewServer(handler)
	g.rest.ErrorLog = slog.NewLogLogger(g.logger.Handler(), slog.LevelWarn)
	listen.Attach(g.rest)
	g.httpListener, err = g.listen(httpListener, "http-addr", g.config.HTTPAddr, g.limits.http, true)
	return err
}

// httpHosts are the names that the HTTP port answers to: those that are set, and the one that it listens under.
func (g *gateway) httpHosts() (hostname.Set, error) {
	hosts := g.config.HTTPHosts
	if own, _, err := net.SplitHostPort(g.config.HTTPAddr); err == nil && own != "" && !hostname.IsAddress(own) {
		hosts = append(slices.Clone(hosts), own)
	}
	return hostname.NewSet(hosts...)
}

func (g *gateway) openWebhook() (err error) {
	g.webhook = ingest.NewServer(ingest.Options{Secrets: g.secrets, Log: g.log, Observer: g.metrics, Logger: g.logger, Peers: g.peers, Share: g.share})
	g.webhookListener, err = g.listen(webhookListener, "webhook-addr", g.config.WebhookAddr, g.limits.webhook, true)
	return err
}
