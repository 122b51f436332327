package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/signature"
)

// defaultWebhookURL is where a gateway on this machine takes webhooks unless told otherwise.
const defaultWebhookURL = "http://127.0.0.1:8080/webhooks/juicebox"

// triggerTimeout is more than the gateway takes to say that it can't store a webhook now.
const triggerTimeout = 15 * time.Second

// triggerFlags say what to post, and where.
type triggerFlags struct {
	sets          []string
	file, id, url string
}

func (p *program) trigger() *cobra.Command {
	c := &cobra.Command{
		Use:   "trigger TYPE",
		Short: "Sign and post a webhook, as Juicebox would",
		Long: "Makes a realistic webhook of a type, signs it with the first webhook secret, posts it, and prints the answer. It ends\n" +
			"with 0 if the gateway stored it, or had it already.",
		Example: "  straw trigger analysis.completed --set data.result_count=0\n" +
			"  straw trigger export.ready --set data.format=json --id evt_42\n" +
			"  straw trigger quota.warning --file body.json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeTypes,
	}
	f, output := &triggerFlags{}, outputFlag(c)
	c.Flags().StringArrayVar(&f.sets, "set", nil, "Set a member of the body: `PATH=VALUE`, such as data.plan_tier=growth. JSON is taken as JSON, anything else as a string. Repeatable.")
	c.Flags().StringVar(&f.file, "file", "", "Post the body in this `file` instead of a sample; - is stdin. It is sent byte for byte unless its type differs or --set or --id change it.")
	c.Flags().StringVar(&f.id, "id", "", "The webhook's `id`; a fresh one by default.")
	c.Flags().StringVar(&f.url, "url", "", "Where to post it. (STRAW_WEBHOOK_URL; default "+defaultWebhookURL+")")
	config.AddFlags(c.Flags(), secretFlags...)
	c.RunE = func(c *cobra.Command, args []string) error {
		set, err := p.secretSet(c)
		if err != nil {
			return err
		}
		body, err := p.webhookBody(args[0], f)
		if err != nil {
			return err
		}
		secret, _ := set.First()
		a, err := postWebhook(c.Context(), p.webhookURL(f.url), secret, body)
		if err != nil {
			return err
		}
		return p.printAnswer(a, set, *output)
	}
	return c
}

func (p *program) webhookURL(given string) string {
	for _, url := range []string{given, p.getenv("STRAW_WEBHOOK_URL")} {
		if url != "" {
			return url
		}
	}
	return defaultWebhookURL
}

// webhookBody makes the body: a sample or the file's, changed as the flags say.
func (p *program) webhookBody(eventType string, f *triggerFlags) ([]byte, error) {
	if f.file == "" {
		return sampleBody(eventType, f)
	}
	body, err := p.readFile(f.file)
	if err != nil {
		return nil, err
	}
	edits, err := parseEdits(f.sets)
	if err != nil {
		return nil, err
	}
	if f.id != "" {
		edits = append([]edit{{path: []string{"id"}, value: jsonString(f.id)}}, edits...)
	}
	if stringMember(body, "type") != eventType && jsontext.Value(body).IsValid() {
		edits = append([]edit{{path: []string{"type"}, value: jsonString(eventType)}}, edits...)
	}
	return applyEdits(body, edits)
}

// sampleBody is a sample of a documented type, or an envelope of another one.
func sampleBody(eventType string, f *triggerFlags) ([]byte, error) {
	edits, err := parseEdits(f.sets)
	if err != nil {
		return nil, err
	}
	id := f.id
	if id == "" {
		id = convert.SampleID()
	}
	body, known := convert.Sample(eventType, id, time.Now())
	if !known {
		if !slices.ContainsFunc(edits, func(e edit) bool { return e.path[0] == "data" }) {
			return nil, usage("%q is none of the types that Juicebox documents (%s), so there is no sample of it; give its data with --set data.NAME=VALUE or its body with --file",
				eventType, strings.Join(event.Documented(), ", "))
		}
		body = fmt.Appendf(nil, `{"id":%s,"type":%s,"created_at":%q,"data":{}}`, jsonString(id), jsonString(eventType), time.Now().UTC().Format(time.RFC3339))
	}
	return applyEdits(body, edits)
}

// An answer is what the gateway said to a webhook.
type answer struct {
	ID     string         `json:"id,omitempty"`
	Type   string         `json:"type,omitempty"`
	Status int            `json:"status"`
	Body   jsontext.Value `json:"body,omitempty"`
	url    string
	retry  string // Retry-After, in seconds
}

func postWebhook(ctx context.Context, url, secret string, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, triggerTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, usageError{err}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signature.Header, signature.Sign([]byte(secret), body))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w; does a gateway listen there? `straw dev` starts one", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	a := &answer{ID: stringMember(body, "id"), Type: stringMember(body, "type"), Status: response.StatusCode, url: url, retry: response.Header.Get("Retry-After")}
	if a.Body = jsontext.Value(bytes.TrimSpace(said)); !a.Body.IsValid() {
		a.Body = jsonString(string(a.Body))
	}
	return a, nil
}

// printAnswer prints what the gateway said; anything but 200 is a failure, with what to do about it.
func (p *program) printAnswer(a *answer, set *signature.Set, output format) error {
	var err error
	if output == asText {
		_, err = fmt.Fprintf(p.stdout, "%d  %s  %s  %s\n", a.Status, word(a.Type), word(a.ID), a.Body)
	} else {
		err = output.write(p.stdout, a)
	}
	switch {
	case err != nil || a.Status == http.StatusOK:
		return err
	case a.Status == http.StatusUnauthorized:
		return fmt.Errorf("the gateway doesn't have the secret that this was signed with (fingerprint %s); `straw status` shows the fingerprints of its own",
			set.Status()[0].Fingerprint)
	case a.Status == http.StatusServiceUnavailable:
		return fmt.Errorf("the gateway can't store webhooks now and asks to try again in %s s; `straw status` may say why", a.retry)
	case a.Status == http.StatusNotFound:
		return fmt.Errorf("%s is not a webhook endpoint; that is the gateway's --webhook-addr with the path /webhooks/juicebox", a.url)
	}
	return errors.New("the gateway did not take the webhook")
}
