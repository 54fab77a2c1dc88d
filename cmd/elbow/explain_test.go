package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/listener/application"
)

func TestExplainFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lb.yaml")
	err := os.WriteFile(path, []byte(`version: 1
load_balancers:
  - name: app
    listeners:
      - port: 8080
        default_actions: [{type: forward, target_group: web}]
        rules:
          - priority: 10
            conditions: [{field: path-pattern, values: ["/api/*"]}]
            actions: [{type: fixed-response, status_code: 403}]
target_groups:
  - {name: web, port: 80, targets: [{id: 10.0.0.1}, {id: a.internal}, {id: b.internal, port: 81}]}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f := func(code int, want string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		got := execute(append([]string{"explain"}, args...), streams{strings.NewReader(""), &out, &errs})
		if got != code || !strings.Contains(out.String()+errs.String(), want) {
			t.Errorf("%q: code %d, want %d and %q in\n%s%s", args, got, code, want, out.String(), errs.String())
		}
		return out.String()
	}
	const url = "http://example.com:8080/"
	f(exitOK, "rule 10  does not match", "-c", path, "GET "+url)
	f(exitOK, "eligible  b.internal  b.internal:81", "-c", path, url)
	f(exitOK, "fixed-response by rule 10: 403", "-c", path, "POST", url+"api/x")
	f(exitOK, "refused  405 MethodNotAllowed", "-c", path, "TRACE "+url)
	f(exitUsage, "nothing listens on port 80", "-c", path, "http://example.com/")
	f(exitUsage, "takes a request", "-c", path)
	f(exitUsage, "takes a request", "-c", path, "GET / HTTP/1.1")
	f(exitUsage, "--output must be", "-c", path, "-o", "xml", url)
	f(exitConfig, "there is no file", "-c", path+".not", url)
	f(exitUnreachable, "no daemon answers", "--socket", path+".sock", url)

	var e application.Explanation
	if err := json.Unmarshal([]byte(f(exitOK, "{", "-c", path, "-o", "json", url)), &e); err != nil {
		t.Fatal(err)
	}
	if len(e.TargetGroups) != 1 || len(e.TargetGroups[0].Targets) != 3 || e.Generation != 0 {
		t.Errorf("%+v", e)
	}
}
