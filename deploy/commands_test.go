package deploy

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commandLines finds every command line of elbow in what is shipped: the unit,
// the image and the manifests, without the program's name.
func commandLines(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{} // by where it stands
	add := func(where string, args []string) {
		found[where+": elbow "+strings.Join(args, " ")] = args
	}
	read := func(file string) string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, m := range regexp.MustCompile(`(?m)^Exec\w+=/usr/bin/elbow (.+)$`).FindAllStringSubmatch(read(unit), -1) {
		add("unit", strings.Fields(m[1]))
	}
	for _, m := range regexp.MustCompile(`(?m)(?:^| )CMD (\[.+\])$`).FindAllStringSubmatch(read("container/Containerfile"), -1) {
		var args []string
		if err := json.Unmarshal([]byte(m[1]), &args); err != nil {
			t.Fatalf("Containerfile: %s: %v", m[1], err)
		}
		if args[0] == "/elbow" { // HEALTHCHECK has the program, CMD adds to ENTRYPOINT
			args = args[1:]
		}
		add("image", args)
	}
	for _, doc := range manifests(t) {
		if doc["kind"] != "Deployment" {
			continue
		}
		for _, c := range at[[]any](t, doc, "spec", "template", "spec", "initContainers") {
			c := c.(map[string]any)
			add("sidecar", words(at[[]any](t, c, "args")))
			for _, probe := range []string{"startupProbe", "readinessProbe"} {
				add("sidecar", words(at[[]any](t, c, probe, "exec", "command"))[1:])
			}
		}
	}
	return found
}

func words(list []any) []string {
	var all []string
	for _, v := range list {
		all = append(all, v.(string))
	}
	return all
}

// TestCommandLines holds the command lines to the program: each names a command
// that exists and flags that it has.
func TestCommandLines(t *testing.T) {
	lines := commandLines(t)
	if len(lines) < 6 {
		t.Fatalf("only %d command lines found: %v", len(lines), lines)
	}
	bin := build(t)
	for where, args := range lines {
		help, err := exec.Command(bin, args[0], "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(help), "elbow "+args[0]) {
			t.Errorf("%s: elbow has no command %q: %v\n%s", where, args[0], err, help)
			continue
		}
		for _, arg := range args[1:] {
			if strings.HasPrefix(arg, "-") && !strings.Contains(string(help), arg) {
				t.Errorf("%s: elbow %s has no flag %s", where, args[0], arg)
			}
		}
	}
}

// TestValidate runs the program on every example, as a user would.
func TestValidate(t *testing.T) {
	bin := build(t)
	files, err := filepath.Glob(filepath.Join("examples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join("container", "elbow.yaml")) {
		if out, err := exec.Command(bin, "validate", "--config", file).CombinedOutput(); err != nil {
			t.Errorf("elbow validate --config %s: %v\n%s", file, err, out)
		}
	}
}

// build makes the binary, static as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	main := filepath.Join("..", "cmd", "elbow")
	if _, err := os.Stat(main); errors.Is(err, os.ErrNotExist) {
		t.Skip("cmd/elbow does not exist in this tree")
	}
	bin := filepath.Join(t.TempDir(), "elbow")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "./"+main)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
