package filter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

func quotaWarning(percent *float64) *strawv1.Event {
	return &strawv1.Event{
		Id: "evt_1", Type: event.TypeQuotaWarning, Source: event.SourceJuicebox, Cursor: "secret", Raw: []byte("secret"),
		ReceiveTime: timestamppb.New(time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)),
		Payload:     &strawv1.Event_QuotaWarning{QuotaWarning: &strawv1.QuotaWarning{UsagePercent: percent}},
	}
}

func TestMatch(t *testing.T) {
	e := quotaWarning(proto.Float64(95))
	tests := []struct {
		source string
		want   bool
	}{
		{`has(event.quota_warning) && event.quota_warning.usage_percent >= 90.0`, true},
		{`has(event.quota_warning) && event.quota_warning.usage_percent >= 90`, true},
		{`event.quota_warning.usage_percent > 95.0`, false},
		{`has(event.quota_warning.plan_tier)`, false},
		{`event.quota_warning.plan_tier == ''`, true}, // absent reads as empty, as in protobuf
		{`has(event.export_ready)`, false},
		{`event.export_ready.export_id == ''`, true},
		{`has(event.export_ready) && 1 / 0 == 1`, false}, // short-circuits
		{`event.type == 'quota.warning'`, true},
		{`event.type in ['export.ready', 'quota.warning']`, true},
		{`event.type.startsWith('quota.') && event.id.matches('^evt_[0-9]+$')`, true},
		{`event.receive_time >= timestamp('2026-11-23T13:00:00Z')`, true},
		{`event.receive_time < timestamp('2026-11-23T13:00:00Z') + duration('1h')`, true},
		{`event.receive_time.getHours() == 13`, true},
		{`has(event.create_time)`, false},
		{`event.unrecognized.reason == straw.v1.Unrecognized.Reason.UNKNOWN_TYPE`, false},
		{`['a', 'quota'].exists(word, event.type.contains(word))`, true},
		{`true`, true},
	}
	for _, tt := range tests {
		p, err := Compile(tt.source)
		if err != nil {
			t.Errorf("Compile(%s): %v", tt.source, err)
			continue
		}
		got, err := p.Match(e)
		if err != nil || got != tt.want {
			t.Errorf("%s is %v, %v, want %v", tt.source, got, err, tt.want)
		}
		if p.Source() != tt.source {
			t.Errorf("source is %q, want %q", p.Source(), tt.source)
		}
	}
}

func TestMatchFailsOnWhatCantBeEvaluated(t *testing.T) {
	e := quotaWarning(proto.Float64(0))
	for _, source := range []string{
		`1 / int(event.quota_warning.usage_percent) == 1`,
		`int(event.id) == 1`,
		`timestamp(event.id) < event.receive_time`,
		`{'a': true}[event.id]`,
	} {
		p, err := Compile(source)
		if err != nil {
			t.Errorf("Compile(%s): %v", source, err)
			continue
		}
		if matched, err := p.Match(e); err == nil || matched {
			t.Errorf("%s is %v, %v, want an error and no match", source, matched, err)
		}
	}
}

func TestSyntaxErrorsNameTheColumn(t *testing.T) {
	tests := []struct {
		source       string
		line, column int
		problem      string // a part of it
	}{
		{`event.type = 'a'`, 1, 12, "token recognition error"},
		{`event.type == `, 1, 15, "mismatched input"},
		{` `, 1, 2, "mismatched input"},
		{`event.tipe == 'a'`, 1, 6, "undefined field 'tipe'"},
		{`evnt.type == 'a'`, 1, 1, "undeclared reference to 'evnt'"},
		{`event.type == 1`, 1, 12, "no matching overload for '_==_'"},
		{"event.type == 'a' &&\n  event.tipe == 'b'", 2, 8, "undefined field 'tipe'"},
		{`event.type == 'ä' && event.tipe == 'b'`, 1, 27, "undefined field 'tipe'"},
		{`event.type`, 1, 1, "of type string"},
		{`dyn(event.type)`, 1, 1, "of type dyn"},
		{`event.id.matches('(')`, 1, 18, "invalid matches argument"},
		{`event.receive_time > timestamp('yesterday')`, 1, 32, "invalid timestamp argument"},
		{`event.type.lowerAscii() == 'a'`, 1, 22, "undeclared reference to 'lowerAscii'"}, // an extension, not the standard
		{strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200), 1, 1, "recursion limit"},
		{strings.Repeat(" ", MaxSource) + "true", 1, 1, "at most 8192"},
	}
	for _, tt := range tests {
		_, err := Compile(tt.source)
		var wrong *SyntaxError
		if !errors.As(err, &wrong) {
			t.Errorf("Compile(%.60s) = %v, want a *SyntaxError", tt.source, err)
			continue
		}
		if wrong.Line != tt.line || wrong.Column != tt.column || !strings.Contains(wrong.Problem, tt.problem) {
			t.Errorf("Compile(%.60s): line %d, column %d: %q, want line %d, column %d and %q",
				tt.source, wrong.Line, wrong.Column, wrong.Problem, tt.line, tt.column, tt.problem)
		}
	}
}

func TestRawAndCursorAreHidden(t *testing.T) {
	for _, source := range []string{
		`event.raw == b'secret'`,
		`event.cursor == 'secret'`,
		`has(event.raw)`,
		`.event.raw == b'secret'`,
		`true || event.cursor == ''`,
		`dyn(event).raw == b'secret'`,
		`dyn(event)['ra' + 'w'] == b'secret'`,
		`event['raw'] == b'secret'`,
		`event == straw.v1.Event{raw: b'secret'}`,
		`[event][0].raw == b'secret'`,
		`[event].exists(e, e.raw == b'secret')`,
		`{'e': event}.e.raw == b'secret'`,
		`(true ? event : event).raw == b'secret'`,
		`event in [event]`,
		`[1].exists(event, event == 1)`,
		`type(event) == type(1)`,
	} {
		_, err := Compile(source)
		if _, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("Compile(%s) = %v, want a *SyntaxError", source, err)
		}
	}
	_, err := Compile(`event.type == 'a' && event.raw == b''`)
	if want := "the filter is wrong at column 27: filters don't see `event.raw`"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestCost(t *testing.T) {
	ten := "[" + strings.Repeat("1,", 9) + "1]"
	nested := func(depth int) string {
		source := "event.type == 'x'"
		for range depth {
			source = ten + ".exists(x, " + source + ")"
		}
		return source
	}
	doubled := "[event.search_alert.criteria]" + strings.Repeat(".map(x, x + x)", 8) + ".exists(x, x.contains('a'))"
	patterns := strings.Repeat("event.analysis_completed.query.matches('(?i)go +developer') || ", 10) + "false"
	titles := `event.search_alert.criteria.matches('(senior|staff|principal|lead) +(go|rust|java) +(developer|engineer|architect)')`

	for _, source := range []string{nested(1), nested(2), nested(3), patterns, titles,
		`(event.type + ':' + event.id).startsWith('export.ready:exp_')`, `['dev', 'test'].exists(word, event.search_alert.criteria.contains(word))`, `event.id.contains(event.type)`} {
		if _, err := Compile(source); err != nil {
			t.Errorf("Compile(%s): %v, want it accepted", source, err)
		}
	}
	converted := "[" + strings.Repeat("bytes(event.search_alert.criteria), ", 100) + "b''].exists(b, b == b'x')"
	for _, source := range []string{converted, nested(5), nested(8), doubled, `event.search_alert.criteria.matches(event.analysis_completed.query)`, `event.id.matches(event.type)`,
		`event.search_alert.criteria.matches('([ab]{1,20}){1,20}c')`, `matches(event.search_alert.criteria, '([ab]{1,20}){1,20}c')`,
		`(event.search_alert.criteria + 'x').matches('([ab]{1,20}){1,20}c')`} {
		if _, err := Compile(source); !errors.Is(err, ErrTooCostly) {
			t.Errorf("Compile(%s) = %v, want ErrTooCostly", source, err)
		}
	}
}

// An accepted filter is never cut short by the limit that holds while it runs, on the largest event there can be.
func TestAcceptedFiltersRunToTheirEnd(t *testing.T) {
	largest := strings.Repeat("ab", event.MaxBody/2)
	e := &strawv1.Event{
		Id: strings.Repeat("i", event.MaxID), Type: "search.alert",
		Payload: &strawv1.Event_SearchAlert{SearchAlert: &strawv1.SearchAlert{AlertId: largest, Criteria: &largest}},
	}
	for _, part := range []string{
		`event.search_alert.criteria.contains('ba' + 'c')`,
		`event.search_alert.criteria == event.search_alert.alert_id + 'a'`,
		`event.search_alert.criteria + event.search_alert.criteria == 'a'`,
		`event.search_alert.criteria.matches('^c')`,
		`event.search_alert.criteria.matches('[` + strings.Repeat("0-9", 300) + `]')`,
		`event.id.contains(event.id + 'a')`,
		`[event.search_alert.criteria].exists(c, c.endsWith('c'))`,
		`[1, 2, 3].exists(x, [1, 2, 3].exists(y, x + y == 7))`,
	} {
		filter, err := Compile(part)
		if err != nil {
			t.Errorf("Compile(%s): %v", part, err)
			continue
		}
		for longer := part; err == nil && len(longer) < MaxSource/2; filter, err = Compile(longer) {
			if _, err := filter.Match(e); err != nil {
				t.Errorf("%d bytes of %s: %v", len(longer), part, err)
				break
			}
			longer += " || " + longer
		}
	}
}

func TestEvaluationErrorsAreShort(t *testing.T) {
	p, err := Compile(`timestamp(event.type) > event.receive_time`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Match(&strawv1.Event{Type: strings.Repeat("a", event.MaxBody)})
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("got an error of %d bytes, want a short one", len(err.Error()))
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`has(event.quota_warning) && event.quota_warning.usage_percent >= 90.0`,
		`[1,2,3].exists(x, x == size(event.id))`,
		`event.type in ['a'] ? event.id.matches('a+') : {'a': b'b'}['a'] == b'b'`,
		`event.receive_time + duration('1h') > timestamp('2026-01-01T00:00:00Z')`,
		`"\u00e4" + r'\d' + '''a''' == string(1u) // comment`,
		`((((((((((true))))))))))`,
		`dyn(event.id) == 1 || event.unrecognized.reason == 1`,
		`event.type.matches('((((a{10}){10}){10}){10}')`,
	} {
		f.Add(seed)
	}
	text := strings.Repeat("a1.", 300)
	events := []*strawv1.Event{
		{}, quotaWarning(proto.Float64(95)),
		{Id: text[:256], Type: text, Payload: &strawv1.Event_SearchAlert{SearchAlert: &strawv1.SearchAlert{AlertId: text, Criteria: &text}}},
	}
	f.Fuzz(func(t *testing.T, source string) {
		start := time.Now()
		p, err := Compile(source)
		if took := time.Since(start); took > 2*time.Second {
			t.Fatalf("compiling took %s", took)
		}
		if err != nil {
			var wrong *SyntaxError
			if !errors.As(err, &wrong) && !errors.Is(err, ErrTooCostly) {
				t.Fatalf("an error of another kind: %v", err)
			}
			if wrong != nil && (wrong.Line < 1 || wrong.Column < 1 || wrong.Problem == "") {
				t.Fatalf("an error without its place or sentence: %+v", wrong)
			}
			return
		}
		for _, e := range events {
			before := proto.Clone(e)
			start = time.Now()
			matched, err := p.Match(e)
			if took := time.Since(start); took > time.Second {
				t.Fatalf("evaluating took %s", took)
			}
			if err != nil && (matched || strings.Contains(err.Error(), "cost limit")) {
				t.Fatalf("matched %v with %v", matched, err)
			}
			if !proto.Equal(before, e) {
				t.Fatal("the event was changed")
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	e := quotaWarning(proto.Float64(95))
	for name, source := range map[string]string{
		"payload": `has(event.quota_warning) && event.quota_warning.usage_percent >= 90.0`,
		"type":    `event.type == 'export.ready'`,
		"regex":   `event.id.matches('^evt_[0-9]+$')`,
	} {
		p, err := Compile(source)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Match(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(`has(event.quota_warning) && event.quota_warning.usage_percent >= 90.0`); err != nil {
			b.Fatal(err)
		}
	}
}
