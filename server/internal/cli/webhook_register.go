package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func (p *program) webhookRegister() *cobra.Command {
	c := &cobra.Command{
		Use:   "register --url URL",
		Short: "Register the gateway's webhook endpoint with Juicebox",
		Long: "Has the gateway register a public URL of its webhook endpoint with Juicebox, signed with its first webhook secret. The\n" +
			"gateway needs an API key for that (--juicebox-api-key, JUICEBOX_API_KEY), and must have been told of the URL's host\n" +
			"(--allow-register-host), for whoever is registered gets the webhooks. While Juicebox's quota is used up, it waits.",
		Example: "  straw webhook register --url https://hooks.example.com/webhooks/juicebox --type export.ready",
		Args:    cobra.NoArgs,
	}
	var url string
	var types []string
	client, output := addClientFlags(c), outputFlag(c)
	c.Flags().StringVar(&url, "url", "", "The `URL` that Juicebox is to post to; https.")
	c.Flags().StringArrayVar(&types, "type", nil, "An event `type` to be sent; all that are documented by default. Repeatable.")
	_ = c.RegisterFlagCompletionFunc("type", completeTypes) // fails only for a missing flag
	c.RunE = func(c *cobra.Command, _ []string) error {
		if url == "" {
			return usage("--url is needed: where on the internet the gateway's --webhook-addr is reached, with the path /webhooks/juicebox")
		}
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		registered, err := conn.Gateway().RegisterWebhook(c.Context(), &strawv1.RegisterWebhookRequest{Url: url, Types: types})
		if err != nil {
			return p.unreachable(client, err)
		}
		if *output != asText {
			return output.write(p.stdout, registered)
		}
		_, err = fmt.Fprintf(p.stdout, "registered %s %s for %s, signed with the secret %s\n",
			word(registered.GetId()), word(registered.GetUrl()), strings.Join(registered.GetTypes(), ", "), registered.GetSecretFingerprint())
		return err
	}
	return c
}
