package convert

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/straw-gateway/straw/server/internal/event"
)

// samples are the data that Juicebox would send with each documented type. In them ~ stands for what tells one thing from
// another, and ^ for a date some weeks ahead.
var samples = map[string]string{
	event.TypeAnalysisCompleted: `{"analysis_id":"ana_~","result_count":48,"query":"staff platform engineers in Berlin who have led a team"}`,
	event.TypeDatasetUpdated:    `{"dataset_id":"ds_~","records_added":127,"total_records":18402}`,
	event.TypeExportReady:       `{"export_id":"exp_~","download_url":"https://exports.juicebox.ai/exp_~.csv?token=sample","format":"csv"}`,
	event.TypeQuotaWarning:      `{"usage_percent":87.5,"reset_date":"^","plan_tier":"growth"}`,
	event.TypeSearchAlert:       `{"alert_id":"al_~","new_matches":3,"criteria":"Go or Rust, Berlin, open to work"}`,
}

// Sample returns the body of a webhook of a documented type, as Juicebox would send it; false for any other type. The things
// that it speaks of are named after the id, so that samples with ids of their own speak of different things.
func Sample(eventType, id string, created time.Time) (body []byte, ok bool) {
	data, ok := samples[eventType]
	if !ok {
		return nil, false
	}
	quoted, _ := jsontext.AppendQuote(nil, id)
	name := strings.TrimPrefix(string(quoted[1:len(quoted)-1]), idPrefix)
	data = strings.ReplaceAll(data, "~", name)
	data = strings.ReplaceAll(data, "^", created.AddDate(0, 1, 1-created.Day()).UTC().Format(time.DateOnly))
	return fmt.Appendf(nil, `{"id":%s,"type":%q,"created_at":%q,"data":%s}`,
		quoted, eventType, created.UTC().Format(time.RFC3339Nano), data), true
}

const idPrefix = "evt_"

// SampleID returns a fresh id in the form that Juicebox's have.
func SampleID() string { return idPrefix + strings.ToLower(rand.Text()) }
