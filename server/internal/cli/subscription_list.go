package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	straw "github.com/straw-gateway/straw/clients/go"
)

func (p *program) subscriptionList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the subscriptions, and how far behind they are", Args: cobra.NoArgs}
	client, output := addClientFlags(c), outputFlag(c)
	c.RunE = p.withClient(client, func(c *cobra.Command, conn *straw.Client, _ []string) error {
		t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		for s, err := range conn.EachSubscription(c.Context()) {
			if err != nil {
				return err
			}
			if *output != asText {
				if err := output.write(p.stdout, s); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(t, "%s\tbacklog %d\tin flight %d\t%s\t%s\t%s\n", s.GetId(), s.GetBacklog(), s.GetInFlight(),
				many(s.GetDeadLetterCount(), "dead letter"), many(int64(s.GetConsumerCount()), "consumer"), stateOf(s, time.Now()))
		}
		return t.Flush()
	})
	return c
}

// stateOf is what one wants to know at a glance.
func stateOf(s *straw.Subscription, now time.Time) string {
	switch {
	case s.GetPaused():
		return "paused"
	case s.OldestUnackedTime != nil:
		return "oldest " + span(now.Sub(s.GetOldestUnackedTime().AsTime()))
	}
	return "caught up"
}

// printSubscription writes a name and a value a line.
func printSubscription(w io.Writer, s *straw.Subscription, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("subscription", "%s, %s", s.GetId(), stateOf(s, now))
	if len(s.GetTypes()) > 0 {
		line("types", "%s", printable(strings.Join(s.GetTypes(), ", ")))
	}
	if s.GetFilter() != "" {
		line("filter", "%s", printable(s.GetFilter()))
	}
	line("backlog", "%d", s.GetBacklog())
	line("in flight", "%d, of at most %d", s.GetInFlight(), s.GetMaxInFlight())
	line("consumers", "%d", s.GetConsumerCount())
	line("dead letters", "%d", s.GetDeadLetterCount())
	if s.GetExpiredCount() > 0 {
		line("expired", "%d, which retention removed while they were owed", s.GetExpiredCount())
	}
	line("ack deadline", "%v", s.GetAckDeadline().AsDuration())
	attempts := "without limit"
	if s.GetMaxAttempts() > 0 {
		attempts = fmt.Sprint(s.GetMaxAttempts())
	}
	line("attempts", "%s, with %v to %v in between", attempts, s.GetRetryBackoff().GetMin().AsDuration(), s.GetRetryBackoff().GetMax().AsDuration())
	for _, key := range slices.Sorted(maps.Keys(s.GetLabels())) {
		line("label", "%s=%s", word(key), word(s.GetLabels()[key]))
	}
	line("cursor", "%s", s.GetCursor())
	line("created", "%s", s.GetCreateTime().AsTime().Format(time.RFC3339))
	line("changed", "%s, etag %s", s.GetUpdateTime().AsTime().Format(time.RFC3339), s.GetEtag())
	return t.Flush()
}
