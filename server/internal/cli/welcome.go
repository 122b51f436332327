package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	straw "github.com/straw-gateway/straw/clients/go"
	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/signature"
)

// welcome shows where the gateway is, and lines to paste into another terminal.
func (d *devRun) welcome(to io.Writer, paint painter) {
	w := &strings.Builder{}
	fmt.Fprintf(w, "%s is ready. Press Ctrl-C to end it.\n\n", paint.paint(bold, "Straw "+d.build().Version))
	for _, l := range d.places() {
		fmt.Fprintf(w, "  %s %s\n", paint.paint(dim, fmt.Sprintf("%-9s", l[0])), l[1])
	}
	fmt.Fprintf(w, "\nTry in another terminal:\n\n")
	for _, line := range d.lines() {
		fmt.Fprintf(w, "  %s\n", paint.paint(cyan, line))
	}
	fmt.Fprintf(w, "\nA sample of each event type, sent to the webhook endpoint, and then whatever comes:\n\n")
	_, _ = io.WriteString(to, w.String()) // at once, or each line of it would be waited for
}

func (d *devRun) places() [][2]string {
	http := "http://" + reachable(d.addrs.HTTP)
	secret := d.settings.WebhookSecrets[0].String() + ", from your settings"
	if d.isDefault("webhook-secret") {
		secret = d.secret
	}
	store := d.settings.Store.Dir
	if d.isDefault("store") {
		store += " (removed at the end; --store pebble:DIR keeps one)"
	}
	return [][2]string{
		{"webhooks", d.webhookEndpoint()},
		{"gRPC", reachable(d.addrs.GRPC)},
		{"REST", http + "/v1/events"},
		{"SSE", http + "/v1/events:subscribe"},
		{"exports", http + "/v1/exports"},
		{"docs", http + "/docs"},
		{"OpenAPI", http + "/openapi.json"},
		{"health", http + "/readyz"},
		{"metrics", http + "/metrics"},
		{"secret", secret},
		{"store", store},
	}
}

func (d *devRun) isDefault(setting string) bool {
	return d.settings.Source(setting) == config.FromDefault
}

// lines are commands that work as they stand.
func (d *devRun) lines() []string {
	self, grpc, http := d.self(), reachable(d.addrs.GRPC), "http://"+reachable(d.addrs.HTTP)
	tail := self + " tail --from earliest"
	trigger := self + " trigger export.ready --set data.format=json --set " + quote("data.download_url="+d.files.link("another", "json"))
	if grpc != straw.DefaultTarget {
		tail += " --addr " + grpc
	}
	if d.webhookEndpoint() != defaultWebhookURL {
		trigger += " --url " + d.webhookEndpoint()
	}
	if d.isDefault("webhook-secret") {
		trigger += " --webhook-secret " + d.secret
	}
	body, _ := convert.Sample(event.TypeQuotaWarning, convert.SampleID(), time.Now())
	signed := signature.Sign([]byte(d.settings.WebhookSecrets[0].Reveal()), body)
	return []string{
		tail,
		trigger,
		fmt.Sprintf(`grpcurl -plaintext -d '{"start_position": "EARLIEST"}' %s straw.v1.EventService/Subscribe`, grpc),
		fmt.Sprintf("curl %s/v1/events", http),
		fmt.Sprintf("curl -N -H 'Accept: text/event-stream' '%s/v1/events:subscribe?start_position=EARLIEST'", http),
		fmt.Sprintf("curl -H 'x-juicebox-signature: %s' -d %s %s", signed, quote(string(body)), d.webhookEndpoint()),
	}
}
