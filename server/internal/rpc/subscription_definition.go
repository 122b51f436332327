package rpc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// Defaults and bounds of a subscription.
const (
	defaultAckDeadline = 30 * time.Second
	minAckDeadline     = time.Second
	maxAckDeadline     = time.Hour
	defaultMaxInFlight = 1000
	maxMaxInFlight     = 100_000 // what is in flight takes memory
	defaultMaxAttempts = 10
	defaultMinBackoff  = 100 * time.Millisecond
	defaultMaxBackoff  = 60 * time.Second
	minBackoff         = time.Millisecond
	maxBackoff         = time.Hour
	maxLabel           = 256 // bytes of a key or a value
)

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return invalidField("subscription.id", "%q is no id of a subscription: it begins with a small letter and has up to 62 more, digits and hyphens", id)
	}
	return nil
}

// definitionOf is a request's subscription with every default filled in, nothing that is output-only, and nothing that this
// gateway doesn't know: a definition is kept for good.
func definitionOf(in *strawv1.Subscription) *strawv1.Subscription {
	d := &strawv1.Subscription{
		Id: in.GetId(), Types: in.GetTypes(), AllowUnseenTypes: in.GetAllowUnseenTypes(), Filter: in.GetFilter(), Start: in.GetStart(),
		AckDeadline: or(in.GetAckDeadline(), defaultAckDeadline), MaxInFlight: in.GetMaxInFlight(), MaxAttempts: in.MaxAttempts,
		RetryBackoff: &strawv1.Backoff{
			Min: or(in.GetRetryBackoff().GetMin(), defaultMinBackoff),
			Max: or(in.GetRetryBackoff().GetMax(), defaultMaxBackoff),
		},
		Ordering: strawv1.Ordering_UNORDERED, Paused: in.GetPaused(), Labels: in.GetLabels(),
	}
	if fixed, ok := d.GetStart().(*strawv1.Subscription_StartPosition); d.GetStart() == nil || ok && fixed.StartPosition == 0 {
		d.Start = &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_LATEST}
	}
	if t, ok := d.GetStart().(*strawv1.Subscription_StartTime); ok {
		d.Start = &strawv1.Subscription_StartTime{StartTime: &timestamppb.Timestamp{Seconds: t.StartTime.GetSeconds(), Nanos: t.StartTime.GetNanos()}}
	}
	if d.MaxInFlight == 0 {
		d.MaxInFlight = defaultMaxInFlight
	}
	if d.MaxAttempts == nil {
		d.MaxAttempts = proto.Int32(defaultMaxAttempts)
	}
	return proto.Clone(d).(*strawv1.Subscription)
}

// or is a duration as its values say it, or its default if it is absent or zero.
func or(d *durationpb.Duration, otherwise time.Duration) *durationpb.Duration {
	if d == nil || d.GetSeconds() == 0 && d.GetNanos() == 0 {
		return durationpb.New(otherwise)
	}
	return &durationpb.Duration{Seconds: d.GetSeconds(), Nanos: d.GetNanos()}
}

// checkDefinition holds a definition to its bounds, beyond those that stand in the API.
func checkDefinition(d *strawv1.Subscription) error {
	if err := checkDuration("subscription.ack_deadline", d.GetAckDeadline(), minAckDeadline, maxAckDeadline); err != nil {
		return err
	}
	if err := checkDuration("subscription.retry_backoff.min", d.GetRetryBackoff().GetMin(), minBackoff, maxBackoff); err != nil {
		return err
	}
	if err := checkDuration("subscription.retry_backoff.max", d.GetRetryBackoff().GetMax(), d.GetRetryBackoff().GetMin().AsDuration(), maxBackoff); err != nil {
		return err
	}
	if n := d.GetMaxInFlight(); n > maxMaxInFlight {
		return invalidField("subscription.max_in_flight", "%d is more than %d; add consumers, or acknowledge sooner", n, maxMaxInFlight)
	}
	for k, v := range d.GetLabels() {
		if k == "" || len(k) > maxLabel || len(v) > maxLabel {
			return invalidField("subscription.labels", "the label %.300q is empty, or it or its value has more than %d bytes", k, maxLabel)
		}
	}
	return nil
}

func checkDuration(field string, d *durationpb.Duration, least, most time.Duration) error {
	if err := d.CheckValid(); err != nil {
		return invalidField(field, "%v", err)
	}
	if v := d.AsDuration(); v < least || v > most {
		return invalidField(field, "%v is outside of %v to %v", v, least, most)
	}
	return nil
}

// differences names the fields in which two definitions differ, comma-separated.
func differences(a, b *strawv1.Subscription) string {
	var fields []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"types", slices.Equal(canonical(a.GetTypes()), canonical(b.GetTypes()))},
		{"allow_unseen_types", a.GetAllowUnseenTypes() == b.GetAllowUnseenTypes()},
		{"filter", a.GetFilter() == b.GetFilter()},
		{"start", sameStart(a, b)},
		{"ack_deadline", proto.Equal(a.GetAckDeadline(), b.GetAckDeadline())},
		{"max_in_flight", a.GetMaxInFlight() == b.GetMaxInFlight()},
		{"max_attempts", a.GetMaxAttempts() == b.GetMaxAttempts()},
		{"retry_backoff", proto.Equal(a.GetRetryBackoff(), b.GetRetryBackoff())},
		{"ordering", a.GetOrdering() == b.GetOrdering()},
		{"paused", a.GetPaused() == b.GetPaused()},
		{"labels", proto.Equal(&strawv1.Subscription{Labels: a.GetLabels()}, &strawv1.Subscription{Labels: b.GetLabels()})},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return strings.Join(fields, ",")
}

func sameStart(a, b *strawv1.Subscription) bool {
	return proto.Equal(&strawv1.Subscription{Start: a.GetStart()}, &strawv1.Subscription{Start: b.GetStart()})
}

// canonical is a list of patterns in one order and without repeats.
func canonical(patterns []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(patterns)))
}

func fieldChanged(fields, name string) bool { return slices.Contains(strings.Split(fields, ","), name) }

// mutable sets the fields that an update may name.
var mutable = map[string]func(d, from *strawv1.Subscription){
	"types":              func(d, from *strawv1.Subscription) { d.Types = from.GetTypes() },
	"allow_unseen_types": func(d, from *strawv1.Subscription) { d.AllowUnseenTypes = from.GetAllowUnseenTypes() },
	"filter":             func(d, from *strawv1.Subscription) { d.Filter = from.GetFilter() },
	"ack_deadline":       func(d, from *strawv1.Subscription) { d.AckDeadline = from.GetAckDeadline() },
	"max_in_flight":      func(d, from *strawv1.Subscription) { d.MaxInFlight = from.GetMaxInFlight() },
	"max_attempts":       func(d, from *strawv1.Subscription) { d.MaxAttempts = from.MaxAttempts },
	"retry_backoff":      func(d, from *strawv1.Subscription) { d.RetryBackoff = definitionOf(from).GetRetryBackoff() },
	"retry_backoff.min":  func(d, from *strawv1.Subscription) { d.RetryBackoff.Min = from.GetRetryBackoff().GetMin() },
	"retry_backoff.max":  func(d, from *strawv1.Subscription) { d.RetryBackoff.Max = from.GetRetryBackoff().GetMax() },
	"ordering":           func(d, from *strawv1.Subscription) { d.Ordering = from.GetOrdering() },
	"paused":             func(d, from *strawv1.Subscription) { d.Paused = from.GetPaused() },
	"labels":             func(d, from *strawv1.Subscription) { d.Labels = from.GetLabels() },
}

// fixed are the fields that can't be changed. An update may repeat them, as one does that sends back what it has read.
var fixed = []string{"id", "start", "after", "start_time", "start_position"}

// ignored are the fields that only answers have.
var ignored = []string{
	"create_time", "update_time", "etag", "backlog", "in_flight", "dead_letter_count", "expired_count", "oldest_unacked_time",
	"consumer_count", "cursor",
}

// applyMask returns a definition with the named fields of an update; what is absent there gets its default.
func applyMask(was, from *strawv1.Subscription, paths []string) (*strawv1.Subscription, error) {
	d := proto.Clone(was).(*strawv1.Subscription)
	for _, path := range paths {
		set, ok := mutable[path]
		switch {
		case ok:
			set(d, from)
		case path == "*":
			id, start := d.Id, d.Start
			d = definitionOf(from)
			d.Id, d.Start = id, start
		case slices.Contains(ignored, path):
		case slices.Contains(fixed, path):
			if path != "id" && !sameStart(definitionOf(from), was) {
				return nil, invalidField("update_mask", "the start of a subscription can't be changed; SeekSubscription moves it")
			}
		default:
			return nil, invalidField("update_mask", "a subscription has no field %q; name %s", path, strings.Join(sortedMutable(), ", "))
		}
	}
	return definitionOf(d), nil
}

func sortedMutable() []string {
	var names []string
	for name := range mutable {
		names = append(names, fmt.Sprintf("`%s`", name))
	}
	slices.Sort(names)
	return names
}
