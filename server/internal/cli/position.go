package cli

import (
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/config"
)

// A position in the log, as a command line names it.
type position struct {
	after    *string    // a cursor
	time     *time.Time // of receipt
	earliest bool       // without any of them it is the latest
}

// positionFlags add --after and --from.
type positionFlags struct{ after, from string }

func addPositionFlags(c *cobra.Command, otherwise string) *positionFlags {
	f := &positionFlags{}
	c.Flags().StringVar(&f.after, "after", "", "Begin after the event of this `cursor`.")
	c.Flags().StringVar(&f.from, "from", "", "Begin at `earliest|latest|TIME`; a time is RFC 3339 or ago, such as 90m or 2d. "+otherwise)
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"earliest", "latest"}, cobra.ShellCompDirectiveNoFileComp)) // fails only for a missing flag
	return f
}

// read returns the position; told is whether the command line names one.
func (f *positionFlags) read(c *cobra.Command, now time.Time) (at position, told bool, err error) {
	hasAfter := c.Flags().Changed("after")
	switch {
	case hasAfter && f.from != "":
		return at, true, usage("--after and --from exclude each other")
	case hasAfter:
		return position{after: &f.after}, true, nil
	}
	at, err = parseFrom(f.from, now)
	return at, f.from != "", err
}

func parseFrom(text string, now time.Time) (position, error) {
	switch text {
	case "earliest":
		return position{earliest: true}, nil
	case "latest", "":
		return position{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return position{time: &t}, nil
	}
	if ago, err := config.ParseDuration(text); err == nil && ago > 0 {
		t := now.Add(-ago)
		return position{time: &t}, nil
	}
	return position{}, usage("--from %q is neither earliest, latest, a time such as %s, nor how long ago, such as 90m or 2d", text, now.UTC().Format(time.RFC3339))
}

func (at position) fixed() strawv1.StartPosition {
	if at.earliest {
		return strawv1.StartPosition_EARLIEST
	}
	return strawv1.StartPosition_LATEST
}

// ofStream is the position as where a stream begins.
func (at position) ofStream() straw.Start {
	switch {
	case at.after != nil:
		return straw.After(*at.after)
	case at.time != nil:
		return straw.At(*at.time)
	case at.earliest:
		return straw.Earliest()
	}
	return straw.Latest()
}

// setStart makes it where a new subscription begins.
func (at position) setStart(s *straw.Subscription) {
	switch {
	case at.after != nil:
		s.Start = &strawv1.Subscription_After{After: *at.after}
	case at.time != nil:
		s.Start = &strawv1.Subscription_StartTime{StartTime: timestamppb.New(*at.time)}
	default:
		s.Start = &strawv1.Subscription_StartPosition{StartPosition: at.fixed()}
	}
}

// setSeek makes it where a subscription is moved to.
func (at position) setSeek(r *strawv1.SeekSubscriptionRequest) {
	switch {
	case at.after != nil:
		r.Start = &strawv1.SeekSubscriptionRequest_After{After: *at.after}
	case at.time != nil:
		r.Start = &strawv1.SeekSubscriptionRequest_StartTime{StartTime: timestamppb.New(*at.time)}
	default:
		r.Start = &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: at.fixed()}
	}
}
