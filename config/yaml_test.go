package config

import (
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	f := func(text string, line, column int, problem string) {
		t.Helper()
		in := inspection{data: []byte(text)}
		in.run()
		if !strings.Contains(in.problem, problem) || (in.problem == "") != (problem == "") {
			t.Errorf("%.50q: %q, want %q", text, in.problem, problem)
		}
		if in.problem != "" && (in.line != line || in.column != column) {
			t.Errorf("%.50q: at %d:%d, want %d:%d", text, in.line, in.column, line, column)
		}
	}
	f("", 0, 0, "")
	f("\ufeffa: ü\r\n\tb\n", 0, 0, "")
	f("%YAML 1.1\n---\na: '%TAG'\n", 0, 0, "")
	f("a\n\nü\x01", 3, 2, "control character U+0001")
	f("a\x7f", 1, 2, "control character U+007F")
	f("a\u0080", 1, 2, "control character U+0080")
	f("a\uffff", 1, 2, "control character U+FFFF")
	f("ab\xff", 1, 3, "byte 0xff")
	f("ab\ufeff", 1, 3, "byte order mark")
	// What the library takes for line breaks would shift all lines below.
	f("# a\u2028b", 1, 4, "U+2028 is a line break to some programs only")
	f("# a\u2029b", 1, 4, "U+2029")
	f("# a\u0085b", 1, 4, "U+0085")
	f("a\rb", 1, 2, "carriage return")
	f("a\r", 1, 2, "carriage return")
	f("a\n%TAG ! b", 2, 1, "%TAG has no meaning here")
}

// A mark stands for at most two values, the key and the value of an entry.
func TestMarks(t *testing.T) {
	f := func(text string, values int) {
		t.Helper()
		in := inspection{data: []byte(text)}
		if in.run(); 1+2*in.marks < values {
			t.Errorf("%q: %d marks for %d values", text, in.marks, values)
		}
	}
	f("[a,b]", 3)
	f("{a,b}", 5)
	f("[a: b, : ]", 7)
	f("- - -\n-\n", 6)
	f("?\n? a\n", 5)
	f("a:\nb:\n", 5)
	f("{\"a\":1,\"b\":{}}", 5)
}

type panickingReader struct{}

func (panickingReader) Read([]byte) (int, error) { panic("internal error (please report)") }

func TestParserPanics(t *testing.T) {
	if _, err := loadYAML(panickingReader{}); err == nil || !strings.Contains(err.Error(), "please report") {
		t.Errorf("got %v", err)
	}
}

func TestKeys(t *testing.T) {
	const text = "version: 1\nload_balancers: []\nzones: [{&key name: *key}, {name: z}]\n"
	m, errs := Parse("lb.yaml", []byte(text), nil)
	if errs != nil || m.Zones[0].Name != "name" {
		t.Errorf("anchor on a key: got %v", errs)
	}
	_, errs = Parse("lb.yaml", []byte("!x version: 1\nload_balancers: []\n"), nil)
	if len(errs) != 1 || !strings.Contains(errs.Error(), "lb.yaml:1:1: the YAML tag !x has no meaning here") {
		t.Errorf("tag on a key: got %v", errs)
	}
}

func TestPrintable(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := abbreviate(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	f("", "")
	f("a ü 語", "a ü 語")
	f("a\x1b[2J\n\tb", "a?[2J??b")
	f("a\u202eb\u2066c\u2028", "a?b?c?")
	f("\xff", "?")
	f(strings.Repeat("ü", maxShown), strings.Repeat("ü", maxShown))
	f(strings.Repeat("ü", maxShown+1), strings.Repeat("ü", maxShown)+"…")
}
