package main

import (
	"slices"
	"testing"
)

func TestParseList(t *testing.T) {
	got := parseList("FuzzHead\nFuzzChunk\nok  \texample/http1\t0.003s\nok  \texample/none\t0.002s\nFuzzRule\nok  \texample/rule\t0.01s\n")
	want := []target{{"example/http1", "FuzzHead"}, {"example/http1", "FuzzChunk"}, {"example/rule", "FuzzRule"}}
	if !slices.Equal(got, want) {
		t.Errorf("parseList = %v, want %v", got, want)
	}
}

func TestDeadlineNoise(t *testing.T) {
	f := func(name, out string, want bool) {
		t.Helper()
		if got := deadlineNoise(out); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	f("the engine's own deadline", "--- FAIL: FuzzX (5.01s)\n    context deadline exceeded\nFAIL\n", true)
	f("a finding that mentions a deadline", "context deadline exceeded\nFailing input written to testdata/fuzz/FuzzX/1\n", false)
	f("a finding", "panic: index out of range\nFailing input written to testdata/fuzz/FuzzX/1\n", false)
}

func TestExecutions(t *testing.T) {
	out := "fuzz: elapsed: 3s, execs: 102 (34/sec), new interesting: 1\nfuzz: elapsed: 5s, execs: 250 (74/sec), new interesting: 1\nPASS\n"
	if got := executions(out); got != "250 inputs" {
		t.Errorf("executions = %q", got)
	}
}
