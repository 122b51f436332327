package rpc_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// ballast gives a message so many bytes in a field that it doesn't have.
func ballast[M proto.Message](m M, n int) M {
	b := protowire.AppendTag(nil, 1000, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(b, bytes.Repeat([]byte{'x'}, n)))
	return m
}

// TestADefinitionKeepsOnlyWhatIsKnown: definitions are kept for good, and in memory.
func TestADefinitionKeepsOnlyWhatIsKnown(t *testing.T) {
	const heavy = 200_000
	d := newDurable(t, setup{})
	d.append("export.ready", nil)
	heavyOne := func() *strawv1.Subscription {
		return ballast(&strawv1.Subscription{
			Id: "billing", AckDeadline: ballast(durationpb.New(time.Minute), heavy), Labels: map[string]string{"team": "data"},
			Start: &strawv1.Subscription_StartTime{StartTime: ballast(timestamppb.New(time.Now().Add(-time.Hour)), heavy)},
			RetryBackoff: ballast(&strawv1.Backoff{
				Min: ballast(durationpb.New(time.Second), heavy), Max: ballast(durationpb.New(time.Minute), heavy),
			}, heavy),
		}, 1000)
	}
	inProcess := strawv1.NewSubscriptionServiceClient(d.server.InProcess())
	for name, stub := range map[string]strawv1.SubscriptionServiceClient{"over the network": d.stub, "in process": inProcess} {
		t.Run(name, func(t *testing.T) {
			light := func(when string) {
				t.Helper()
				s, err := inProcess.GetSubscription(t.Context(), &strawv1.GetSubscriptionRequest{Id: "billing"})
				if err != nil {
					t.Fatal(err)
				}
				if n := proto.Size(s); n > 1000 || s.GetAckDeadline().AsDuration() != time.Minute || s.GetStartTime() == nil ||
					s.GetRetryBackoff().GetMin().AsDuration() != time.Second || s.GetLabels()["team"] != "data" {
					t.Errorf("%s it has %d bytes: %.300v", when, n, s)
				}
			}
			if _, err := stub.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: heavyOne()}); err != nil {
				t.Fatal(err)
			}
			light("created,")
			for _, path := range []string{"ack_deadline", "retry_backoff", "retry_backoff.min", "retry_backoff.max", "*"} {
				heavier := heavyOne()
				heavier.Paused = path == "*" // so that something changes
				req := &strawv1.UpdateSubscriptionRequest{Subscription: heavier, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}}}
				if _, err := stub.UpdateSubscription(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				light("updated by " + path)
			}
			if _, err := stub.DeleteSubscription(t.Context(), &strawv1.DeleteSubscriptionRequest{Id: "billing"}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestListSubscriptionsBoundsAPagesBytes: definitions may be long.
func TestListSubscriptionsBoundsAPagesBytes(t *testing.T) {
	const made, most = 60, 2 << 20
	d := newDurable(t, setup{})
	labels := map[string]string{}
	for i := range 64 {
		labels[fmt.Sprintf("%0256d", i)] = strings.Repeat("v", 256)
	}
	types := make([]string, 100)
	for i := range types {
		types[i] = fmt.Sprintf("a%0254d", i)
	}
	for i := range made {
		d.create(&strawv1.Subscription{Id: fmt.Sprintf("s%03d", i), Labels: labels, Types: types, AllowUnseenTypes: true})
	}
	seen, pages, token := 0, 0, ""
	for {
		resp, err := d.stub.ListSubscriptions(t.Context(), &strawv1.ListSubscriptionsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		if n := proto.Size(resp); n > most+100_000 {
			t.Errorf("a page has %d bytes", n)
		}
		for _, s := range resp.GetSubscriptions() {
			if want := fmt.Sprintf("s%03d", seen); s.GetId() != want {
				t.Fatalf("got %s, want %s", s.GetId(), want)
			}
			seen++
		}
		pages++
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != made || pages < 2 {
		t.Errorf("%d of %d subscriptions on %d pages", seen, made, pages)
	}
}
