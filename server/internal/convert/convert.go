// Package convert turns the body of an authentic webhook into an event ready to be appended. It is pure: the same body,
// time and trace context give the same bytes. It never fails and never drops anything: what it can't type becomes
// Unrecognized, with a reason for people and the whole body inside.
//
// It reads strictly, so that no two readers of a body can disagree about what it says: valid UTF-8, no member twice,
// nothing after the object, nested at most 64 deep, names compared exactly.
package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// A Request is what else the gateway knows of the webhook.
type Request struct {
	// ReceiveTime is when the body was there.
	ReceiveTime time.Time
	// Traceparent is the request's header of that name, or empty. One that isn't valid is left out.
	Traceparent string
}

// hashPrefix begins the ids that are made from a body's hash.
const hashPrefix = "sha256-"

// Convert makes an event of a body of at most event.MaxBody bytes. The draft's Raw is the body itself, not a copy, unless the
// event is Unrecognized; nothing else of the draft refers to it.
func Convert(body []byte, r Request) *event.Draft {
	d := &event.Draft{
		Source:      event.SourceJuicebox,
		ReceiveTime: r.ReceiveTime,
		BodyHash:    sha256.Sum256(body),
	}
	e := &strawv1.Event{
		Source:      event.SourceJuicebox,
		ReceiveTime: timestamppb.New(r.ReceiveTime),
		Traceparent: validTraceparent(r.Traceparent),
	}
	if u := fill(e, body); u != nil { // from here on e aliases the body
		d.Unrecognized = true
		e.Raw, e.Payload = body, &strawv1.Event_Unrecognized{Unrecognized: u}
	} else {
		d.Raw = body
	}
	if e.Id == "" {
		e.Id = hashPrefix + hex.EncodeToString(d.BodyHash[:])
	}
	if e.Type == "" {
		e.Type = event.TypeUnrecognized
	}
	d.ID, d.Type, d.Encoded = strings.Clone(e.Id), strings.Clone(e.Type), encode(e)
	return d
}

func encode(e *strawv1.Event) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil { // only invalid UTF-8 could be the cause, and the parser has refused it
		panic(fmt.Sprintf("convert: event %q can't be encoded: %v", e.Id, err))
	}
	return b
}

// fill sets what the body says. It returns why the event has no typed form, or nil; it leaves the id and the type empty if
// the gateway must give its own.
func fill(e *strawv1.Event, body []byte) *strawv1.Unrecognized {
	var w webhook
	if problem := w.parse(body); problem != "" {
		return unrecognized(strawv1.Unrecognized_MALFORMED_JSON, problem)
	}
	if t, ok := w.createTime(); ok {
		e.CreateTime = timestamppb.New(t)
	}
	id, idProblem := w.name(fieldID)
	typ, typeProblem := w.name(fieldType)
	switch {
	case strings.HasPrefix(typ, "straw."):
		return unrecognized(strawv1.Unrecognized_RESERVED,
			fmt.Sprintf("The webhook claims the type %q; types that begin with straw. are the gateway's own.", clip(typ)))
	case typeProblem == "":
		e.Type = typ
	}
	switch {
	case strings.HasPrefix(id, "straw-"), strings.HasPrefix(id, hashPrefix):
		return unrecognized(strawv1.Unrecognized_RESERVED,
			fmt.Sprintf("The webhook claims the id %q; ids that begin with straw- or sha256- are the gateway's own.", clip(id)))
	case idProblem != "":
		return unrecognized(strawv1.Unrecognized_MISSING_ID, idProblem)
	}
	e.Id = id
	if typeProblem != "" {
		return unrecognized(strawv1.Unrecognized_UNKNOWN_TYPE, typeProblem)
	}
	return setPayload(e, &w)
}

func unrecognized(reason strawv1.Unrecognized_Reason, detail string) *strawv1.Unrecognized {
	return &strawv1.Unrecognized{Reason: reason, Detail: detail}
}

// clip bounds what a sentence quotes.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
