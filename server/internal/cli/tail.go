package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	straw "github.com/straw-gateway/straw/clients/go"
)

// tailFlags say what to follow, and from where.
type tailFlags struct {
	types        []string
	filter       string
	at           *positionFlags
	end, raw     bool
	subscription string
	noAck        bool
}

func (p *program) tail() *cobra.Command {
	c := &cobra.Command{
		Use:   "tail",
		Short: "Follow the events as they come",
		Long: "Prints events as they come, and those that came before if told to with --from or --after. It reconnects when the\n" +
			"gateway restarts or the network fails, and misses nothing: what retention has removed is reported as a gap.\n" +
			"With --subscription it is a consumer of a durable subscription, beside any others, and acknowledges what it has printed.",
		Example: "  straw tail --from 1h --type 'export.*'\n" +
			"  straw tail --filter 'has(event.quota_warning) && event.quota_warning.usage_percent >= 90.0'\n" +
			"  straw tail --end -o jsonl > events.jsonl\n" +
			"  straw tail --subscription billing",
		Args: cobra.NoArgs,
	}
	f, client, output := &tailFlags{}, addClientFlags(c), outputFlag(c)
	flags := c.Flags()
	flags.StringArrayVar(&f.types, "type", nil, "Only events of this `type`: export.ready, export.*, *. Repeatable.")
	flags.StringVar(&f.filter, "filter", "", "Only events for which this `CEL` expression over `event` is true.")
	f.at = addPositionFlags(c, "(default latest, with --end earliest)")
	flags.BoolVar(&f.end, "end", false, "End after what exists now.")
	flags.BoolVar(&f.raw, "raw", false, "With the webhooks' bodies; in -o json and jsonl as base64.")
	flags.StringVar(&f.subscription, "subscription", "", "Consume the durable subscription with this `id`.")
	flags.BoolVar(&f.noAck, "no-ack", false, fmt.Sprintf("With --subscription: acknowledge nothing, and give back at the end what was printed, at most %d events.", maxKept))
	_ = c.RegisterFlagCompletionFunc("type", completeTypes)                           // fails only for a missing flag
	_ = c.RegisterFlagCompletionFunc("subscription", p.completeSubscriptions(client)) // likewise
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.checkSubscription(c); err != nil {
			return err
		}
		opts, err := f.options(c, time.Now())
		if err != nil {
			return err
		}
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		if f.subscription != "" {
			return p.unreachable(client, p.consume(c.Context(), conn, f, *output))
		}
		cursor, err := p.follow(c.Context(), conn, opts, *output)
		if errors.Is(err, errInterrupted) && cursor != "" && p.terminal.stderr {
			fmt.Fprintf(p.stderr, "\nTo go on from here: %s tail --after %s\n", p.self(), cursor)
		}
		return p.unreachable(client, err)
	}
	return c
}

func completeTypes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{
		straw.TypeAnalysisCompleted, straw.TypeDatasetUpdated, straw.TypeExportReady, straw.TypeQuotaWarning, straw.TypeSearchAlert,
	}, cobra.ShellCompDirectiveNoFileComp
}

func (f *tailFlags) options(c *cobra.Command, now time.Time) (straw.SubscribeOptions, error) {
	opts := straw.SubscribeOptions{Types: f.types, Filter: f.filter, EndAtHead: f.end, IncludeRaw: f.raw, OnGap: straw.ContinueOnGap}
	at, told, err := f.at.read(c, now)
	if !told && f.end {
		at = position{earliest: true} // what comes after the latest event isn't there yet
	}
	opts.Start = at.ofStream()
	return opts, err
}

// follow prints events until the stream or the context ends. A gateway that was never there is an error; one that goes away
// is waited for. It returns how far it came.
func (p *program) follow(ctx context.Context, client *straw.Client, opts straw.SubscribeOptions, output format) (cursor string, err error) {
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	opts.Hooks = p.followHooks(give, opts.Hooks)
	out := bufio.NewWriter(p.stdout)
	paint := p.painter(p.terminal.stdout)
	for frame, err := range client.Frames(ctx, opts) {
		if err != nil {
			return cursor, err
		}
		if frame.Gap != nil {
			fmt.Fprintf(p.stderr, "straw: gap: retention had removed what came after cursor %s before it was read; going on from the oldest event\n", frame.GetGap().GetRequested())
		}
		for _, d := range frame.GetDeliveries() {
			if err := paint.writeEvent(out, d.GetEvent(), output); err != nil {
				return cursor, err
			}
		}
		if err := out.Flush(); err != nil {
			return cursor, err
		}
		cursor = frame.GetCursor()
	}
	return cursor, nil
}

func (p painter) writeEvent(out *bufio.Writer, e *straw.Event, output format) error {
	if output == asText {
		return p.printEvent(out, e)
	}
	return output.write(out, e)
}

// followHooks reports on stderr what happens to the connection, and gives up if there never is one.
func (p *program) followHooks(give context.CancelCauseFunc, hooks straw.Hooks) straw.Hooks {
	var connected, lost bool
	return straw.Hooks{
		Connected: func(first *straw.Frame) {
			if lost {
				fmt.Fprintln(p.stderr, "straw: connected again")
			} else if hooks.Connected != nil {
				hooks.Connected(first)
			}
			connected, lost = true, false
		},
		Disconnected: func(err error, retryIn time.Duration) {
			if !connected {
				give(err)
				return
			}
			lost = true
			fmt.Fprintf(p.stderr, "straw: connection lost: %v; trying again in %v\n", err, retryIn.Round(10*time.Millisecond))
		},
	}
}
