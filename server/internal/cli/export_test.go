package cli

import (
	"bytes"
	"strings"
	"testing"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestFileNameOf(t *testing.T) {
	tests := []struct{ id, format, want string }{
		{"exp_42", "csv", "exp_42.csv"},
		{"exp_42", "", "exp_42"},
		{"../../etc/passwd", "", "_.._etc_passwd"},
		{"-rf", "json", "rf.json"},
		{"...", "csv", "export.csv"},
		{"a b\n\x1b[31m", "../x", "a_b__[31m"},
		{strings.Repeat("x", 500), "csv", strings.Repeat("x", 100) + ".csv"},
	}
	for _, test := range tests {
		got := fileNameOf(&strawv1.Export{Id: test.id, Format: test.format})
		if test.id == "a b\n\x1b[31m" {
			if strings.ContainsAny(got, " \n\x1b/[") {
				t.Errorf("%q is called %q", test.id, got)
			}
			continue
		}
		if got != test.want {
			t.Errorf("%q is called %q, want %q", test.id, got, test.want)
		}
	}
}

func TestProgressBarIsForTerminals(t *testing.T) {
	var stderr bytes.Buffer
	s := &saving{program: &program{stderr: &stderr}, id: "exp_1"}
	if s.bar(0, 100) != nil {
		t.Error("there is a bar without a terminal")
	}
	s.terminal.stderr = true
	bar := s.bar(60<<20, 100<<20)
	if bar == nil {
		t.Fatal("there is no bar on a terminal")
	}
	if _, err := bar.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := bar.RenderBlank(); err != nil {
		t.Fatal(err)
	}
	if text := stderr.String(); !strings.Contains(text, "exp_1 after 60.0 MiB") || !strings.Contains(text, "25%") || !strings.Contains(text, "MiB") {
		t.Errorf("the bar shows %q", text)
	}
	s.path, s.terminal.stdout = "-", true
	if s.bar(0, 100) != nil {
		t.Error("the bar and the bytes share a terminal")
	}
}

func TestPrintableCannotSteerATerminal(t *testing.T) {
	if got := printable("no \x1b[31mcolour, ünï\r\n"); got != "no \ufffd[31mcolour, ünï\ufffd\ufffd" {
		t.Errorf("got %q", got)
	}
}
