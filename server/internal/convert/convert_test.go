package convert_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

var request = convert.Request{
	ReceiveTime: time.Date(2026, 3, 4, 5, 6, 7, 89, time.UTC),
	Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}

// decode checks what holds for every draft, and returns its event.
func decode(t *testing.T, body []byte, d *event.Draft) *strawv1.Event {
	t.Helper()
	e := new(strawv1.Event)
	if err := proto.Unmarshal(d.Encoded, e); err != nil {
		t.Fatalf("the draft doesn't decode: %v", err)
	}
	hash := sha256.Sum256(body)
	switch {
	case d.Source != event.SourceJuicebox || d.Source != e.Source:
		t.Errorf("source %q, in the event %q", d.Source, e.Source)
	case d.ID != e.Id || d.ID == "" || len(d.ID) > event.MaxID || strings.ContainsFunc(d.ID, unicode.IsControl):
		t.Errorf("id %q, in the event %q", d.ID, e.Id)
	case d.Type != e.Type || d.Type == "" || len(d.Type) > event.MaxID || d.Type != event.TypeOf(d.Encoded):
		t.Errorf("type %q, in the event %q", d.Type, e.Type)
	case strings.HasPrefix(d.Type, "straw.") && d.Type != event.TypeUnrecognized:
		t.Errorf("a webhook has the gateway's type %q", d.Type)
	case strings.HasPrefix(d.ID, "straw-"), strings.HasPrefix(d.ID, "sha256-") && d.ID != "sha256-"+hex.EncodeToString(hash[:]):
		t.Errorf("a webhook has the gateway's id %q", d.ID)
	case !d.ReceiveTime.Equal(e.ReceiveTime.AsTime()):
		t.Errorf("receive time %v, in the event %v", d.ReceiveTime, e.ReceiveTime.AsTime())
	case d.BodyHash != hash:
		t.Errorf("the hash isn't the body's")
	case e.Cursor != "":
		t.Errorf("a draft has the cursor %q", e.Cursor)
	case len(d.Encoded) > event.MaxEncoded:
		t.Errorf("%d bytes encoded", len(d.Encoded))
	case e.CreateTime != nil && e.CreateTime.CheckValid() != nil:
		t.Errorf("create time: %v", e.CreateTime.CheckValid())
	}
	if e.Payload == nil {
		t.Fatal("there is no payload")
	}
	u := e.GetUnrecognized()
	if d.Unrecognized != (u != nil) {
		t.Fatalf("Unrecognized is %v, the payload %T", d.Unrecognized, e.Payload)
	}
	switch {
	case u == nil && (!bytes.Equal(d.Raw, body) || e.Raw != nil):
		t.Error("a typed draft must have its body beside it, not inside")
	case u != nil && (!bytes.Equal(e.Raw, body) || d.Raw != nil):
		t.Error("an unrecognized draft must have its body inside, not beside it")
	case u != nil && (u.Reason == strawv1.Unrecognized_REASON_UNSPECIFIED || u.Detail == "" || len(u.Detail) > 1200 || !utf8.ValidString(u.Detail)):
		t.Errorf("unrecognized as %v: %q", u.Reason, u.Detail)
	}
	return e
}

// readable prints an event as JSON, without the raw body that decode has compared.
func readable(t *testing.T, e *strawv1.Event) string {
	t.Helper()
	e = proto.CloneOf(e)
	e.Raw = nil
	compact, err := protojson.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil { // protojson's own white space changes from build to build
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".json"), func(t *testing.T) {
			body, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			got := readable(t, decode(t, body, convert.Convert(body, request)))
			golden := strings.TrimSuffix(input, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// largest fills a body up to the limit with a repeated piece of text.
func largest(before, piece, after string) []byte {
	n := (event.MaxBody - len(before) - len(after)) / len(piece)
	return []byte(before + strings.Repeat(piece, n) + after)
}

// No body of the permitted size makes an event that is too large, whatever is in it.
func TestLargestEvents(t *testing.T) {
	alert := `{"id":"evt_1","type":"search.alert","data":{"alert_id":"a","criteria":`
	for name, body := range map[string][]byte{
		"plain string":       largest(alert+`"`, "x", `"}}`),
		"escapes":            largest(alert+`"`, `\u0800`, `"}}`),
		"short escapes":      largest(alert+`"`, `\n`, `"}}`),
		"exact text":         largest(alert+`["`, `\ud83e\uddc3`, `"]}}`),
		"many elements":      largest(alert+`[0`, `,0`, `]}}`),
		"white space":        largest(alert+`[`, " ", `]}}`),
		"a long id":          largest(`{"id":"`, `\u0800`, `"}`),
		"a long type":        largest(`{"id":"x","type":"straw.`, `\u0001`, `"}`),
		"a long number":      largest(`{"id":"x","type":"search.alert","data":{"alert_id":"a","new_matches":1`, "0", `}}`),
		"a long exponent":    largest(`{"id":"x","type":"search.alert","data":{"alert_id":"a","new_matches":1e`, "9", `}}`),
		"a long fraction":    largest(`{"id":"x","type":"quota.warning","data":{"usage_percent":0.`, "3", `}}`),
		"a long member":      largest(`{"`, `\u0800`, `":1,}`),
		"a deep pointer":     largest(`{"`+strings.Repeat("/", 100_000)+`":{"`, `~`, `":}}`),
		"not UTF-8":          largest("", "\xff", ""),
		"open arrays":        largest("", "[", ""),
		"open strings":       largest("", `"`, ""),
		"two long spellings": append(largest(alert[:len(alert)-len(`"criteria":`)]+`"alertId":"`, "x", `","criteria":"`+strings.Repeat("y", 500_000))[:event.MaxBody-3], `"}}`...),
	} {
		t.Run(name, func(t *testing.T) {
			if len(body) > event.MaxBody || len(body) < event.MaxBody-100 {
				t.Fatalf("the body has %d bytes", len(body))
			}
			d := convert.Convert(body, request)
			decode(t, body, d)
			if most := event.MaxBody + 2048; len(d.Encoded) > most {
				t.Errorf("%d bytes encoded; expected at most %d", len(d.Encoded), most)
			}
		})
	}
}

// The link's life counts from the earlier time, on which a sender's clock can only take away.
func TestURLExpireTime(t *testing.T) {
	for created, want := range map[string]time.Time{
		"":                     request.ReceiveTime.Add(time.Hour),
		"2026-03-04T04:00:00Z": time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC),
		"2026-03-04T09:00:00Z": request.ReceiveTime.Add(time.Hour),
	} {
		body := fmt.Appendf(nil, `{"id":"e","type":"export.ready","created_at":%q,"data":{"export_id":"x","download_url":"https://x"}}`, created)
		got := decode(t, body, convert.Convert(body, request)).GetExportReady().GetUrlExpireTime().AsTime()
		if !got.Equal(want) {
			t.Errorf("created %q: the link dies at %v, want %v", created, got, want)
		}
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for given, want := range map[string]string{
		"":                    "",
		good:                  good,
		"01" + good[2:]:       "01" + good[2:],
		"cc" + good[2:]:       "cc" + good[2:],
		good + "-x":           "", // version 00 ends here
		"01" + good[2:] + "x": "",
		"01" + good[2:] + "-what the future brings": "01" + good[2:],
		"ff" + good[2:]:       "",
		good[:54]:             "",
		" " + good[:54]:       "",
		strings.ToUpper(good): "",
		strings.Replace(good, "4bf92f3577b34da6a3ce929d0e0e4736", strings.Repeat("0", 32), 1): "",
		strings.Replace(good, "00f067aa0ba902b7", strings.Repeat("0", 16), 1):                 "",
		strings.Replace(good, "-", "_", 1):                                                    "",
		"\xff" + good[1:]:                                                                     "",
	} {
		body := []byte(`{"id":"e","type":"quota.warning","data":{}}`)
		e := decode(t, body, convert.Convert(body, convert.Request{ReceiveTime: request.ReceiveTime, Traceparent: given}))
		if e.Traceparent != want {
			t.Errorf("%q becomes %q, want %q", given, e.Traceparent, want)
		}
	}
}

// A caller may use the body's memory for another webhook unless the draft's Raw is that memory.
func TestDraftKeepsNothingOfTheBody(t *testing.T) {
	for _, text := range []string{
		`{"id":"evt_1","type":"analysis.completed","data":{"analysis_id":"an_1","query":["x"]}}`,
		`{"id":"evt_1","type":"analysis.completed","data":[]}`,
		`{"id":"evt_1","type":"something.new"}`,
		`nonsense`,
	} {
		body := []byte(text)
		d := convert.Convert(body, request)
		want := readable(t, decode(t, body, d))
		clear(body)
		e := new(strawv1.Event)
		if err := proto.Unmarshal(d.Encoded, e); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, readable(t, e)); diff != "" || strings.Contains(d.ID+d.Type, "\x00") {
			t.Errorf("%s: the draft changed with the body: %q %q\n%s", text, d.ID, d.Type, diff)
		}
	}
}

func FuzzConvert(f *testing.F) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, input := range inputs {
		body, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, request.Traceparent)
	}
	f.Fuzz(func(t *testing.T, body []byte, traceparent string) {
		if len(body) > event.MaxBody {
			return
		}
		given := bytes.Clone(body)
		r := convert.Request{ReceiveTime: request.ReceiveTime, Traceparent: traceparent}
		d := convert.Convert(body, r)
		e := decode(t, given, d)
		if !bytes.Equal(given, body) {
			t.Error("the body was changed")
		}
		if diff := cmp.Diff(d, convert.Convert(body, r)); diff != "" {
			t.Errorf("the same webhook converts differently (-first +second):\n%s", diff)
		}
		agreesWithStandardLibrary(t, body, e)
	})
}

// agreesWithStandardLibrary compares with encoding/json, which reads less strictly and must agree on what is typed.
func agreesWithStandardLibrary(t *testing.T, body []byte, e *strawv1.Event) {
	malformed := e.GetUnrecognized().GetReason() == strawv1.Unrecognized_MALFORMED_JSON
	if malformed {
		return
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatalf("taken as strict JSON, but: %v", err)
	}
	if strings.HasPrefix(e.Id, "sha256-") {
		return
	}
	var id string
	if err := json.Unmarshal(object["id"], &id); err != nil || id != e.Id {
		t.Errorf("id %q, but the body says %s", e.Id, object["id"])
	}
	if a := e.GetAnalysisCompleted(); a != nil {
		var data map[string]any
		if err := json.Unmarshal(object["data"], &data); err != nil {
			t.Fatal(err)
		}
		if data["analysis_id"] != a.AnalysisId && data["analysisId"] != a.AnalysisId {
			t.Errorf("analysis_id %q, but the body says %s", a.AnalysisId, object["data"])
		}
	}
}

// typical is a body of 2.7 KB, as an analysis with a long query has.
func typical() []byte {
	query := strings.Repeat(`staff \"platform\" engineers in Zürich who have led a team; `, 40)
	return []byte(`{"id":"evt_0198c5b2f1d74d6f9a","type":"analysis.completed","created_at":"2026-03-04T05:00:00.123Z","data":{"analysis_id":"an_81f3","result_count":1284,"query":"` +
		query + `","workspace":{"id":"ws_1","name":"Talent","tags":["a","b","c"],"owner":{"id":"u_9","email":"owner@example.com"}}}}`)
}

func BenchmarkConvert(b *testing.B) {
	bodies := map[string][]byte{
		"analysis 2.7 KB": typical(),
		"not JSON 2.7 KB": bytes.Repeat([]byte("x"), 2700),
	}
	for _, typ := range event.Documented() {
		bodies[typ], _ = convert.Sample(typ, "evt_1", request.ReceiveTime)
	}
	for name, body := range bodies {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				convert.Convert(body, request)
			}
		})
	}
}
