package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSummarise(t *testing.T) {
	f := func(name, in, wantLast string, wantFailed bool, wantIn ...string) {
		t.Helper()
		var out strings.Builder
		failed, err := summarise(strings.NewReader(in), &out, "", "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if got := lines[len(lines)-1]; got != wantLast {
			t.Errorf("%s: last line %q, want %q", name, got, wantLast)
		}
		if failed != wantFailed {
			t.Errorf("%s: failed = %v, want %v", name, failed, wantFailed)
		}
		for _, want := range wantIn {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: output lacks %q:\n%s", name, want, out.String())
			}
		}
	}

	f("a pass", `
{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.5}
`, "1 passed, 0 failed, 0 skipped", false, "ok   p")

	f("subtests count instead of their parent", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"run","Package":"p","Test":"TestA/y"}
{"Action":"pass","Package":"p","Test":"TestA/y"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`, "2 passed, 0 failed, 0 skipped", false)

	f("a failing subtest is one failure", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"output","Package":"p","Test":"TestA/x","Output":"    a_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}
`, "0 passed, 1 failed, 0 skipped", true, "got 1, want 2")

	f("a skip says why", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: needs root: uid 1000\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`, "0 passed, 0 failed, 1 skipped", false, "  p TestA: needs root: uid 1000")

	f("a package that does not build", `
{"ImportPath":"p [p.test]","Action":"build-output","Output":"./x.go:1:1: undefined: y\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`, "0 passed, 1 failed, 0 skipped", true, "undefined: y")

	f("a panic ends the package inside a test", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}
`, "0 passed, 1 failed, 0 skipped", true, "panic: boom", "did not end")

	f("output that stops half way is a failure", `
{"Action":"run","Package":"p","Test":"TestA"}
`, "0 passed, 1 failed, 0 skipped", true)

	f("nothing at all is a failure", "", "0 passed, 1 failed, 0 skipped", true, "no test ran")

	f("what go says before it starts is shown", "go: cannot find main module\n",
		"0 passed, 1 failed, 0 skipped", true, "cannot find main module")
}

func TestTotal(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.json"), filepath.Join(dir, "sub", "two.json")
	for name, c := range map[string]counts{one: {"test", 3, 0, 1}, two: {"race", 4, 0, 0}} {
		if err := writeCounts(name, c); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	failed, err := printTotal(&out, []string{one, two})
	if err != nil || failed {
		t.Fatalf("printTotal: failed %v, err %v", failed, err)
	}
	if !strings.HasSuffix(out.String(), "\n7 passed, 0 failed, 1 skipped\n") {
		t.Errorf("total:\n%s", out.String())
	}

	if err := os.WriteFile(one, []byte("not json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := printTotal(&out, []string{one}); err == nil {
		t.Error("a damaged record must be an error")
	}
	if _, err := printTotal(&out, nil); err == nil {
		t.Error("no record at all must be an error")
	}
}
