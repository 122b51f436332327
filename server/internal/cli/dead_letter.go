package cli

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func (p *program) deadLetter() *cobra.Command {
	c := &cobra.Command{
		Use:   "dead-letter",
		Short: "See, redeliver and purge events that failed too often",
		Long: "An event that failed as often as its subscription allows, or that a consumer gave up, is a dead letter: it is kept, with\n" +
			"the reason, until it is redelivered or purged.",
	}
	c.AddCommand(p.deadLetterList(), p.deadLetterChange("redeliver", "Owe dead letters to the subscription's consumers again",
		"redelivered", func(ctx context.Context, stub strawv1.SubscriptionServiceClient, w which) (countAnswer, error) {
			return stub.RedeliverDeadLetters(ctx, &strawv1.RedeliverDeadLettersRequest{SubscriptionId: w.subscription, EventIds: w.events, All: w.all, DryRun: w.dry})
		}), p.deadLetterChange("purge", "Delete dead letters for good",
		"purged", func(ctx context.Context, stub strawv1.SubscriptionServiceClient, w which) (countAnswer, error) {
			return stub.PurgeDeadLetters(ctx, &strawv1.PurgeDeadLettersRequest{SubscriptionId: w.subscription, EventIds: w.events, All: w.all, DryRun: w.dry})
		}))
	return c
}

func (p *program) deadLetterList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list SUBSCRIPTION",
		Short: "List a subscription's dead letters, with what failed",
		Args:  cobra.ExactArgs(1),
	}
	client, output := addClientFlags(c), outputFlag(c)
	var limit int
	c.Flags().IntVar(&limit, "limit", 100, "List at most so many; 0 lists all.")
	c.ValidArgsFunction = p.completeSubscriptions(client)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, args []string) error {
		out := bufio.NewWriter(p.stdout)
		paint := p.painter(p.terminal.stdout)
		n := 0
		for letter, err := range conn.EachDeadLetter(c.Context(), args[0]) {
			if err != nil {
				return err
			}
			if err := paint.writeLetter(out, letter, *output); err != nil {
				return err
			}
			if n++; n == limit {
				break
			}
		}
		return out.Flush()
	})
	return c
}

// writeLetter writes a dead letter; as text on one line: when it died, its event's type and id, how often it was sent and why
// that failed.
func (p painter) writeLetter(out *bufio.Writer, l *straw.DeadLetter, output format) error {
	if output != asText {
		return output.write(out, l)
	}
	_, err := fmt.Fprintf(out, "%s  %s  %s  %s  %s\n",
		p.paint(dim, l.GetDeadLetterTime().AsTime().Format(timeLayout)), p.paint(cyan, fmt.Sprintf("%-18s", word(l.GetEvent().GetType()))),
		p.paint(bold, word(l.GetEvent().GetId())), many(int64(l.GetAttempts()), "attempt"), printable(l.GetReason()))
	return err
}

// which are the dead letters that a command is about.
type which struct {
	subscription string
	events       []string
	all, dry     bool
}

// A countAnswer says how many they were.
type countAnswer interface {
	proto.Message
	GetCount() int64
}

// deadLetterChange is a command that does something with dead letters that are named, or with all.
func (p *program) deadLetterChange(name, short, done string, call func(context.Context, strawv1.SubscriptionServiceClient, which) (countAnswer, error)) *cobra.Command {
	c := &cobra.Command{
		Use:     name + " SUBSCRIPTION (EVENT... | --all)",
		Short:   short,
		Example: fmt.Sprintf("  straw dead-letter %[1]s billing evt_1 evt_2\n  straw dead-letter %[1]s billing --all --dry-run", name),
		Args:    cobra.MinimumNArgs(1),
	}
	client, output := addClientFlags(c), outputFlag(c)
	var w which
	c.Flags().BoolVar(&w.all, "all", false, "All of them.")
	c.Flags().BoolVar(&w.dry, "dry-run", false, "Only say how many it would be.")
	c.ValidArgsFunction = p.completeSubscriptions(client)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, args []string) error {
		w.subscription, w.events = args[0], args[1:]
		if w.all == (len(w.events) > 0) {
			return usage("name the events, or all of them with --all, and not both")
		}
		answer, err := call(c.Context(), conn.Subscriptions(), w)
		if err != nil {
			return err
		}
		if *output != asText {
			return output.write(p.stdout, answer)
		}
		_, err = fmt.Fprintf(p.stdout, "%s %s\n", many(answer.GetCount(), "dead letter"), would(w.dry, done, "be "+done))
		return err
	})
	return c
}
