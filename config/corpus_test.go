package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

// testEnv is the environment of all tests.
func testEnv(name string) (string, bool) {
	value, set := map[string]string{"PORT": "8081", "ZONE": "a", "EMPTY": "", "SECRET": "hunter2", "YAML": "x, admin: {socket: ''}"}[name]
	return value, set
}

func corpus(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return paths
}

// TestAccepted loads every configuration of testdata/accepted, by Read and by
// the schema.
func TestAccepted(t *testing.T) {
	schema := resolvedSchema(t)
	for _, path := range corpus(t, "accepted/*.yaml") {
		m, errs := Read(path, testEnv)
		if errs != nil {
			t.Errorf("%s:\n%v", path, errs)
			continue
		}
		if problem := unsound(m); problem != "" {
			t.Errorf("%s: %s", path, problem)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(schema, data); err != nil {
			t.Errorf("%s: schema: %v", path, err)
		}
	}
}

// expectation separates a rejected configuration from what must be said of it.
const expectation = "\n--- expected ---\n"

// TestRejected checks what is said of each configuration in testdata/rejected.
// A file holds the configuration and what Render makes of it; -update rewrites
// the latter.
func TestRejected(t *testing.T) {
	for _, path := range corpus(t, "rejected/*.txt") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		input, _, _ := strings.Cut(string(data), expectation)
		input += "\n"
		m, errs := Parse("lb.yaml", []byte(input), testEnv)
		if m != nil || len(errs) == 0 {
			t.Errorf("%s was accepted", path)
			continue
		}
		checkDiagnostics(t, errs)
		var out bytes.Buffer
		if err := errs.Render(&out, false); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(errs.Error(), "hunter2") {
			t.Errorf("%s: a message tells a secret:\n%v", path, errs)
		}
		golden(t, path, []byte(strings.TrimSuffix(input, "\n")+expectation+out.String()))
	}
}

// checkDiagnostics checks what every error must have.
func checkDiagnostics(t testing.TB, errs Diagnostics) {
	t.Helper()
	for _, d := range errs {
		if d.Position.File == "" || d.Position.Line < 1 || d.Position.Column < 1 {
			t.Errorf("no place: %v", d)
		}
		if d.Message == "" || strings.ContainsAny(d.Message+d.Path, "\n\x1b") {
			t.Errorf("bad message: %q", d)
		}
	}
}

func resolvedSchema(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// validate checks a YAML text against a schema.
func validate(schema *jsonschema.Resolved, data []byte) error {
	var v any
	if err := yaml.Load(data, &v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var instance any
	if err := json.Unmarshal(text, &instance); err != nil {
		return err
	}
	return schema.Validate(instance)
}

// unsound says what of a model cannot be, or "". It states the promises of
// Model independently of the code that keeps them.
func unsound(m *Model) string {
	zone := func(z int) bool { return NoZone <= z && z < len(m.Zones) }
	if m.Version != 1 || len(m.Hash) != 64 || !zone(m.Node.Zone) || m.Log.Level == "" || m.Log.Format == "" {
		return "top level"
	}
	groups, names := map[*TargetGroup]bool{}, map[string]bool{}
	for _, g := range m.TargetGroups {
		if g.Name == "" || names[g.Name] || g.Port == 0 || g.Protocol != HTTP || g.TargetType != TargetIP || g.Position.Line == 0 {
			return fmt.Sprintf("target group %+v", g)
		}
		names[g.Name], groups[g] = true, true
		h := g.HealthCheck
		if h.Interval < 5e9 || h.Interval > 300e9 || h.Timeout < 2e9 || h.Timeout >= h.Interval || h.HealthyThreshold < 2 || h.UnhealthyThreshold < 2 {
			return fmt.Sprintf("health check %+v", h)
		}
		if (h.Protocol == TCP) != (h.Path == "") || (h.Protocol == TCP) != (len(h.Matcher.Ranges) == 0) {
			return fmt.Sprintf("health check %+v", h)
		}
		for _, target := range g.Targets {
			if target.Addr.IsValid() == (target.Name != "") || target.Port == 0 || !zone(target.Zone) || target.ID == "" {
				return fmt.Sprintf("target %+v", target)
			}
		}
	}
	check := func(a Actions) bool {
		switch a.Type {
		case Forward:
			for _, w := range a.Forward.Groups {
				if !groups[w.Group] || w.Weight < 0 || w.Weight > 999 {
					return false
				}
			}
			return len(a.Forward.Groups) > 0
		case Redirect:
			r := a.Redirect
			return r.Protocol != "" && r.Host != "" && r.Port != "" && r.Path != "" && (r.StatusCode == 301 || r.StatusCode == 302)
		}
		s := a.FixedResponse.StatusCode
		return s >= 200 && s < 600 && s/100 != 3 && a.FixedResponse.ContentType != ""
	}
	for _, lb := range m.LoadBalancers {
		a := lb.Attributes
		if lb.Name == "" || lb.Type != Application || !a.CrossZone || a.IdleTimeout < 1e9 || a.ClientKeepAlive < 60e9 || a.ConnectTimeout < 1e9 || a.TargetIdleTimeout < 1e9 {
			return fmt.Sprintf("load balancer %+v", lb)
		}
		for _, l := range lb.Listeners {
			last := 0
			if l.LoadBalancer != lb || l.Port == 0 || l.Protocol != HTTP || !check(l.Default) {
				return fmt.Sprintf("listener %+v", l)
			}
			for _, r := range l.Rules {
				if r.Priority <= last || r.Priority > 50000 || len(r.Conditions) == 0 || !check(r.Actions) {
					return fmt.Sprintf("rule %+v", r)
				}
				last = r.Priority
				for _, c := range r.Conditions {
					lists := 0
					for _, n := range []int{len(c.Values), len(c.Regexes), len(c.Query), len(c.Networks)} {
						if n > 0 {
							lists++
						}
					}
					if lists != 1 || (c.Field == HTTPHeader) != (c.HeaderName != "") {
						return fmt.Sprintf("condition %+v", c)
					}
				}
			}
		}
	}
	return ""
}
