package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/elbow-lb/elbow/config"
)

// noEnv is an environment without variables: examples must load without any.
func noEnv(string) (string, bool) { return "", false }

// TestExamples loads every configuration that is shipped.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("examples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	files = append(files, filepath.Join("container", "elbow.yaml"))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { load(t, file) })
	}
}

// TestEverything holds the commented example to the registry: it shows every
// attribute that has behaviour, with its default.
func TestEverything(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("examples", "everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string][]string{} // by key, as two kinds of resource may share one
	for _, m := range regexp.MustCompile(`(?m)^ +([a-z0-9_]+\.[a-z0-9_.]+): +(\S+)`).FindAllStringSubmatch(string(data), -1) {
		shown[m[1]] = append(shown[m[1]], strings.Trim(m[2], `"`))
	}
	for _, a := range config.Attributes() {
		if a.NotYet || !a.Types.Has(config.Application) {
			continue
		}
		i := slices.Index(shown[a.Key], a.Default)
		if i < 0 {
			t.Errorf("%s of a %s is not shown with its default %q, but with %q", a.Key, a.Owner, a.Default, shown[a.Key])
			continue
		}
		shown[a.Key] = slices.Delete(shown[a.Key], i, i+1)
	}
	for key, values := range shown {
		if len(values) > 0 {
			t.Errorf("%s is shown as %q, but has no such behaviour", key, values)
		}
	}
}

// TestKubernetesConfig loads the configurations inside the ConfigMaps.
func TestKubernetesConfig(t *testing.T) {
	n := 0
	for _, doc := range manifests(t) {
		if doc["kind"] != "ConfigMap" {
			continue
		}
		for name, text := range doc["data"].(map[string]any) {
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(text.(string)), 0o600); err != nil {
				t.Fatal(err)
			}
			load(t, file)
			n++
		}
	}
	if n == 0 {
		t.Error("no ConfigMap holds a configuration")
	}
}

// TestSidecar pins what makes the manifest a native sidecar that sees changes.
func TestSidecar(t *testing.T) {
	for _, doc := range manifests(t) {
		if doc["kind"] != "Deployment" {
			continue
		}
		pod := at[map[string]any](t, doc, "spec", "template", "spec")
		for _, c := range at[[]any](t, pod, "initContainers") {
			c := c.(map[string]any)
			if c["restartPolicy"] != "Always" {
				t.Errorf("%s: restartPolicy %v, want Always", c["name"], c["restartPolicy"])
			}
			if at[bool](t, c, "securityContext", "allowPrivilegeEscalation") {
				t.Errorf("%s may escalate its privileges", c["name"])
			}
			for _, m := range at[[]any](t, c, "volumeMounts") {
				if _, sub := m.(map[string]any)["subPath"]; sub {
					t.Errorf("%s: a subPath mount never sees a change of its ConfigMap", c["name"])
				}
			}
		}
		return
	}
	t.Error("no Deployment found")
}

func load(t *testing.T, file string) *config.Model {
	t.Helper()
	model, diagnostics := config.Read(file, noEnv)
	if model == nil {
		t.Fatalf("%s is refused:\n%v", file, diagnostics)
	}
	for _, w := range model.Warnings {
		t.Errorf("%s: warning %v: %s", file, w.Position, w.Message)
	}
	return model
}

// manifests returns all documents of the Kubernetes files.
func manifests(t *testing.T) []map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("kubernetes", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests found: %v", err)
	}
	var all []map[string]any
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
			var doc map[string]any
			if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, doc)
		}
	}
	return all
}

// at walks into nested maps.
func at[T any](t *testing.T, m map[string]any, path ...string) T {
	t.Helper()
	var v any = m
	for _, key := range path {
		inner, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s: not a map above %q", strings.Join(path, "."), key)
		}
		v = inner[key]
	}
	got, ok := v.(T)
	if !ok {
		t.Fatalf("%s is %T, want %T", strings.Join(path, "."), v, got)
	}
	return got
}
