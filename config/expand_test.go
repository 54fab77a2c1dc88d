package config

import (
	"strings"
	"testing"
)

func expandText(text string, env LookupEnv) (string, Diagnostics) {
	r := &reporter{}
	e := expander{r: r, env: env}
	n := &node{source: &source{name: "lb.yaml"}, line: 1, column: 1, raw: text, text: text}
	e.expand(n, func() string { return "x" })
	if n.bad != (len(r.errors) > 0) {
		panic("bad without an error, or an error without bad")
	}
	return n.text, r.errors
}

func TestExpand(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, errs := expandText(text, testEnv)
		if errs != nil || got != want {
			t.Errorf("%q: got %q %v, want %q", text, got, errs, want)
		}
	}
	f("", "")
	f("plain", "plain")
	f("${PORT}", "8081")
	f("a${PORT}b${ZONE}c", "a8081bac")
	f("${EMPTY}", "")
	f("${EMPTY:-x}", "x")
	f("${NOPE:-}", "")
	f("${NOPE:-a:-b $1 $$}", "a:-b $1 $$")
	f("${PORT:?must be set}", "8081")
	f("$$", "$")
	f("$${PORT}", "${PORT}")
	f("$$$${PORT}", "$${PORT}")
	f("$$${PORT}", "$8081")
	// What regular expressions, their replacements and redirects hold stays.
	f("^/a$", "^/a$")
	f("/$1/$2$", "/$1/$2$")
	f("$(x) $x", "$(x) $x")
	f("#{host}:#{port}", "#{host}:#{port}")
	f("${YAML}", "x, admin: {socket: ''}")
}

// Nothing that a variable holds is expanded again, or becomes YAML.
func TestExpandInjects(t *testing.T) {
	env := func(name string) (string, bool) {
		return map[string]string{"A": "${B}$$", "B": "b", "C": "web\n    security_groups: [x]"}[name], true
	}
	if got, errs := expandText("${A}", env); errs != nil || got != "${B}$$" {
		t.Errorf("got %q %v", got, errs)
	}
	_, errs := Parse("lb.yaml", []byte("version: 1\nload_balancers:\n  - name: ${C}\n    listeners: []\n"), env)
	if len(errs) != 1 || errs[0].Path != "load_balancers[0].name" {
		t.Errorf("got %v", errs)
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "$", "$$", "${", "${}", "${A}", "${A:-b}", "${A:?b}", "${A:}", "${file:x}", "$${A}", "a${A}$1", "${A:-${B}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const value = "${A}$$"
		got, errs := expandText(text, func(name string) (string, bool) {
			if !isVariableName(name) {
				t.Errorf("looked up %q", name)
			}
			return value, true
		})
		checkDiagnostics(t, errs)
		if !strings.Contains(text, "$") && got != text {
			t.Errorf("%q became %q", text, got)
		}
		if errs != nil {
			return
		}
		// Doubling every $ quotes a text entirely.
		if quoted, errs := expandText(strings.ReplaceAll(text, "$", "$$"), nil); errs != nil || quoted != text {
			t.Errorf("quoted %q became %q %v", text, quoted, errs)
		}
		if n := strings.Count(text, "${"); len(got) > len(text)+n*len(value) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
