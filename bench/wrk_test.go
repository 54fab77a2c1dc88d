package main

import (
	"strings"
	"testing"
)

const wrkReport = `Running 5s test @ http://127.0.0.1:40000/128
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.50ms  400.00us  12.00ms   90.00%
    Req/Sec    42.00k     1.00k   45.00k    80.00%
  Latency Distribution
     50%    1.43ms
     75%    1.60ms
     90%    1.90ms
     99%  870.00us
  210000 requests in 5.01s, 55.10MB read
Requests/sec:  41916.17
Transfer/sec:     11.00MB
`

func TestParseWrk(t *testing.T) {
	f := func(what, text string, want wrkResult) {
		t.Helper()
		got, err := parseWrk(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	good := wrkResult{Requests: 210000, Seconds: 5.01, P50: 1430, P99: 870}
	f("clean", wrkReport, good)
	good.Errors = 6
	f("socket errors", wrkReport+"  Socket errors: connect 1, read 2, write 0, timeout 3\n", good)
	good.Errors = 17
	f("statuses", wrkReport+"  Non-2xx or 3xx responses: 17\n", good)

	for _, missing := range []string{"50%", "99%", "requests in"} {
		var kept []string
		for l := range strings.Lines(wrkReport) {
			if !strings.Contains(l, missing) {
				kept = append(kept, l)
			}
		}
		if _, err := parseWrk(strings.Join(kept, "")); err == nil {
			t.Errorf("a report without %q was accepted", missing)
		}
	}
	if _, err := parseWrk(strings.Replace(wrkReport, "1.43ms", "1.43", 1)); err == nil {
		t.Error("a time without unit was accepted")
	}
}

func TestParseWrkTime(t *testing.T) {
	for s, want := range map[string]float64{"870.00us": 870, "1.50ms": 1500, "2.00s": 2e6, "1.50m": 90e6, "1.00h": 3600e6} {
		if got, err := parseWrkTime(s); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", s, got, err, want)
		}
	}
	for _, bad := range []string{"", "1", "ms", "-1ms", "1..0s"} {
		if _, err := parseWrkTime(bad); err == nil {
			t.Errorf("parseWrkTime(%q) succeeded", bad)
		}
	}
}

func FuzzParseWrk(f *testing.F) {
	f.Add(wrkReport)
	f.Add("Socket errors: connect 1\n  50%\n 1 requests in 2s,\n")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := parseWrk(text); err == nil && (r.P50 < 0 || r.P99 < 0) {
			t.Errorf("accepted %+v", r)
		}
	})
}
