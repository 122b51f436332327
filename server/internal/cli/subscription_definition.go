package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// definitionFlags say what a subscription is.
type definitionFlags struct {
	types                  []string
	allowUnseenTypes       bool
	filter                 string
	ackDeadline            time.Duration
	maxInFlight            int32
	maxAttempts            int32
	minBackoff, maxBackoff time.Duration
	labels                 []string
}

func addDefinitionFlags(c *cobra.Command) *definitionFlags {
	f, flags := &definitionFlags{}, c.Flags()
	flags.StringArrayVar(&f.types, "type", nil, "Only events of this `type`: export.ready, export.*, *. Repeatable.")
	flags.BoolVar(&f.allowUnseenTypes, "allow-unseen-types", false, "Accept types that look like a misspelled known one.")
	flags.StringVar(&f.filter, "filter", "", "Only events for which this `CEL` expression over `event` is true.")
	flags.DurationVar(&f.ackDeadline, "ack-deadline", 0, "How long a consumer has for an event before it is sent again, 1s to 1h. (default 30s)")
	flags.Int32Var(&f.maxInFlight, "max-in-flight", 0, "How many events may be with consumers at once; 1 is strict order. (default 1000)")
	flags.Int32Var(&f.maxAttempts, "max-attempts", 0, "The failure with this number makes an event a dead letter; 0 is never. (default 10)")
	flags.DurationVar(&f.minBackoff, "min-backoff", 0, "How long an event waits after its first failure. (default 100ms)")
	flags.DurationVar(&f.maxBackoff, "max-backoff", 0, "How long an event waits at most; the wait doubles with each failure. (default 1m)")
	flags.StringArrayVar(&f.labels, "label", nil, "A label of yours, as `KEY=VALUE`. Repeatable; together they replace those that were there.")
	_ = c.RegisterFlagCompletionFunc("type", completeTypes) // fails only for a missing flag
	return f
}

// read returns the definition that the flags make, and the fields that they name.
func (f *definitionFlags) read(c *cobra.Command) (s *straw.Subscription, changed []string, err error) {
	s = &straw.Subscription{RetryBackoff: &strawv1.Backoff{}}
	for _, field := range []struct {
		flag, path string
		set        func()
	}{
		{"type", "types", func() { s.Types = f.types }},
		{"allow-unseen-types", "allow_unseen_types", func() { s.AllowUnseenTypes = f.allowUnseenTypes }},
		{"filter", "filter", func() { s.Filter = f.filter }},
		{"ack-deadline", "ack_deadline", func() { s.AckDeadline = durationpb.New(f.ackDeadline) }},
		{"max-in-flight", "max_in_flight", func() { s.MaxInFlight = f.maxInFlight }},
		{"max-attempts", "max_attempts", func() { s.MaxAttempts = &f.maxAttempts }},
		{"min-backoff", "retry_backoff.min", func() { s.RetryBackoff.Min = durationpb.New(f.minBackoff) }},
		{"max-backoff", "retry_backoff.max", func() { s.RetryBackoff.Max = durationpb.New(f.maxBackoff) }},
		{"label", "labels", func() { s.Labels, err = parseLabels(f.labels) }},
	} {
		if c.Flags().Changed(field.flag) {
			field.set()
			changed = append(changed, field.path)
		}
	}
	return s, changed, err
}

func parseLabels(texts []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, text := range texts {
		key, value, found := strings.Cut(text, "=")
		if !found || key == "" {
			return nil, usage("--label %q isn't KEY=VALUE, such as team=billing", text)
		}
		labels[key] = value
	}
	return labels, nil
}
