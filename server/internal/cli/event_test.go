package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestPrintEvent(t *testing.T) {
	received := timestamppb.New(time.Date(2026, 11, 23, 13, 38, 0, 123_456_789, time.UTC))
	zero, query, percent := int64(0), "platform \"engineers\"", 87.5
	events := []*straw.Event{
		{Id: "evt_1", Type: "analysis.completed", Payload: &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &straw.AnalysisCompleted{
			AnalysisId: "ana_1", ResultCount: &zero, Query: &query}}},
		{Id: "evt_2", Type: "export.ready", Payload: &strawv1.Event_ExportReady{ExportReady: &straw.ExportReady{
			ExportId: "exp_1", DownloadUrl: "https://exports.juicebox.ai/exp_1.csv?token=hunter2", UrlExpireTime: received}}},
		{Id: "evt_3", Type: "quota.warning", Payload: &strawv1.Event_QuotaWarning{QuotaWarning: &straw.QuotaWarning{UsagePercent: &percent}}},
		{Id: "evt 4\x1b[31m", Type: "new.\x1b]0;type", Payload: &strawv1.Event_Unrecognized{Unrecognized: &straw.Unrecognized{
			Reason: strawv1.Unrecognized_UNKNOWN_TYPE, Detail: "not known"}}},
		{Id: "evt_5", Type: "newer.still"},
	}
	const want = `
2026-11-23T13:38:00.123Z  analysis.completed  evt_1  analysis_id=ana_1  result_count=0  query="platform \"engineers\""
2026-11-23T13:38:00.123Z  export.ready        evt_2  export_id=exp_1  download_url=https://exports.juicebox.ai/exp_1.csv?…  url_expire_time=2026-11-23T13:38:00Z
2026-11-23T13:38:00.123Z  quota.warning       evt_3  usage_percent=87.5
2026-11-23T13:38:00.123Z  "new.\x1b]0;type"   "evt 4\x1b[31m"  reason=UNKNOWN_TYPE  detail="not known"
2026-11-23T13:38:00.123Z  newer.still         evt_5
`
	var got strings.Builder
	got.WriteByte('\n')
	for _, e := range events {
		e.ReceiveTime = received
		if err := painter(false).printEvent(&got, e); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// protojson varies its white space from build to build; scripts must not see it.
func TestJSONIsStable(t *testing.T) {
	e := &straw.Event{Id: "evt_<1>", Cursor: "c"}
	for f, want := range map[format]string{
		asJSONL: `{"id":"evt_<1>","cursor":"c"}` + "\n",
		asJSON:  "{\n  \"id\": \"evt_<1>\",\n  \"cursor\": \"c\"\n}\n",
	} {
		var got strings.Builder
		if err := (&f).write(&got, e); err != nil || got.String() != want {
			t.Errorf("%s: %q, %v", f, got.String(), err)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)
	percent, reset := 100.0, "2026-12-01"
	status := &strawv1.GetStatusResponse{
		Version: "v0.1.0", StartTime: timestamppb.New(now.Add(-50 * time.Hour)), HeadCursor: "head", OldestCursor: "oldest",
		Store:             &strawv1.StoreStatus{Engine: "pebble", Id: "0102", Incarnation: "0a0b", EventCount: 12, SizeBytes: 3 << 20, Problem: "the disk is full"},
		TypeCounts:        []*strawv1.TypeCount{{Type: "export.ready", Count: 11}, {Count: 1}},
		UnrecognizedCount: 1, DuplicateCount: 3, ConflictCount: 2, StreamCount: 4,
		Secrets: []*strawv1.SecretStatus{{Fingerprint: "f52fbd32b2b3", LastUsedTime: timestamppb.New(now.Add(-90 * time.Second))}, {Fingerprint: "043a718774c5"}},
		LatestQuotaWarning: &straw.Event{ReceiveTime: timestamppb.New(now), Payload: &strawv1.Event_QuotaWarning{
			QuotaWarning: &straw.QuotaWarning{UsagePercent: &percent, ResetDate: &reset}}},
		JuiceboxHoldUntil: timestamppb.New(now.Add(time.Hour)),
	}
	const want = `
version        v0.1.0
up             2d2h
store          pebble 0102, incarnation 0a0b
holds          12 events, 3.0 MiB
problem        the disk is full
oldest cursor  oldest
head cursor    head
streams        4
stored         11 export.ready
stored         1 of further types
unrecognized   1
duplicates     3, of which 2 with another body
secret         f52fbd32b2b3, last used 1m30s ago
secret         043a718774c5, not used since the start
quota warning  2026-11-23T13:00:00Z  usage_percent=100  reset_date=2026-12-01
hold           calls to Juicebox's API are held until 2026-11-23T14:00:00Z
`
	var got strings.Builder
	got.WriteByte('\n')
	if err := printStatus(&got, status, now); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
