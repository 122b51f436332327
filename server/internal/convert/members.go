package convert

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A field is a member that means something. Zero stands for every other.
type field uint8

const (
	_ field = iota
	fieldID
	fieldType
	fieldCreatedAt
	fieldTimestamp
	fieldData
	fieldAnalysisID
	fieldResultCount
	fieldQuery
	fieldDatasetID
	fieldRecordsAdded
	fieldTotalRecords
	fieldExportID
	fieldDownloadURL
	fieldFormat
	fieldUsagePercent
	fieldResetDate
	fieldPlanTier
	fieldAlertID
	fieldNewMatches
	fieldCriteria
	fieldCount
)

const dataPrefix = "data."

// documented is each field's place in the webhook, spelled as Juicebox documents it.
var documented = [fieldCount]string{
	fieldID:           "id",
	fieldType:         "type",
	fieldCreatedAt:    "created_at",
	fieldTimestamp:    "timestamp",
	fieldData:         "data",
	fieldAnalysisID:   "data.analysis_id",
	fieldResultCount:  "data.result_count",
	fieldQuery:        "data.query",
	fieldDatasetID:    "data.dataset_id",
	fieldRecordsAdded: "data.records_added",
	fieldTotalRecords: "data.total_records",
	fieldExportID:     "data.export_id",
	fieldDownloadURL:  "data.download_url",
	fieldFormat:       "data.format",
	fieldUsagePercent: "data.usage_percent",
	fieldResetDate:    "data.reset_date",
	fieldPlanTier:     "data.plan_tier",
	fieldAlertID:      "data.alert_id",
	fieldNewMatches:   "data.new_matches",
	fieldCriteria:     "data.criteria",
}

// A spelling is how a field's name is written: as Juicebox documents it, or the way JavaScript programs tend to.
type spelling uint8

const (
	snake spelling = iota
	camel
	spellings
)

// A slot is where a member's value goes.
type slot struct {
	field    field
	spelling spelling
}

// names are each field's places in both spellings; many are the same in both.
var names = spell()

func spell() (names [fieldCount][spellings]string) {
	for f, name := range documented {
		words := strings.Split(name, "_")
		for i, w := range words[1:] {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
		names[f] = [spellings]string{snake: name, camel: strings.Join(words, "")}
	}
	return names
}

// The slots of the members of a webhook, and of its data, by name.
var envelopeSlots, dataSlots = slots()

func slots() (envelope, data map[string]slot) {
	envelope, data = map[string]slot{}, map[string]slot{}
	for f := field(1); f < fieldCount; f++ {
		for _, s := range []spelling{camel, snake} {
			if name, ok := strings.CutPrefix(names[f][s], dataPrefix); ok {
				data[name] = slot{f, s}
			} else {
				envelope[name] = slot{f, s}
			}
		}
	}
	return envelope, data
}

// members are the values found in a body, as their JSON text.
type members [fieldCount][spellings]jsontext.Value

func (m *members) set(s slot, v jsontext.Value) { m[s.field][s.spelling] = v }

// find returns the value of a field and the name under which it stands. Of two spellings the one counts that has more to say,
// and the documented one if both have; the value is nil if neither is there.
func (m *members) find(f field) (name string, v jsontext.Value) {
	use := snake
	if weight(m[f][camel]) > weight(m[f][snake]) {
		use = camel
	}
	return names[f][use], m[f][use]
}

// weight orders values by how much they say: not there, null or "", and everything else.
func weight(v jsontext.Value) int {
	switch {
	case v == nil:
		return 0
	case v[0] == 'n', len(v) == 2 && v[0] == '"':
		return 1
	}
	return 2
}

// absent reports whether a value stands for none: missing, null or "".
func absent(v jsontext.Value) bool { return weight(v) < 2 }
