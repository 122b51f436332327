package convert

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

func TestInteger(t *testing.T) {
	for number, want := range map[string]int64{
		"0": 0, "-0": 0, "-0.0": 0, "0e999999999999999999999": 0, "0.000e-5": 0,
		"1e0": 1, "1E+3": 1000, "30e-1": 3, "3.0": 3, "-1.50e1": -15, "0.001e3": 1,
		"9007199254740993": 1<<53 + 1, "9007199254740993.0": 1<<53 + 1, "900719925474099.3e1": 1<<53 + 1,
		"9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63, "-9.223372036854775808e18": -1 << 63,
	} {
		if got, ok := integer(number); !ok || got != want {
			t.Errorf("integer(%s) = %d, %v; want %d", number, got, ok, want)
		}
	}
	for _, number := range []string{
		"1.5", "1e-1", "1e400", "-1e400", "1e99999999999999999999", "1e-99999999999999999999",
		"9223372036854775808", "-9223372036854775809", "9.223372036854775808e18", "1e19", "12345678901234567890123",
	} {
		if got, ok := integer(number); ok {
			t.Errorf("integer(%s) = %d; want none", number, got)
		}
	}
}

// integer agrees with exact rational arithmetic.
func TestIntegerIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,6}0{0,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		exact, ok := new(big.Rat).SetString(number)
		if !ok {
			t.Fatalf("%s is no number", number)
		}
		got, ok := integer(number)
		if want := exact.IsInt() && exact.Num().IsInt64(); ok != want || ok && got != exact.Num().Int64() {
			t.Fatalf("integer(%s) = %d, %v; want %s", number, got, ok, exact)
		}
	})
}

func TestTimeOf(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for v, want := range map[string]time.Time{
		`"2026-03-04T05:06:07Z"`:           at,
		`"2026-03-04T06:06:07+01:00"`:      at,
		`"2026-03-04T05:06:07.123456789Z"`: at.Add(123456789),
		fmt.Sprint(at.Unix()):              at,
		fmt.Sprint(at.Unix()) + ".25":      at.Add(250 * time.Millisecond),
		fmt.Sprint(at.UnixMilli()):         at,
		fmt.Sprint(at.UnixMilli() + 1):     at.Add(time.Millisecond),
		`253402300799`:                     time.UnixMilli(253402300799).UTC(),
		`253402300799999`:                  time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		if got, ok := timeOf(jsontext.Value(v)); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("timeOf(%s) = %v, %v; want %v", v, got, ok, want)
		}
	}
	for _, v := range []string{
		`""`, `null`, `true`, `[]`, `{}`, `"1772600767"`, `"2026-03-04"`, `"2026-03-04 05:06:07"`, `"2026-03-04T05:06:07"`,
		`"2026-02-30T00:00:00Z"`, `"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59-01:00"`,
		`0`, `-1`, `1e400`, `253402300800000`, `1e300`, `9.3e15`,
	} {
		if got, ok := timeOf(jsontext.Value(v)); ok {
			t.Errorf("timeOf(%s) = %v; want none", v, got)
		}
	}
}

// Every documented name has its slot, and its camelCase alias the same field.
func TestSpellings(t *testing.T) {
	for alias, name := range map[string]string{
		"analysisId": "analysis_id", "resultCount": "result_count", "datasetId": "dataset_id", "recordsAdded": "records_added",
		"totalRecords": "total_records", "exportId": "export_id", "downloadUrl": "download_url", "usagePercent": "usage_percent",
		"resetDate": "reset_date", "planTier": "plan_tier", "alertId": "alert_id", "newMatches": "new_matches",
	} {
		a, n := dataSlots[alias], dataSlots[name]
		if a.field == 0 || a.field != n.field || a.spelling != camel || n.spelling != snake {
			t.Errorf("%s is %v, %s is %v", alias, a, name, n)
		}
	}
	for _, name := range []string{"query", "format", "criteria"} {
		if s := dataSlots[name]; s.field == 0 || s.spelling != snake {
			t.Errorf("%s is %v", name, s)
		}
	}
	if len(dataSlots) != 15+12 || len(envelopeSlots) != 5+1 {
		t.Errorf("%d names in data, %d beside it", len(dataSlots), len(envelopeSlots))
	}
}
