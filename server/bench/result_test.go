package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVerdicts(t *testing.T) {
	limit := Figure{"limit", Series{100, 100, 100}}
	tests := []struct {
		name   string
		result Result
		want   string
	}{
		{"fast enough", compare("r", "w", "/s", limit, Figure{"straw", Series{91, 95, 60}}, atLeast(0.9)), "ok"},
		{"too slow", compare("r", "w", "/s", limit, Figure{"straw", Series{89, 95, 60}}, atLeast(0.9)), "MISSED"},
		{"cheap enough", compare("r", "w", "µs", limit, Figure{"straw", Series{150, 149, 151}}, atMost(1.5)), "ok"},
		{"too dear", compare("r", "w", "µs", limit, Figure{"straw", Series{152, 149, 151}}, atMost(1.5)), "MISSED"},
		{"no bar", compare("r", "w", "µs", limit, Figure{"straw", Series{152}}, Bar{}), ""},
		{"not measured", compare("r", "w", "µs", limit, Figure{"straw", nil}, atMost(1.5)), ""},
		{"absolute, whatever the limit", absolute("r", "w", "s", limit, Figure{"straw", Series{0.4}}, atMost(1)), "ok"},
		{"absolute, missed", absolute("r", "w", "s", Figure{}, Figure{"straw", Series{1.1}}, atMost(1)), "MISSED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.result.verdict(); got != test.want {
				t.Errorf("got %q, want %q; the ratio is %v", got, test.want, test.result.Ratio)
			}
		})
	}
}

func TestTable(t *testing.T) {
	results := []Result{
		compare("ingest", "durable", "/s", Figure{"pebble", Series{20000, 21000, 22000}}, Figure{"straw", Series{19000, 21000, 20900}}, atLeast(0.9)),
		absolute("open", "full store", "s", Figure{}, Figure{"straw", Series{1.5}}, atMost(1)),
	}
	results[1].Note = "a note"
	var out bytes.Buffer
	if err := printTable(&out, results); err != nil {
		t.Fatal(err)
	}
	const want = `what              limit                          Straw                   unit  ratio             wanted  
ingest: durable   21,000 [20,000–22,000] pebble  20,900 [19,000–21,000]  /s    0.95 [0.95–1.00]  ≥ 0.90  ok
open: full store                                 1.50                    s                       ≤ 1.00  MISSED
  a note                                                                                                 
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestNumber(t *testing.T) {
	for value, want := range map[float64]string{
		0.123: "0.12", 9.999: "10.00", 12.34: "12.3", 321.9: "322", 5400: "5400", 21_345: "21,345", 262144: "262,144",
		1_334_000: "1.33 M", 11_250_000: "11.2 M", -21_345: "-21,345",
	} {
		if got := number(value); got != want {
			t.Errorf("number(%v) = %q, want %q", value, got, want)
		}
	}
}
