package gate

import (
	"errors"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var only = flag.String("case", "", "play only the cases whose name matches this `regexp`; known.txt is not consulted")

// lanes is how many cases are played at a time.
const lanes = 4

// corpus loads the cases, and those of them that are known to fail.
func corpus(t *testing.T) (cases []*Case, known map[string]string) {
	t.Helper()
	cases, err := Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	known = map[string]string{}
	data, err := os.ReadFile("known.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, why, _ := strings.Cut(line, " ")
		known[name] = why
	}
	for name := range known {
		mode, rest, _ := strings.Cut(name, ":")
		if !slices.ContainsFunc(cases, func(c *Case) bool { return c.Name == rest }) || mode != "*" && !slices.Contains(Modes, mode) {
			t.Errorf("known.txt: there is no case %s", name)
		}
	}
	if *only != "" {
		re, err := regexp.Compile(*only)
		if err != nil {
			t.Fatal(err)
		}
		cases = slices.DeleteFunc(cases, func(c *Case) bool { return !re.MatchString(c.Name) })
	}
	return cases, known
}

// Every case of the corpus ends as it may, in every mode of desync mitigation,
// and the target saw what was logged and nothing else.
func TestCorpus(t *testing.T) {
	cases, known := corpus(t)
	for _, mode := range Modes {
		t.Run(mode, func(t *testing.T) { play(t, mode, cases, known, Options{}) })
	}
}

// What is refused, and what is passed on, does not depend on how the bytes
// arrive.
func TestDribbled(t *testing.T) {
	if testing.Short() {
		t.Skip("sends every byte by itself")
	}
	cases, known := corpus(t)
	play(t, defaultMode, cases, known, Options{Dribble: true})
}

// play plays the cases in a mode and judges them one by one.
func play(t *testing.T, mode string, cases []*Case, known map[string]string, opt Options) {
	e, err := StartElbow(t.TempDir(), mode, lanes)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var mine []*Case
	for _, c := range cases {
		mine = append(mine, c.In(mode))
	}
	seen := Run(mine, e.Lanes, opt)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Read(seen); err != nil {
		t.Fatal(err)
	}
	for i, c := range mine {
		problems := Judge(seen[i])
		why, expected := known[mode+":"+c.Name]
		if !expected {
			why, expected = known["*:"+c.Name]
		}
		expected = expected && *only == ""
		t.Run(c.Name, func(t *testing.T) {
			switch {
			case len(problems) > 0 && expected:
				t.Skipf("known.txt: %s: %s", why, strings.Join(problems, "; "))
			case expected:
				t.Errorf("%s passes: take it off known.txt", c.Name)
			}
			for _, p := range problems {
				t.Errorf("%s (%s)\n%s", c.Where, c.From, p)
			}
			if t.Failed() && *only != "" {
				t.Logf("the client got:\n%.3000q", seen[i].In)
				for k, raw := range seen[i].Target.raw {
					t.Logf("target connection %d:\n%.3000q", k, raw)
				}
				for _, l := range seen[i].Log {
					t.Logf("log: %v", l)
				}
			}
		})
	}
}

// The corpus is as large, and as wide, as it is meant to be.
func TestSize(t *testing.T) {
	cases, err := Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	topics := map[string]int{}
	for _, c := range cases {
		topics[c.Topic]++
	}
	least := map[string]int{
		"request-line": 20, "target-forms": 15, "host": 20, "field-syntax": 25, "content-length": 20,
		"transfer-encoding": 25, "chunked": 30, "trailers": 8, "versions": 8, "upgrade": 8, "connect": 4, "expect": 5,
		"connection-listed": 10, "pipelining": 8, "limits": 10, "url-normalisation": 60, "spoofed-headers": 40,
		"real-clients": 25, "responses": 30,
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		if n := least[topic]; topics[topic] < n {
			t.Errorf("topic %s has %d cases, want at least %d", topic, topics[topic], n)
		}
		t.Logf("%-18s %d", topic, topics[topic])
		delete(least, topic)
	}
	if len(least) > 0 {
		t.Errorf("topics without cases: %v", least)
	}
	if len(cases) < 300 {
		t.Errorf("%d cases, want at least 300", len(cases))
	}
	t.Logf("%-18s %d", "all", len(cases))
}
