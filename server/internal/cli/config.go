package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/straw-gateway/straw/server/internal/app"
	"github.com/straw-gateway/straw/server/internal/config"
)

func (p *program) config() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check or show the gateway's settings"}
	c.AddCommand(p.configCheck(), p.configShow())
	return c
}

func (p *program) configCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Say whether `straw serve` would accept the settings",
		Long:  "Reads flags, environment and config file as `straw serve` would, and says what is wrong with them, all at once.",
		Args:  cobra.NoArgs,
	}
	output := outputFlag(c)
	config.AddFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		settings, err := p.settings(config.Input{Flags: c.Flags()})
		if err != nil && *output == asText {
			return err
		}
		if *output == asText {
			return p.showGood(settings)
		}
		result := struct {
			OK       bool      `json:"ok"`
			Problems []string  `json:"problems,omitempty"`
			Warnings []string  `json:"warnings,omitempty"`
			Disk     *diskRoom `json:"disk,omitempty"`
		}{OK: err == nil}
		if err != nil {
			result.Problems = strings.Split(err.Error(), "\n")
		} else {
			result.Warnings = settings.Warnings()
			if room, err := app.RoomFor(settings); err == nil {
				result.Disk = &diskRoom{room.Total, room.Free, room.Floor}
			}
		}
		if writeErr := output.write(p.stdout, result); writeErr != nil {
			return writeErr
		}
		if err != nil {
			return usageError{errSaid}
		}
		return nil
	}
	return c
}

// diskRoom is the store's disk as JSON; webhooks are refused below the floor.
type diskRoom struct {
	Total uint64 `json:"totalBytes"`
	Free  uint64 `json:"freeBytes"`
	Floor uint64 `json:"floorBytes"`
}

// showGood says that the settings are good, and what they mean on this disk.
func (p *program) showGood(settings *config.Config) error {
	if _, err := fmt.Fprintln(p.stdout, "The settings are good."); err != nil {
		return err
	}
	room, err := app.RoomFor(settings)
	if err != nil { // which says nothing against the settings
		fmt.Fprintf(p.stderr, "straw: warning: %v\n", err)
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "On the store's disk %s.\n", room)
	return err
}

func (p *program) configShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the settings in force, and where each came from",
		Long:  "Shows what `straw serve` would run with. Secrets show as fingerprints.",
		Args:  cobra.NoArgs,
	}
	output := outputFlag(c)
	config.AddFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		settings, err := p.settings(config.Input{Flags: c.Flags()})
		if err != nil {
			return err
		}
		switch *output {
		case asText:
			return p.showSettings(settings.Settings())
		case asJSON:
			return output.write(p.stdout, settingsOf(settings))
		}
		for _, s := range settingsOf(settings) {
			if err := output.write(p.stdout, s); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// setting is a setting as JSON. Values is empty for one that is not set.
type setting struct {
	Name   string        `json:"name"`
	Values []string      `json:"values"`
	Source config.Source `json:"source"`
}

func settingsOf(c *config.Config) (all []setting) {
	for _, s := range c.Settings() {
		values := s.Values
		if values == nil {
			values = []string{}
		}
		all = append(all, setting{s.Name, values, s.Source})
	}
	return all
}

func (p *program) showSettings(settings []config.Setting) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tFROM")
	for _, s := range settings {
		value := strings.Join(s.Values, ", ")
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, value, s.Source)
	}
	return w.Flush()
}
