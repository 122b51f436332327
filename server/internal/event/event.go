// Package event holds the words that every other package speaks: a Draft before it is appended, a Stored event after, its
// Sequence and Cursor, the Segment in which encoded events travel from the log to subscribers, and the sentinel errors.
//
// It knows nothing of engines, HTTP or gRPC, and never does I/O.
package event

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// Sources of events.
const (
	SourceJuicebox = "juicebox"
	SourceStraw    = "straw"
)

// Types that Straw gives a typed payload.
const (
	TypeAnalysisCompleted = "analysis.completed"
	TypeDatasetUpdated    = "dataset.updated"
	TypeExportReady       = "export.ready"
	TypeQuotaWarning      = "quota.warning"
	TypeSearchAlert       = "search.alert"
	TypeExportStored      = "straw.export.stored"
	TypeExportFailed      = "straw.export.failed"
	// TypeUnrecognized stands for a type that can't be read from the webhook.
	TypeUnrecognized = "straw.unrecognized"
)

// Documented lists the types that Juicebox documents, in its order.
func Documented() []string {
	return []string{TypeAnalysisCompleted, TypeDatasetUpdated, TypeExportReady, TypeQuotaWarning, TypeSearchAlert}
}

// Known lists every type that this gateway knows: the documented ones and its own.
func Known() []string {
	return append(Documented(), TypeExportStored, TypeExportFailed, TypeUnrecognized)
}

// Limits on what is stored.
const (
	MaxBody    = 1 << 20 // bytes of a webhook's body
	MaxID      = 256     // bytes of an id
	MaxEncoded = 3 << 20 // bytes of an encoded event
)

// A Sequence is an event's place in the log: dense, from 1. Zero is the place before the first event.
type Sequence uint64

// A Draft is an event ready to be appended: converted and encoded, without a place in the log. Whoever appends it must not
// change its bytes afterwards.
type Draft struct {
	Source, ID, Type string
	ReceiveTime      time.Time
	Unrecognized     bool
	// Encoded is the straw.v1.Event without its cursor, and without raw unless it is Unrecognized.
	Encoded []byte
	// Raw is the body as received; nil when Encoded carries it, and for the gateway's own events.
	Raw []byte
	// BodyHash is the SHA-256 of the body; two events of one identity with different hashes are a conflict.
	BodyHash [32]byte
}

// A Stored event is one that the log holds. Its bytes are shared: never change them.
type Stored struct {
	Seq     Sequence
	Type    TypeNumber
	Encoded []byte // as in Draft
}

// Decode unpacks the event and sets its cursor.
func (s Stored) Decode(id Identity) (*strawv1.Event, error) {
	e := new(strawv1.Event)
	if err := proto.Unmarshal(s.Encoded, e); err != nil {
		return nil, fmt.Errorf("%w: event %d doesn't decode: %v", ErrCorrupt, s.Seq, err)
	}
	e.Cursor = id.Cursor(s.Seq)
	return e, nil
}

// TypeOf reads the type from an encoded event without decoding the rest; empty if there is none.
func TypeOf(encoded []byte) string {
	for len(encoded) > 0 {
		num, typ, n := protowire.ConsumeTag(encoded)
		if n < 0 {
			return ""
		}
		encoded = encoded[n:]
		if num == typeField && typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(encoded)
			return string(v)
		}
		if n = protowire.ConsumeFieldValue(num, typ, encoded); n < 0 {
			return ""
		}
		encoded = encoded[n:]
	}
	return ""
}
