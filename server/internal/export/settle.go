package export

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// BlobName is under which name a generation's file is stored.
func BlobName(key store.ExportKey) blob.Name {
	h := sha256.New()
	h.Write([]byte(key.ID))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(key.Generation)))
	return blob.Name(h.Sum(nil))
}

// eventID is the id of the event that tells how a generation ended. It is the same whenever it is made, so that the log holds
// the event once.
func eventID(key store.ExportKey) string { return "straw-export-" + BlobName(key).String() }

func hexSum(info blob.Info) string { return hex.EncodeToString(info.SHA256[:]) }

// settle appends how a generation ended, and marks the generation. The record comes before the event, so that whoever is woken
// by the event can download; the mark comes after, so that a crash in between repeats the append, which the log takes once.
func (f *Fetcher) settle(ctx context.Context, x store.Export) error {
	d, err := draft(x, f.Now())
	if err != nil {
		return err
	}
	if _, err := f.Log.Append(ctx, d); err != nil {
		return err
	}
	_, err = f.Exports.Update(ctx, x.Key(), func(x *store.Export) error { x.Settled = true; return nil })
	return err
}

// draft makes the event.
func draft(x store.Export, now time.Time) (*event.Draft, error) {
	e := &strawv1.Event{Id: eventID(x.Key()), Source: event.SourceStraw, ReceiveTime: timestamppb.New(now)}
	r := x.Record
	if r.GetState() == strawv1.Export_AVAILABLE || r.GetState() == strawv1.Export_PURGED {
		e.Type = event.TypeExportStored
		e.Payload = &strawv1.Event_ExportStored{ExportStored: &strawv1.ExportStored{
			ExportId: r.GetId(), Generation: r.GetGeneration(), SourceEventId: x.EventID, SizeBytes: r.GetSizeBytes(),
			Sha256: r.GetSha256(), ContentType: r.GetContentType(), Format: r.GetFormat(),
		}}
	} else {
		e.Type = event.TypeExportFailed
		e.Payload = &strawv1.Event_ExportFailed{ExportFailed: &strawv1.ExportFailed{
			ExportId: r.GetId(), Generation: r.GetGeneration(), SourceEventId: x.EventID, Reason: r.GetLastError(),
		}}
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode what became of export %q: %w", r.GetId(), err)
	}
	// The id says all that tells two of them apart: only the time differs when it is made again, which is no conflict.
	return &event.Draft{
		Source: e.Source, ID: e.Id, Type: e.Type, ReceiveTime: now, Encoded: encoded, BodyHash: sha256.Sum256([]byte(e.Id)),
	}, nil
}
