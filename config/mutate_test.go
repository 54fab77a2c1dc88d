package config

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// mutations is how many damaged configurations TestMutations tries.
const mutations = 500

// TestMutations damages a good configuration in ways that editors and people
// do. Each result is either refused, with places, or makes a sound model.
func TestMutations(t *testing.T) {
	good, err := os.ReadFile("testdata/accepted/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	schema := resolvedSchema(t)
	accepted := 0
	for i := range mutations {
		text := good
		for range 1 + rng.IntN(3) {
			text = mutate(rng, text)
		}
		if check(t, text) {
			accepted++
			if err := validate(schema, text); err != nil {
				t.Errorf("mutation %d is accepted, but not by the schema: %v\n%s", i, err, text)
			}
		}
		if t.Failed() {
			t.Fatalf("mutation %d:\n%s", i, text)
		}
	}
	// Many changes are harmless, in comments for example; but a check that
	// accepts nearly everything, or nothing, checks nothing.
	if accepted < mutations/50 || accepted > mutations/2 {
		t.Errorf("%d of %d were accepted", accepted, mutations)
	}
	t.Logf("%d of %d were accepted", accepted, mutations)
}

// check parses a text and checks what must be true of any; it tells whether the
// text was accepted.
func check(t testing.TB, text []byte) bool {
	t.Helper()
	m, errs := Parse("lb.yaml", text, testEnv)
	if (m == nil) == (len(errs) == 0) {
		t.Errorf("model %v with errors %v", m, errs)
	}
	checkDiagnostics(t, errs)
	if err := errs.Render(io.Discard, true); err != nil {
		t.Error(err)
	}
	if m == nil {
		return false
	}
	checkDiagnostics(t, m.Warnings)
	if problem := unsound(m); problem != "" {
		t.Errorf("unsound model: %s", problem)
	}
	return true
}

// mutate returns text with one thing changed.
func mutate(rng *rand.Rand, text []byte) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	at := rng.IntN(len(lines))
	values := []string{"", "0", "-1", "65536", "999999999999", "0x10", "010", "1e3", "true", "null", "~", "[]", "{}", "*a", "&a", "!!int 1", "${NOPE}", "${PORT}", "$$",
		"'", "\"", "web", "a b", "ü", "\t", "---", "- x", "#", "\x00", "\xff", "\\", ": ", "HTTPS", "network", "::1", "1.2.3.4", "/", "*", strings.Repeat("x", 300)}
	value := values[rng.IntN(len(values))]
	line := string(lines[at])
	switch rng.IntN(9) {
	case 0: // a line is lost
		lines[at] = nil
	case 1: // a line is there twice
		lines[at] = []byte(line + line)
	case 2: // two lines change places
		other := rng.IntN(len(lines))
		lines[at], lines[other] = lines[other], lines[at]
	case 3: // the indentation changes
		lines[at] = []byte(strings.Repeat(" ", rng.IntN(4)) + strings.TrimPrefix(line, "  "))
	case 4: // a value changes
		if key, _, ok := strings.Cut(line, ": "); ok {
			lines[at] = []byte(key + ": " + value + "\n")
		}
	case 5: // a word changes
		if words := strings.Fields(line); len(words) > 0 {
			lines[at] = []byte(strings.Replace(line, words[rng.IntN(len(words))], value, 1))
		}
	case 6: // a character is lost
		if i := rng.IntN(len(line) + 1); i < len(line) {
			lines[at] = []byte(line[:i] + line[i+1:])
		}
	case 7: // characters are put in
		i := rng.IntN(len(line) + 1)
		lines[at] = []byte(line[:i] + value + line[i:])
	case 8: // the end is lost
		text = bytes.Join(lines, nil)
		return text[:rng.IntN(len(text)+1)]
	}
	return bytes.Join(lines, nil)
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"accepted/*.yaml", "rejected/*.txt"} {
		for _, path := range corpus(f, pattern) {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			input, _, _ := strings.Cut(string(data), expectation)
			f.Add([]byte(input))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) { check(t, text) })
}
