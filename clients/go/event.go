package straw

import strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"

// What an event says; see Payload.
type (
	// AnalysisCompleted says that a people-search analysis finished.
	AnalysisCompleted = strawv1.AnalysisCompleted
	// DatasetUpdated says that a dataset has new records.
	DatasetUpdated = strawv1.DatasetUpdated
	// ExportReady says that an export can be downloaded from Juicebox, for one hour.
	ExportReady = strawv1.ExportReady
	// QuotaWarning says that the account nears, or has reached, its quota.
	QuotaWarning = strawv1.QuotaWarning
	// SearchAlert says that a saved search matched new candidates.
	SearchAlert = strawv1.SearchAlert
	// ExportStored says that the gateway holds an export, whether or not Juicebox's link still lives.
	ExportStored = strawv1.ExportStored
	// ExportFailed says that the gateway couldn't fetch an export and has given up.
	ExportFailed = strawv1.ExportFailed
	// Unrecognized is an authentic webhook that has no typed form; its body is in Event.Raw.
	Unrecognized = strawv1.Unrecognized
)

// The stream's messages.
type (
	// Event is one thing that happened.
	Event = strawv1.Event
	// Frame is one message of the stream: events, how far the log was read, and what is left of it.
	Frame = strawv1.SubscribeResponse
	// Gap is a stretch of the log that retention removed before it was read.
	Gap = strawv1.Gap
)

// What the calls about durable subscriptions take and return.
type (
	// Subscription is a durable position in the log, shared by its consumers.
	Subscription = strawv1.Subscription
	// DeadLetter is an event that failed too often, or that its consumer gave up.
	DeadLetter = strawv1.DeadLetter
)

// The types of event that this version of the client knows. Types are an open set: compare, but don't rely on the list.
const (
	TypeAnalysisCompleted = "analysis.completed"
	TypeDatasetUpdated    = "dataset.updated"
	TypeExportReady       = "export.ready"
	TypeQuotaWarning      = "quota.warning"
	TypeSearchAlert       = "search.alert"
	TypeExportStored      = "straw.export.stored"
	TypeExportFailed      = "straw.export.failed"
	// TypeUnrecognized is the type of an event whose own type couldn't be read.
	TypeUnrecognized = "straw.unrecognized"
)

// Payload returns what the event says, as one of *AnalysisCompleted, *DatasetUpdated, *ExportReady, *QuotaWarning,
// *SearchAlert, *ExportStored, *ExportFailed and *Unrecognized. It is nil for a payload that is newer than this client;
// treat that as Unrecognized. Switch on it and not on Event.Type: an event of a known type is Unrecognized if its body was
// malformed.
func Payload(e *Event) any {
	switch p := e.GetPayload().(type) {
	case *strawv1.Event_AnalysisCompleted:
		return p.AnalysisCompleted
	case *strawv1.Event_DatasetUpdated:
		return p.DatasetUpdated
	case *strawv1.Event_ExportReady:
		return p.ExportReady
	case *strawv1.Event_QuotaWarning:
		return p.QuotaWarning
	case *strawv1.Event_SearchAlert:
		return p.SearchAlert
	case *strawv1.Event_ExportStored:
		return p.ExportStored
	case *strawv1.Event_ExportFailed:
		return p.ExportFailed
	case *strawv1.Event_Unrecognized:
		return p.Unrecognized
	}
	return nil
}
