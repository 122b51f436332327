package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/signature"
)

// secretFlags are the settings that signing and verifying need.
var secretFlags = []string{"webhook-secret", "webhook-secrets-file"}

func (p *program) webhook() *cobra.Command {
	c := &cobra.Command{Use: "webhook", Short: "Work with webhooks"}
	c.AddCommand(p.webhookRegister(), p.webhookVerify())
	return c
}

func (p *program) webhookVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify --header HEADER --body FILE",
		Short: "Say whether a webhook's signature verifies, and if not, why",
		Long: "Verifies a webhook as the gateway does, and tries what commonly goes wrong with bodies, headers and secrets to say\n" +
			"what did here. It ends with 0 if the signature verifies and with 1 if it doesn't.",
		Example: "  straw webhook verify --header 'x-juicebox-signature: 5bdc…' --body body.json",
		Args:    cobra.NoArgs,
	}
	var headers []string
	var body string
	output := outputFlag(c)
	c.Flags().StringArrayVar(&headers, "header", nil, "The signature `header`, with or without its name. Repeatable, as a header is.")
	c.Flags().StringVar(&body, "body", "", "The `file` with the body, byte for byte as it was received; - is stdin.")
	config.AddFlags(c.Flags(), secretFlags...)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if len(headers) == 0 || body == "" {
			return usage("--header and --body are both needed: the signature, and what was signed")
		}
		set, err := p.secretSet(c)
		if err != nil {
			return err
		}
		content, err := p.readFile(body)
		if err != nil {
			return err
		}
		for i := range headers {
			headers[i] = headerValue(headers[i])
		}
		return p.explain(set.Explain(headers, content), *output)
	}
	return c
}

func (p *program) explain(e signature.Explanation, output format) error {
	var err error
	if output == asText {
		_, err = fmt.Fprintln(p.stdout, e.Detail)
	} else {
		err = output.write(p.stdout, struct {
			Verified    bool            `json:"verified"`
			Fingerprint string          `json:"fingerprint,omitempty"`
			Cause       signature.Cause `json:"cause,omitempty"`
			Detail      string          `json:"detail"`
		}{e.Verified, e.Fingerprint, e.Cause, e.Detail})
	}
	if err == nil && !e.Verified {
		return errSaid
	}
	return err
}

// headerValue removes a header's name, as curl -v and logs print it.
func headerValue(header string) string {
	name, value, found := strings.Cut(header, ":")
	if found && strings.EqualFold(strings.TrimSpace(name), signature.Header) {
		return strings.TrimSpace(value)
	}
	return header
}

// secretSet opens the configured secrets.
func (p *program) secretSet(c *cobra.Command) (*signature.Set, error) {
	settings, err := p.secrets(c)
	if err != nil {
		return nil, err
	}
	return signature.Open(settings.WebhookSecrets.Reveal(), settings.WebhookSecretsFile, 0)
}

// maxFile bounds what is read as a webhook's body: more than the gateway takes, so that it can say so.
const maxFile = 8 << 20

// readFile reads a file, or stdin for -.
func (p *program) readFile(path string) ([]byte, error) {
	in := p.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New("it has more than 8 MiB; a webhook's body has at most 1 MiB")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return content, nil
}
