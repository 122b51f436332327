package convert

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// linkLife is how long Juicebox serves an export after it announced it.
const linkLife = time.Hour

// setPayload fills in what the event's type says that its data holds, or tells why it can't.
func setPayload(e *strawv1.Event, w *webhook) *strawv1.Unrecognized {
	if !slices.Contains(documentedTypes, e.Type) {
		return unrecognized(strawv1.Unrecognized_UNKNOWN_TYPE, fmt.Sprintf("This gateway doesn't know the type %q.", e.Type))
	}
	if !w.object {
		problem := "data is missing."
		if _, v := w.find(fieldData); v != nil {
			problem = fmt.Sprintf("data is %s instead of an object.", describe(v))
		}
		return unrecognized(strawv1.Unrecognized_MALFORMED_DATA, problem)
	}
	if w.payload(e); w.problem != "" {
		return unrecognized(strawv1.Unrecognized_MALFORMED_DATA, w.problem)
	}
	return nil
}

var documentedTypes = event.Documented()

// payload sets the payload of a documented type, and w.problem if it can't.
func (w *webhook) payload(e *strawv1.Event) {
	switch e.Type {
	case event.TypeAnalysisCompleted:
		e.Payload = &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &strawv1.AnalysisCompleted{
			AnalysisId:  w.required(fieldAnalysisID),
			ResultCount: w.count(fieldResultCount),
			Query:       w.textOrJSON(fieldQuery),
		}}
	case event.TypeDatasetUpdated:
		e.Payload = &strawv1.Event_DatasetUpdated{DatasetUpdated: &strawv1.DatasetUpdated{
			DatasetId:    w.required(fieldDatasetID),
			RecordsAdded: w.count(fieldRecordsAdded),
			TotalRecords: w.count(fieldTotalRecords),
		}}
	case event.TypeExportReady:
		e.Payload = &strawv1.Event_ExportReady{ExportReady: &strawv1.ExportReady{
			ExportId:      w.required(fieldExportID),
			DownloadUrl:   w.required(fieldDownloadURL),
			Format:        w.text(fieldFormat),
			UrlExpireTime: linkExpiry(e),
		}}
	case event.TypeQuotaWarning:
		e.Payload = &strawv1.Event_QuotaWarning{QuotaWarning: &strawv1.QuotaWarning{
			UsagePercent: w.number(fieldUsagePercent),
			ResetDate:    w.text(fieldResetDate),
			PlanTier:     w.text(fieldPlanTier),
		}}
	case event.TypeSearchAlert:
		e.Payload = &strawv1.Event_SearchAlert{SearchAlert: &strawv1.SearchAlert{
			AlertId:    w.required(fieldAlertID),
			NewMatches: w.count(fieldNewMatches),
			Criteria:   w.textOrJSON(fieldCriteria),
		}}
	}
}

// linkExpiry counts from the earlier of the two times: a late webhook's link has lived for a while, and a sender's clock that
// runs ahead must not make it look alive after its death.
func linkExpiry(e *strawv1.Event) *timestamppb.Timestamp {
	from := e.GetReceiveTime().AsTime()
	if c := e.GetCreateTime(); c != nil && c.AsTime().Before(from) {
		from = c.AsTime()
	}
	return timestamppb.New(from.Add(linkLife))
}

// fail keeps the first problem.
func (w *webhook) fail(format string, args ...any) {
	if w.problem == "" {
		w.problem = fmt.Sprintf(format, args...)
	}
}

// required reads a string that must be there and not be empty.
func (w *webhook) required(f field) string {
	value, problem := w.filled(f)
	if problem != "" {
		w.fail("%s", problem)
	}
	return value
}

// text reads a string; nil if it is absent.
func (w *webhook) text(f field) *string {
	name, v := w.find(f)
	switch {
	case absent(v):
		return nil
	case v.Kind() != '"':
		w.fail("%s is %s instead of a string.", name, describe(v))
		return nil
	}
	value := unquote(v)
	return &value
}

// textOrJSON reads a string's value or anything else's JSON text, exactly as it stands in the body; nil if it is absent.
func (w *webhook) textOrJSON(f field) *string {
	_, v := w.find(f)
	var value string
	switch {
	case absent(v):
		return nil
	case v.Kind() == '"':
		value = unquote(v)
	default:
		value = alias(v)
	}
	return &value
}

// count reads a whole number of 64 bits; nil if it is absent.
func (w *webhook) count(f field) *int64 {
	name, v := w.find(f)
	switch {
	case absent(v):
		return nil
	case v.Kind() != '0':
		w.fail("%s is %s instead of a whole number.", name, describe(v))
		return nil
	}
	n, ok := integer(string(v))
	if !ok {
		w.fail("%s is %s instead of a whole number of 64 bits.", name, clip(string(v)))
	}
	return &n
}

// number reads a number that a float64 can stand for; nil if it is absent.
func (w *webhook) number(f field) *float64 {
	name, v := w.find(f)
	switch {
	case absent(v):
		return nil
	case v.Kind() != '0':
		w.fail("%s is %s instead of a number.", name, describe(v))
		return nil
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		w.fail("%s is %s, which is beyond the numbers of 64 bits.", name, clip(string(v)))
	}
	return &n
}
