package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	straw "github.com/straw-gateway/straw/clients/go"
	"github.com/straw-gateway/straw/server/internal/app"
	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
)

func (p *program) dev() *cobra.Command {
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run a gateway on this machine to try things with",
		Long: "Runs a gateway on loopback with a secret of its own and a store that is removed at the end (--store keeps one), shows\n" +
			"how to reach it, sends one signed sample of each event type through the real webhook endpoint, and follows the events. The\n" +
			"export that a sample announces is served, and fetched, on this machine.",
		Args: cobra.NoArgs,
	}
	config.AddFlags(c.Flags())
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		outlivePipes()
		log := unheard{p.stderr}
		p.stdout, p.stderr = unheard{p.stdout}, newPatient(log)
		d := &devRun{program: p, output: *output, log: log}
		folder, err := os.MkdirTemp("", "straw-dev-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }() // it is in the system's folder for such
		d.folder = folder
		d.settings, err = p.settings(config.Input{Flags: c.Flags(), Defaults: d.defaults(), AnySecret: true})
		if err != nil {
			return err
		}
		if d.settings.Source("blobs") == config.FromDefault {
			d.settings.Blobs = config.Blobs{Dir: filepath.Join(d.settings.Store.Dir, "exports")} // kept as long as the events
		}
		if d.files, err = startFiles(); err != nil {
			return err
		}
		defer d.files.close()
		d.settings.ExportAllowHosts = append(d.settings.ExportAllowHosts, d.files.host())
		return d.run(c.Context())
	}
	return c
}

// A devRun is a gateway and who tries it, in one process.
type devRun struct {
	*program
	output   format
	log      io.Writer // stderr, for the gateway
	settings *config.Config
	folder   string // removed at the end
	secret   string // made for this run; in force unless the settings have another
	addrs    app.Addrs
	files    *fileServer // has the sample's export
}

// defaults differ from the gateway's where those are meant for the internet or for good.
func (d *devRun) defaults() map[string]string {
	d.secret = "dev_" + rand.Text()
	level := "info"
	if d.terminal.stderr {
		level = "warn" // what info says is shown anyway
	}
	return map[string]string{
		"webhook-addr":   "127.0.0.1:8080",
		"webhook-secret": d.secret,
		"store":          "pebble:" + filepath.Join(d.folder, "store"),
		"log-level":      level,
	}
}

// run ends when the gateway, the samples or the tail fail, or with the context.
func (d *devRun) run(ctx context.Context) error {
	parts, ctx := errgroup.WithContext(ctx)
	ready := make(chan app.Addrs, 1)
	parts.Go(func() error {
		err := app.Run(ctx, d.settings, app.Options{Version: d.build().Version, Stderr: d.log, Ready: func(a app.Addrs) { ready <- a }})
		if err == nil {
			err = context.Cause(ctx)
		}
		return err
	})
	parts.Go(func() error {
		select {
		case d.addrs = <-ready:
			return d.try(ctx, parts)
		case <-ctx.Done():
			return nil
		}
	})
	return parts.Wait()
}

// try shows the gateway, and sends the samples once the tail is there to see them.
func (d *devRun) try(ctx context.Context, parts *errgroup.Group) error {
	if d.output == asText {
		d.welcome(d.stdout, d.painter(d.terminal.stdout))
	} else {
		d.welcome(d.stderr, d.painter(d.terminal.stderr))
	}
	client, err := straw.Dial(reachable(d.addrs.GRPC))
	if err != nil {
		return err
	}
	defer client.Close()
	opts := straw.SubscribeOptions{OnGap: straw.ContinueOnGap}
	opts.Hooks.Connected = func(*straw.Frame) { parts.Go(func() error { return d.sendSamples(ctx) }) }
	_, err = d.follow(ctx, client, opts, d.output)
	return err
}

func (d *devRun) sendSamples(ctx context.Context) error {
	for _, eventType := range event.Documented() {
		body, err := d.sample(eventType)
		if err != nil {
			return err
		}
		a, err := postWebhook(ctx, d.webhookEndpoint(), d.settings.WebhookSecrets[0].Reveal(), body)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case a.Status != http.StatusOK:
			return fmt.Errorf("the gateway answered the sample of %s with %d: %s", eventType, a.Status, a.Body)
		}
	}
	return nil
}

// sample is a webhook of a type. The export that it announces is one that can be fetched.
func (d *devRun) sample(eventType string) ([]byte, error) {
	id := convert.SampleID()
	body, _ := convert.Sample(eventType, id, time.Now())
	if eventType != event.TypeExportReady {
		return body, nil
	}
	return applyEdits(body, []edit{{path: []string{"data", "download_url"}, value: jsonString(d.files.link(id, "csv"))}})
}

func (d *devRun) webhookEndpoint() string {
	return "http://" + reachable(d.addrs.Webhook) + "/webhooks/juicebox"
}

// reachable replaces an address that stands for all of a machine's by one to connect to.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
