package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func rounds(cpu ...float64) []round {
	list := make([]round, len(cpu))
	for i, v := range cpu {
		list[i] = round{Requests: 1000, Seconds: 1, CPU: v, Rate: 1000, P50: 100, P99: 2000, Busy: 0.5}
	}
	return list
}

// sample is a run in which Elbow passes one case and misses another.
func sample() report {
	pass := caseResult{benchCase: benchCase{name: "one", title: "first", figure: figureCPU, ratio: 0.85}}
	pass.add(&contestant{name: "elbow"}, rounds(8, 9, 7))
	pass.add(&contestant{name: "haproxy", peer: true}, rounds(10, 10, 10))
	pass.add(&contestant{name: "nginx", peer: true}, rounds(12, 12, 12))
	miss := caseResult{benchCase: benchCase{name: "idle", title: "second", figure: figureMemory, limit: 1024, kind: idleConns}}
	miss.add(&contestant{name: "elbow"}, []round{{Memory: 2048}})
	miss.add(&contestant{name: "nginx", peer: true}, []round{{Memory: 1024}})
	return report{
		Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Commit: "abc", Command: "go run ./bench",
		Versions: map[string]string{"go": "go1.26"}, Rounds: 3, Seconds: 1, Proxy: "1", Load: "0",
		Cases: []caseResult{pass, miss},
	}
}

func TestWriteCase(t *testing.T) {
	rep := sample()
	var b bytes.Buffer
	rep.writeCase(&b, &rep.Cases[0])
	const want = `
one: first; target: CPU µs/request ≤ 0.85× the best peer's
  contestant  CPU µs/request (min–max)  requests/s  p50 µs  p99 µs (min–max)  busy             ratio  verdict
  elbow                  8.0 (7.0–9.0)       1,000     100             2,000   50%  0.80 (0.70–0.90)     pass
  haproxy                         10.0       1,000     100             2,000   50%              1.00
  nginx                           12.0       1,000     100             2,000   50%              1.20
`
	if got := b.String(); got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
	b.Reset()
	rep.writeCase(&b, &rep.Cases[1])
	const idle = `
idle: second; target: bytes/connection ≤ 1024
  contestant  bytes/connection (min–max)  ratio  verdict
  elbow                            2,048   2.00     MISS
  nginx                            1,024   1.00
`
	if got := b.String(); got != idle {
		t.Errorf("got:%s\nwant:%s", got, idle)
	}
}

func TestShortRunsJudgeNothing(t *testing.T) {
	rep := sample()
	rep.Short = true
	var b bytes.Buffer
	rep.writeCase(&b, &rep.Cases[1])
	rep.writeSummary(&b)
	if s := b.String(); strings.Contains(s, "MISS") || strings.Contains(s, "missed") {
		t.Errorf("a short run was judged:\n%s", s)
	}
}

func TestVerdict(t *testing.T) {
	f := func(what string, elbow, peer []round, wantPass, wantJudged bool) {
		t.Helper()
		r := caseResult{benchCase: benchCase{figure: figureCPU, ratio: 0.85}}
		r.add(&contestant{name: "elbow"}, elbow)
		if peer != nil {
			r.add(&contestant{name: "nginx", peer: true}, peer)
		}
		if pass, judged := r.verdict(r.Entries[0]); pass != wantPass || judged != wantJudged {
			t.Errorf("%s: pass %v, judged %v; want %v, %v", what, pass, judged, wantPass, wantJudged)
		}
	}
	f("just below", rounds(8.5), rounds(10), true, true)
	f("just above", rounds(8.6), rounds(10), false, true)
	f("no peer", rounds(8), nil, false, false)
	failed := rounds(1)
	failed[0].Errors = 1
	f("failed requests", failed, rounds(10), false, false)
}

func TestSave(t *testing.T) {
	rep := sample()
	path, err := rep.save(filepath.Join(t.TempDir(), "results"))
	if err != nil {
		t.Fatal(err)
	}
	if base := filepath.Base(path); base != "2026-11-23-abc" {
		t.Errorf("named %s", base)
	}
	md, err := os.ReadFile(path + ".md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- targets: 1 passed, 1 missed: idle\n",
		"| elbow | 8.0 (7.0–9.0) | 1,000 | 100 | 2,000 | 50% | 0.80 (0.70–0.90) | pass |\n",
		"|---|---|---|---|---|---|---|---|\n",
	} {
		if !strings.Contains(string(md), want) {
			t.Errorf("the Markdown lacks %q:\n%s", want, md)
		}
	}
	text, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var back reportData
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	first := back.Cases[0].Results[0]
	if first.Name != "elbow" || first.Ratio != 0.8 || first.Verdict != "pass" || len(first.Rounds) != 3 || first.CPU.Max != 9 {
		t.Errorf("read back %+v", first)
	}
	if v := back.Cases[1].Results[0].Verdict; v != "miss" {
		t.Errorf("idle's verdict %q, want miss", v)
	}
}

func TestNumber(t *testing.T) {
	f := func(v float64, decimals int, want string) {
		t.Helper()
		if got := number(v, decimals); got != want {
			t.Errorf("number(%v, %d) = %q, want %q", v, decimals, got, want)
		}
	}
	f(0, 0, "0")
	f(999.96, 1, "1,000.0")
	f(1234567, 0, "1,234,567")
	f(-1234.5, 1, "-1,234.5")
	f(-123, 0, "-123")
}
