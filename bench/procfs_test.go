package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "1234 (a (b) c) S 1 77 77 0 -1 4194560 100 0 0 0 250 150 9 9 20 0 3 0 100 1 2 3\n"
	st, err := parseStat(line)
	if err != nil {
		t.Fatal(err)
	}
	if want := (procStat{group: 77, ticks: 4 * time.Second}); st != want {
		t.Errorf("parseStat = %+v, want %+v", st, want)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S 1 g 77 0 -1 4194560 100 0 0 0 250 150 9 9"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) succeeded", bad)
		}
	}
}

func TestParseSchedstat(t *testing.T) {
	if d, err := parseSchedstat("77956 12 3\n"); err != nil || d != 77956 {
		t.Errorf("got %v, %v", d, err)
	}
	for _, bad := range []string{"", "1 2", "x 1 2"} {
		if _, err := parseSchedstat(bad); err == nil {
			t.Errorf("parseSchedstat(%q) succeeded", bad)
		}
	}
}

func TestParseBusy(t *testing.T) {
	const text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 1000 1000 4 5 6 0 0\ncpu1 10 0 10 500 0 0 0 0 0 0\nintr 5\n"
	f := func(set cpuSet, want time.Duration) {
		t.Helper()
		got, err := parseBusy(text, set)
		if err != nil || got != want {
			t.Errorf("processors %s: %v, %v; want %v", set, got, err, want)
		}
	}
	f(cpuSet{0}, 210*time.Millisecond)
	f(cpuSet{1}, 200*time.Millisecond)
	f(cpuSet{0, 1}, 410*time.Millisecond)
	if _, err := parseBusy(text, cpuSet{2}); err == nil {
		t.Error("a processor that is not there: no error")
	}
}

func TestParsePss(t *testing.T) {
	n, err := parsePss([]byte("00400000-7fff rollup\nRss:   900 kB\nPss_Anon:   7 kB\nPss:               123 kB\n"))
	if err != nil || n != 123<<10 {
		t.Errorf("got %d, %v", n, err)
	}
	for _, bad := range []string{"", "Rss: 1 kB\n", "Pss: x kB\n"} {
		if _, err := parsePss([]byte(bad)); err == nil {
			t.Errorf("parsePss(%q) succeeded", bad)
		}
	}
}

func TestCPUSince(t *testing.T) {
	before := cpuSample{threads: map[int]time.Duration{1: 100, 2: 50}, ticks: 1000}
	f := func(what string, after cpuSample, want time.Duration) {
		t.Helper()
		if got := after.since(before); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	f("same threads", cpuSample{threads: map[int]time.Duration{1: 130, 2: 60}, ticks: 1000}, 40)
	f("a new thread", cpuSample{threads: map[int]time.Duration{1: 100, 2: 50, 3: 7}, ticks: 1000}, 7)
	f("a thread ended", cpuSample{threads: map[int]time.Duration{1: 130}, ticks: 1900}, 900)
}

// The files of this very process have the form that the parsers expect.
func TestSampleOwnGroup(t *testing.T) {
	members, err := groupMembers(ownGroup(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := members[os.Getpid()]; !ok {
		t.Errorf("own group %v lacks the process %d", members, os.Getpid())
	}
	if _, err := sampleCPU(ownGroup(t)); err != nil {
		t.Error(err)
	}
	if n, err := sampleMemory(ownGroup(t)); err != nil || n <= 0 {
		t.Errorf("memory %d, %v", n, err)
	}
	online, err := onlineCPUs()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sampleBusy(online); err != nil {
		t.Error(err)
	}
}

func ownGroup(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	st, err := parseStat(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return st.group
}
