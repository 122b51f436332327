package conformance

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// printed makes lines as a driver prints them, 100 ms apart.
func printed(t *testing.T, texts ...string) []line {
	t.Helper()
	var lines []line
	for i, text := range texts {
		l := line{at: time.Unix(0, 0).Add(time.Duration(i) * 100 * time.Millisecond), text: text}
		if err := json.Unmarshal([]byte(text), &l.has); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// A check that never fails proves nothing: these are lines that each must find fault with, and lines that it mustn't.
func TestExpectations(t *testing.T) {
	none := 0
	event := pattern{"event": "*"}
	tests := map[string]struct {
		expect expectation
		lines  []string
		want   string // part of what is wrong; empty if nothing is
	}{
		"all":                  {expectation{Events: ids{"a", "b"}}, []string{`{"event":"a"}`, `{"connected":true}`, `{"event":"b"}`}, ""},
		"lost in the middle":   {expectation{Events: ids{"a", "b", "c"}}, []string{`{"event":"a"}`, `{"event":"c"}`}, "came c instead of b"},
		"lost at the end":      {expectation{Events: ids{"a", "b"}}, []string{`{"event":"a"}`}, "then b didn't"},
		"repeated":             {expectation{Events: ids{"a", "b"}}, []string{`{"event":"a"}`, `{"event":"a"}`, `{"event":"b"}`}, "a came again instead of b"},
		"repeated at the end":  {expectation{Events: ids{"a"}}, []string{`{"event":"a"}`, `{"event":"a"}`}, "too much"},
		"out of order":         {expectation{Events: ids{"a", "b"}}, []string{`{"event":"b"}`, `{"event":"a"}`}, "came b instead of a"},
		"none":                 {expectation{Events: ids{}}, []string{`{"event":"a"}`}, "too much"},
		"each":                 {expectation{Each: ids{"a", "b"}}, []string{`{"event":"b"}`, `{"event":"a"}`}, ""},
		"each, one twice":      {expectation{Each: ids{"a", "b"}}, []string{`{"event":"b"}`, `{"event":"a"}`, `{"event":"b"}`}, "too much"},
		"each, one lost":       {expectation{Each: ids{"a", "b"}}, []string{`{"event":"b"}`}, "came b instead of a"},
		"at least":             {expectation{AtLeast: ids{"a", "b"}}, []string{`{"event":"b"}`, `{"event":"a"}`, `{"event":"b"}`}, ""},
		"at least, one lost":   {expectation{AtLeast: ids{"a", "b"}}, []string{`{"event":"b"}`, `{"event":"b"}`}, "came b instead of a"},
		"lines":                {expectation{Lines: []pattern{{"end": true}}}, []string{`{"connected":true}`, `{"disconnected":""}`, `{"end":true}`}, ""},
		"lines, one more":      {expectation{Lines: []pattern{{"end": true}}}, []string{`{"end":true}`, `{"gap":{}}`}, "also printed"},
		"lines, one less":      {expectation{Lines: []pattern{{"gap": "*"}, {"end": true}}}, []string{`{"gap":{"oldest":"c"}}`}, "ended without"},
		"lines, another":       {expectation{Lines: []pattern{{"results": []any{"ACKED"}}}}, []string{`{"results":["ACKED","ACKED"]}`}, "instead of"},
		"contains":             {expectation{Contains: []pattern{{"event": "a"}, {"end": true}}}, []string{`{"event":"a"}`, `{"event":"b"}`, `{"end":true}`}, ""},
		"contains, misplaced":  {expectation{Contains: []pattern{{"event": "b"}, {"event": "a"}}}, []string{`{"event":"a"}`, `{"event":"b"}`}, "not in its place"},
		"count":                {expectation{Count: []count{{Line: event, Least: 2, Most: &none}}}, []string{`{"event":"a"}`}, "1 times"},
		"count none":           {expectation{Count: []count{{Line: event, Most: &none}}}, []string{`{"event":"a"}`}, "1 times"},
		"apart":                {expectation{Apart: []apart{{From: pattern{"event": "a"}, To: pattern{"end": true}, Least: 200 * time.Millisecond}}}, []string{`{"event":"a"}`, `{"event":"b"}`, `{"end":true}`}, ""},
		"apart, too early":     {expectation{Apart: []apart{{From: event, To: pattern{"end": true}, Least: 101 * time.Millisecond}}}, []string{`{"event":"a"}`, `{"end":true}`}, "100ms lay between"},
		"apart, too late":      {expectation{Apart: []apart{{From: event, To: pattern{"end": true}, Most: 99 * time.Millisecond}}}, []string{`{"event":"a"}`, `{"end":true}`}, "100ms lay between"},
		"at once":              {expectation{AtOnce: &atOnce{2, 150 * time.Millisecond}}, []string{`{"event":"a"}`, `{"event":"b"}`, `{"event":"c"}`}, ""},
		"more at once":         {expectation{AtOnce: &atOnce{1, 150 * time.Millisecond}}, []string{`{"event":"a"}`, `{"event":"b"}`}, "more than 1 events at once"},
		"a member is missing":  {expectation{Contains: []pattern{{"error": map[string]any{"metadata": map[string]any{"id": "*"}}}}}, []string{`{"error":{"code":"NOT_FOUND","metadata":{}}}`}, "didn't print"},
		"a member is empty":    {expectation{Contains: []pattern{{"cursor": "*"}}}, []string{`{"cursor":""}`}, "didn't print"},
		"a number is another":  {expectation{Contains: []pattern{{"attempt": 2}}}, []string{`{"attempt":1}`}, "didn't print"},
		"more members than it": {expectation{Contains: []pattern{{"attempt": 2}}}, []string{`{"event":"a","attempt":2}`}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { mustSay(t, test.expect.judge(printed(t, test.lines...)), test.want) })
	}
}

func mustSay(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want it to say %q", err, want)
	}
}

func TestSettled(t *testing.T) {
	const a, doneA, b, doneB = `{"event":"a"}`, `{"done":"a","status":"ACKED"}`, `{"event":"b"}`, `{"done":"b","status":"ALREADY_ACKED"}`
	tests := map[string]struct {
		settled settled
		lines   []string
		want    string
	}{
		"all":              {settled{Events: ids{"a", "b"}}, []string{a, b, doneB, doneA}, ""},
		"one not":          {settled{Events: ids{"a", "b"}}, []string{a, b, doneB}, "a was never confirmed"},
		"one too much":     {settled{Events: ids{"a"}}, []string{a, b, doneB, doneA}, "b was confirmed too"},
		"stale":            {settled{Events: ids{"a"}}, []string{a, `{"done":"a","status":"STALE"}`}, "a was never confirmed"},
		"again":            {settled{Events: ids{"a"}}, []string{a, doneA, a}, "a came again"},
		"again, and may":   {settled{Events: ids{"a"}, Again: true}, []string{a, doneA, a}, ""},
		"again, unsettled": {settled{Events: ids{"a"}}, []string{a, a, doneA}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { mustSay(t, test.settled.judge(printed(t, test.lines...)), test.want) })
	}
}

func TestProtocol(t *testing.T) {
	const whole = `{"event":"a","type":"t","payload":"","cursor":"c"}`
	tests := map[string]struct {
		op    string
		lines []string
		want  string
	}{
		"a stream":              {"subscribe", []string{`{"connected":true}`, whole, `{"end":true}`}, ""},
		"an unknown line":       {"subscribe", []string{`{"hello":1}`, `{"end":true}`}, "which \"subscribe\" doesn't"},
		"a member too little":   {"subscribe", []string{`{"event":"a","type":"t","cursor":"c"}`, `{"end":true}`}, "without payload"},
		"a member too much":     {"consume", []string{`{"end":true,"why":"done"}`}, "with a why"},
		"no end":                {"consume", []string{`{"connected":true}`}, "as line 1 of 1"},
		"two ends":              {"subscribe", []string{`{"end":true}`, `{"end":true}`}, "as line 1 of 2"},
		"nothing":               {"subscribe", nil, "printed nothing"},
		"an error with no code": {"status", []string{`{"error":{"reason":""}}`}, "without a code"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lines := printed(t, test.lines...)
			err := checkLines(test.op, lines)
			if err == nil {
				err = checkEnd(test.op, lines)
			}
			mustSay(t, err, test.want)
		})
	}
}

func TestRanges(t *testing.T) {
	got, err := ids{"evt-9..evt-11", "other", "x1..x1"}.expand()
	if diff := cmp.Diff(ids{"evt-9", "evt-10", "evt-11", "other", "x1"}, got); diff != "" || err != nil {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"evt-2..evt-1", "a..b", "a1..b2", "a1.."} {
		if got, err := (ids{bad}).expand(); err == nil {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

// TestScripts shows what isn't accepted as a case.
func TestScripts(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"fine":              {"about: x\nsteps: [{expect: {events: [a1..a2]}}]", ""},
		"an unknown member": {"about: x\nsteps: [{expect: {evnts: [a]}}]", "evnts"},
		"two in one step":   {"about: x\nsteps: [{do: kill, break: cut}, {expect: {}}]", "this one 2"},
		"none in a step":    {"about: x\nsteps: [{as: a}, {expect: {}}]", "this one 0"},
		"no expectation":    {"about: x\nsteps: [{do: kill}]", "nothing is expected"},
		"no sentence":       {"steps: [{expect: {}}]", "what it is about"},
		"a bad range":       {"about: x\nsteps: [{expect: {events: [a2..a1]}}]", "is no range"},
		"no such word":      {"about: x\nsteps: [{do: nothing}, {expect: {}}]", "is none of"},
		"no such gateway":   {"gateway: older\nabout: x\nsteps: [{expect: {}}]", "is none"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "case.yaml")
			if err := os.WriteFile(file, []byte(test.script), 0o600); err != nil {
				t.Fatal(err)
			}
			s := &script{}
			err := readYAML(file, s)
			if err == nil {
				err = s.validate()
			}
			mustSay(t, err, test.want)
		})
	}
}

// TestProxy shows the proxy what it is for: a server that sends 1,000 bytes again and again, and what arrives of it.
func TestProxy(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = c.Write(make([]byte, 1000))
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	p, err := newProxy(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.treat([]treatment{{CutAfter: 300}, {HangAfter: 400}, {}})
	for i, test := range []struct {
		want  int
		after func()
	}{{300, func() {}}, {400, p.cut}, {1000, p.cut}} {
		c, err := net.Dial("tcp", p.addr())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(c, make([]byte, test.want)); err != nil {
			t.Fatalf("connection %d brought %d bytes, and then %v", i+1, n, err)
		}
		test.after()
		if rest, _ := io.ReadAll(c); len(rest) > 0 {
			t.Errorf("connection %d brought %d bytes too much", i+1, len(rest))
		}
		_ = c.Close()
	}
}

func TestTable(t *testing.T) {
	results := &table{languages: []string{"go", "rust"}}
	results.add("hang", "go", nil)
	results.add("hang", "rust", errors.New("step 3: it hung\nand more"))
	results.add("cut", "go", nil)
	results.add("idle", "rust", nil)
	results.add("cut", "rust", errors.New("step 3: it hung"))
	var got strings.Builder
	results.print(&got)
	want := "case  go  rust\ncut   ✓   ✗\nhang  ✓   ✗\nidle      ✓\n✗ rust, cut hang: step 3: it hung\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

func TestNewcomer(t *testing.T) {
	tests := map[string]struct {
		once  bool
		lines []string
		want  string
	}{
		"all":                  {true, []string{"hello", "a evt_n0000", "analysis ana_n0000", "a evt_n0001", "analysis ana_n0001"}, ""},
		"one lost":             {true, []string{"evt_n0001"}, "came 0001 instead of 0000"},
		"one lost of one kind": {true, []string{"evt_n0000", "quo_n0000", "evt_n0001"}, "of quo_"},
		"repeated":             {true, []string{"evt_n0000", "evt_n0001", "evt_n0001"}, "too much"},
		"repeated, and may":    {false, []string{"evt_n0001", "evt_n0000", "evt_n0001"}, ""},
		"nothing":              {false, []string{"hello"}, "printed no event"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var lines []line
			for _, text := range test.lines {
				lines = append(lines, line{text: text})
			}
			mustSay(t, (&newcomer{once: test.once}).judge(lines, 2), test.want)
		})
	}
}
