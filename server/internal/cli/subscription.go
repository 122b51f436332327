package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func (p *program) subscription() *cobra.Command {
	c := &cobra.Command{
		Use:   "subscription",
		Short: "Create, see, change, move and delete durable subscriptions",
		Long: "A durable subscription is a position that the gateway keeps. Any number of programs share its events, and each event\n" +
			"is sent until it is acknowledged or, after too many failures, put among the dead letters (`straw dead-letter`).\n" +
			"`straw tail --subscription ID` consumes one.",
	}
	c.AddCommand(p.subscriptionCreate(), p.subscriptionGet(), p.subscriptionList(), p.subscriptionUpdate(), p.subscriptionDelete(),
		p.subscriptionSeek(), p.subscriptionPause("pause", "Send nothing more until it is resumed; acknowledgements are taken", true),
		p.subscriptionPause("resume", "Send again after a pause", false))
	return c
}

// withClient makes a command's run one with a client, and explains a gateway that isn't there.
func (p *program) withClient(client *clientFlags, do func(c *cobra.Command, conn *straw.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		return p.unreachable(client, do(c, conn, args))
	}
}

// showSubscription writes one in full.
func (p *program) showSubscription(s *straw.Subscription, output format) error {
	if output != asText {
		return output.write(p.stdout, s)
	}
	return printSubscription(p.stdout, s, time.Now())
}

func (p *program) subscriptionCreate() *cobra.Command {
	c := &cobra.Command{
		Use:   "create ID",
		Short: "Create a subscription",
		Long: "Creates a durable subscription, and shows it. To create one again that is there with the same definition is no error;\n" +
			"another definition is one.",
		Example: "  straw subscription create billing --type analysis.completed --from earliest\n" +
			"  straw subscription create alerts --filter 'has(event.quota_warning)' --ack-deadline 5m --max-attempts 3",
		Args: cobra.ExactArgs(1),
	}
	client, output, at, definition := addClientFlags(c), outputFlag(c), addPositionFlags(c, "(default latest)"), addDefinitionFlags(c)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, args []string) error {
		s, _, err := definition.read(c)
		if err != nil {
			return err
		}
		start, _, err := at.read(c, time.Now())
		if err != nil {
			return err
		}
		s.Id = args[0]
		start.setStart(s)
		created, err := conn.Subscriptions().CreateSubscription(c.Context(), &strawv1.CreateSubscriptionRequest{Subscription: s})
		if err != nil {
			return err
		}
		return p.showSubscription(created, *output)
	})
	return c
}

// subscriptionCall is a command that makes a call about one subscription and shows it.
func (p *program) subscriptionCall(c *cobra.Command, call func(context.Context, strawv1.SubscriptionServiceClient, string) (*straw.Subscription, error)) *cobra.Command {
	c.Args = cobra.ExactArgs(1)
	client, output := addClientFlags(c), outputFlag(c)
	c.ValidArgsFunction = p.completeSubscriptions(client)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, args []string) error {
		s, err := call(c.Context(), conn.Subscriptions(), args[0])
		if err != nil {
			return err
		}
		return p.showSubscription(s, *output)
	})
	return c
}

func (p *program) subscriptionGet() *cobra.Command {
	return p.subscriptionCall(&cobra.Command{Use: "get ID", Short: "Show a subscription, and how far behind it is"},
		func(ctx context.Context, stub strawv1.SubscriptionServiceClient, id string) (*straw.Subscription, error) {
			return stub.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: id})
		})
}

func (p *program) subscriptionPause(name, short string, paused bool) *cobra.Command {
	return p.subscriptionCall(&cobra.Command{Use: name + " ID", Short: short},
		func(ctx context.Context, stub strawv1.SubscriptionServiceClient, id string) (*straw.Subscription, error) {
			return stub.UpdateSubscription(ctx, &strawv1.UpdateSubscriptionRequest{
				Subscription: &straw.Subscription{Id: id, Paused: paused}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"paused"}},
			})
		})
}

func (p *program) subscriptionUpdate() *cobra.Command {
	c := &cobra.Command{
		Use:   "update ID",
		Short: "Change what the flags name, and nothing else",
		Long: "Changes a subscription, and shows it. Other types or another filter hold for what was not sent yet. Where it began can't\n" +
			"be changed; `straw subscription seek` moves it.",
		Example: "  straw subscription update billing --max-attempts 3 --filter ''",
	}
	definition := addDefinitionFlags(c)
	var etag string
	c.Flags().StringVar(&etag, "etag", "", "Change it only if it still has this `etag`, which `get` shows.")
	return p.subscriptionCall(c, func(ctx context.Context, stub strawv1.SubscriptionServiceClient, id string) (*straw.Subscription, error) {
		s, changed, err := definition.read(c)
		if err != nil {
			return nil, err
		}
		if len(changed) == 0 {
			return nil, usage("nothing is to be changed: name it with a flag, such as --filter or --ack-deadline")
		}
		s.Id, s.Etag = id, etag
		return stub.UpdateSubscription(ctx, &strawv1.UpdateSubscriptionRequest{Subscription: s, UpdateMask: &fieldmaskpb.FieldMask{Paths: changed}})
	})
}

func (p *program) subscriptionDelete() *cobra.Command {
	c := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a subscription with its dead letters, and end its consumers",
		Args:  cobra.ExactArgs(1),
	}
	client, output := addClientFlags(c), outputFlag(c)
	c.ValidArgsFunction = p.completeSubscriptions(client)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, args []string) error {
		if _, err := conn.Subscriptions().DeleteSubscription(c.Context(), &strawv1.DeleteSubscriptionRequest{Id: args[0]}); err != nil {
			return err
		}
		if *output != asText {
			return output.write(p.stdout, struct {
				ID      string `json:"id"`
				Deleted bool   `json:"deleted"`
			}{args[0], true})
		}
		_, err := fmt.Fprintf(p.stdout, "%s is deleted\n", args[0])
		return err
	})
	return c
}

func (p *program) subscriptionSeek() *cobra.Command {
	c := &cobra.Command{
		Use:   "seek ID (--from POSITION | --after CURSOR)",
		Short: "Move a subscription: owe every event after a position again, and none before",
		Long: "Moves a subscription, back to have events again, acknowledged and dead-lettered ones too, or ahead to skip them. Its\n" +
			"consumers stay connected. With --dry-run it only says how many events it would owe.",
		Example: "  straw subscription seek billing --from 2h --dry-run\n  straw subscription seek billing --from earliest",
		Args:    cobra.ExactArgs(1),
	}
	client, output, at := addClientFlags(c), outputFlag(c), addPositionFlags(c, "One of the two is needed.")
	var dry bool
	c.Flags().BoolVar(&dry, "dry-run", false, "Only say how many events it would owe.")
	c.ValidArgsFunction = p.completeSubscriptions(client)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, args []string) error {
		to, told, err := at.read(c, time.Now())
		if err != nil {
			return err
		}
		if !told {
			return usage("where to? Name a position with --from, such as earliest, latest or 2h, or a cursor with --after")
		}
		req := &strawv1.SeekSubscriptionRequest{SubscriptionId: args[0], DryRun: dry}
		to.setSeek(req)
		resp, err := conn.Subscriptions().SeekSubscription(c.Context(), req)
		if err != nil {
			return err
		}
		if *output != asText {
			return output.write(p.stdout, resp)
		}
		about := ""
		if resp.GetEstimated() {
			about = "about "
		}
		_, err = fmt.Fprintf(p.stdout, "%s %s %s%s\n", args[0], would(dry, "owes", "owe"), about, many(resp.GetOwedCount(), "event"))
		return err
	})
	return c
}

// would is a verb as it is, or as what a dry run tells of.
func would(dry bool, does, do string) string {
	if dry {
		return "would " + do
	}
	return does
}

// many is a number of things.
func many(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// completeSubscriptions completes the first argument by asking the gateway.
func (p *program) completeSubscriptions(client *clientFlags) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		conn, err := p.dial(client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second) // somebody waits at a prompt
		defer cancel()
		for s, err := range conn.EachSubscription(ctx) {
			if err != nil {
				return ids, cobra.ShellCompDirectiveError
			}
			ids = append(ids, s.GetId())
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
