package main

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

func TestParseOptions(t *testing.T) {
	two := cpuSet{0, 1}
	o, err := parseOptions([]string{"-only", "body-1m, small-64", "-contestants=nginx", "-rounds", "3", "-load-cpus", "0-1"}, io.Discard, two)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"small-64", "body-1m"}; !reflect.DeepEqual(o.only, want) {
		t.Errorf("cases %v, want %v", o.only, want)
	}
	if o.rounds != 3 || len(o.contestants) != 1 || o.proxyCPUs.String() != "1" || o.loadCPUs.String() != "0,1" {
		t.Errorf("options %+v", o)
	}
	if o, err = parseOptions([]string{"-short", "-rounds", "9"}, io.Discard, two); err != nil || o.rounds != 1 || o.seconds != 1 {
		t.Errorf("short: %+v, %v", o, err)
	}
	for _, bad := range []string{"-only=nothing", "-contestants=caddy", "-rounds=0", "-seconds=0", "-proxy-cpus=x", "extra"} {
		if _, err := parseOptions([]string{bad}, io.Discard, two); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestParseCPUSet(t *testing.T) {
	for s, want := range map[string]string{"0": "0", "3,1": "1,3", "0-2,2,5": "0,1,2,5"} {
		if got, err := parseCPUSet(s); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v; want %s", s, got, err, want)
		}
	}
	for _, bad := range []string{"", "a", "1-", "2-1", "-1", "0-99999"} {
		if _, err := parseCPUSet(bad); err == nil {
			t.Errorf("parseCPUSet(%q) succeeded", bad)
		}
	}
}

func TestDefaultPlacement(t *testing.T) {
	if proxy, load := defaultPlacement(cpuSet{2, 5, 6}); proxy.String() != "5" || load.String() != "2" {
		t.Errorf("contestant on %s, load on %s", proxy, load)
	}
	if proxy, load := defaultPlacement(cpuSet{3}); proxy.String() != "3" || load.String() != "3" {
		t.Errorf("contestant on %s, load on %s", proxy, load)
	}
}

func TestBrowserHeaders(t *testing.T) {
	head := "GET /128 HTTP/1.1\r\nHost: 127.0.0.1:40000\r\n" + strings.Join(browserHeaders(460, "/128"), "\r\n") + "\r\n\r\n"
	if len(head) != 460 {
		t.Errorf("a head of %d bytes, want 460", len(head))
	}
}

// Neighbours share a setup where they can, case names are unique, and the
// verdicts are those of the design.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.name] {
			t.Errorf("two cases %s", c.name)
		}
		seen[c.name] = true
		if c.ratio > 0 && c.limit > 0 {
			t.Errorf("%s has two conditions", c.name)
		}
		if len(c.load.path) == 0 || c.load.conns == 0 {
			t.Errorf("%s has no load", c.name)
		}
	}
}

func TestCheckForwarded(t *testing.T) {
	const good = "GET / HTTP/1.1\r\nx-forwarded-for: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n\r\n"
	if err := checkForwarded(good, 80); err != nil {
		t.Error(err)
	}
	if err := checkForwarded(good, 81); err == nil {
		t.Error("the wrong port was accepted")
	}
	if err := checkForwarded(strings.Replace(good, "X-Forwarded-Proto", "X-Other", 1), 80); err == nil {
		t.Error("a missing header was accepted")
	}
}

// Every contestant is configured with all 20 rules, and nothing of them where
// the case has none.
func TestConfigurations(t *testing.T) {
	for _, name := range contestantNames() {
		c := newContestant(name, "elbow")
		s := site{setup: setupRules, dir: "/nowhere", port: 18080, main: 18081, other: 18082, cores: 2, files: 20000}
		text := c.configure(s)
		for _, r := range ruleSpecs() {
			if r.host != "" && !strings.Contains(text, r.host) || r.prefix != "" && !strings.Contains(text, r.prefix) {
				t.Errorf("%s lacks rule %d", name, r.number)
			}
		}
		for _, port := range []string{"18080", "18081", "18082"} {
			if !strings.Contains(text, port) {
				t.Errorf("%s lacks port %s", name, port)
			}
		}
		s.setup = setupPlain
		if text := c.configure(s); strings.Contains(text, "svc") || strings.Contains(text, "18082") {
			t.Errorf("%s has rules in the plain setup:\n%s", name, text)
		}
	}
}

// What is generated for Elbow is what its configuration package accepts, with
// all rules in it.
func TestElbowConfigIsValid(t *testing.T) {
	for _, s := range []setup{setupPlain, setupRules, setupSticky} {
		text := elbowConfig(site{setup: s, dir: "/nowhere", port: 18080, main: 18081, other: 18082})
		model, problems := config.Parse("bench.yaml", []byte(text), func(string) (string, bool) { return "", false })
		if len(problems) > 0 {
			t.Fatalf("setup %d: %v\n%s", s, problems, text)
		}
		rules := len(model.LoadBalancers[0].Listeners[0].Rules)
		if want := map[setup]int{setupRules: ruleCount, setupSticky: ruleCount}[s]; rules != want {
			t.Errorf("setup %d has %d rules, want %d", s, rules, want)
		}
	}
}

func TestResultsDir(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		o, err := parseOptions(args, io.Discard, cpuSet{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := resultsDir(o, "/r"); got != want {
			t.Errorf("%v: %q, want %q", args, got, want)
		}
	}
	f("/r/bench/results")
	f("/r/bench/results", "-rounds=7")
	f("", "-short")
	f("", "-only=idle")
	f("", "-contestants=haproxy,nginx")
	f("/x", "-only=idle", "-results=/x")
}
