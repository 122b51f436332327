package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/straw-gateway/straw/server/internal/app"
	"github.com/straw-gateway/straw/server/internal/config"
)

func (p *program) store() *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "Look after a store while no gateway runs on it"}
	c.AddCommand(p.storeAdopt())
	return c
}

func (p *program) storeAdopt() *cobra.Command {
	c := &cobra.Command{
		Use:   "adopt",
		Short: "Make the copy of a store a store of its own",
		Long: "Makes the copy of a store a store of its own: one that was copied, restored, or moved to another file system, which\n" +
			"`straw serve` refuses. It keeps all that it holds and becomes a new incarnation. Cursors of the original are good in it up to\n" +
			"its newest event, and lie ahead of it (CURSOR_AHEAD) beyond; ack ids that the original gave out mean nothing in it.\n" +
			"No gateway may be running on it.",
		Args: cobra.NoArgs,
	}
	config.AddFlags(c.Flags(), config.StoreSettings...)
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		settings, err := config.LoadStore(config.Input{Flags: c.Flags(), Environ: p.environ})
		if err != nil {
			return usageError{err}
		}
		a, err := app.AdoptStore(settings, app.Options{Version: p.build().Version, Stderr: p.stderr})
		if err != nil {
			return err
		}
		if *output != asText {
			return output.write(p.stdout, struct {
				Folder         string `json:"folder"`
				Store          string `json:"store"`
				OldIncarnation string `json:"oldIncarnation"`
				NewIncarnation string `json:"newIncarnation"`
				Head           uint64 `json:"head"`
			}{a.Folder, a.Store, a.Before, a.After, a.Head})
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "folder\t%s\nstore\t%s\nincarnation\t%s, which was %s\nhead\t%d\n", a.Folder, a.Store, a.After, a.Before, a.Head)
		return w.Flush()
	}
	return c
}
