package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/straw-gateway/straw/server/internal/app"
	"github.com/straw-gateway/straw/server/internal/config"
)

func (p *program) serve() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: "Runs the gateway until SIGINT or SIGTERM, and then drains it: streams are told to reconnect elsewhere, and what was\n" +
			"answered is durable. The log goes to stderr; each listener's address is in it, with the keys `listener` and `addr`.",
		Args: cobra.NoArgs,
	}
	config.AddFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		outlivePipes()
		log := p.stderr
		p.stderr = newPatient(log)
		settings, err := p.settings(config.Input{Flags: c.Flags()})
		if err != nil {
			return err
		}
		return app.Run(c.Context(), settings, app.Options{Version: p.build().Version, Stderr: log})
	}
	return c
}

// settings loads the gateway's settings and prints what is probably a mistake in them.
func (p *program) settings(in config.Input) (*config.Config, error) {
	in.Environ = p.environ
	c, err := config.Load(in)
	if err != nil {
		return nil, usageError{err}
	}
	var warnings strings.Builder
	for _, w := range c.Warnings() {
		fmt.Fprintf(&warnings, "straw: warning: %s\n", w)
	}
	if warnings.Len() > 0 {
		_, _ = io.WriteString(p.stderr, warnings.String()) // who can't be warned is served all the same
	}
	return c, nil
}

// secrets loads the webhook secrets alone.
func (p *program) secrets(c *cobra.Command) (*config.Config, error) {
	settings, err := config.LoadSecrets(config.Input{Flags: c.Flags(), Environ: p.environ})
	if err != nil {
		return nil, usageError{err}
	}
	return settings, nil
}
