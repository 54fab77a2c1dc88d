package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tree writes files, by path, into a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// rejects reads dir/main.yaml and checks that the errors are those wanted, each
// named by a part of its line. DIR in a part stands for the directory.
func rejects(t *testing.T, dir string, want ...string) {
	t.Helper()
	m, errs := Read(filepath.Join(dir, "main.yaml"), testEnv)
	if m != nil {
		t.Fatal("accepted")
	}
	if len(errs) != len(want) {
		t.Fatalf("%d errors, want %d:\n%v", len(errs), len(want), errs)
	}
	for i, w := range want {
		if w = strings.ReplaceAll(w, "DIR", dir); !strings.Contains(errs[i].String(), w) {
			t.Errorf("error %d is\n%v\nwant one with\n%s", i, errs[i], w)
		}
	}
}

func TestInclude(t *testing.T) {
	dir := tree(t, map[string]string{
		"main.yaml":        "version: 1\ninclude: ['conf.d/*.yaml', shared/groups.yaml]\nload_balancers: [{name: main, listeners: []}]\n",
		"conf.d/10-b.yaml": "version: 1\nload_balancers: [{name: b, listeners: [{port: 80, default_actions: [{type: forward, target_group: g}]}]}]\n",
		"conf.d/09-a.yaml": "load_balancers: [{name: a, listeners: []}]\nlog: {level: debug}\n",
		"conf.d/99.yaml":   "# all commented out\n",
		"conf.d/README":    "not a configuration",
		"shared/groups.yaml": `
target_groups: [{name: g, port: 80, targets: [{id: "${file:id.txt}"}]}]
include: [deeper/zones.yaml]
access_log: {file: logs/access.log}
admin: {socket: admin.sock}
`,
		"shared/deeper/zones.yaml": "zones: [{name: z}]\n",
		"shared/id.txt":            "10.0.0.1\r\n",
	})
	m, errs := Read(filepath.Join(dir, "main.yaml"), testEnv)
	if errs != nil {
		t.Fatal(errs)
	}
	var names []string
	for _, lb := range m.LoadBalancers {
		names = append(names, lb.Name)
	}
	if want := []string{"main", "a", "b"}; !slices.Equal(names, want) {
		t.Errorf("load balancers %v, want %v: the main file, then the others in lexical order", names, want)
	}
	var files []string
	for _, f := range m.Files {
		rel, _ := filepath.Rel(dir, f)
		files = append(files, rel)
	}
	if want := []string{"main.yaml", "conf.d/09-a.yaml", "conf.d/10-b.yaml", "conf.d/99.yaml", "shared/groups.yaml", "shared/deeper/zones.yaml", "shared/id.txt"}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	if want := []string{filepath.Join(dir, "conf.d/*.yaml")}; !slices.Equal(m.Includes, want) {
		t.Errorf("includes %v, want %v", m.Includes, want)
	}
	if m.TargetGroups[0].Targets[0].ID != "10.0.0.1" || len(m.Zones) != 1 || m.Log.Level != "debug" {
		t.Errorf("model %+v", m)
	}
	if m.AccessLog.File != filepath.Join(dir, "shared/logs/access.log") || m.Admin.Socket != filepath.Join(dir, "shared/admin.sock") {
		t.Errorf("paths are not relative to the file that says them: %+v %+v", m.AccessLog, m.Admin)
	}
}

func TestIncludeErrors(t *testing.T) {
	const head = "version: 1\nload_balancers: []\n"
	f := func(name string, files map[string]string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) { t.Helper(); rejects(t, tree(t, files), want...) })
	}
	f("no file", nil, "DIR/main.yaml: there is no file")
	f("missing", map[string]string{"main.yaml": head + "include: [a.yaml]\n"},
		"main.yaml:3:11: include: there is no file DIR/a.yaml")
	f("set twice", map[string]string{
		"main.yaml": head + "include: [a.yaml, b.yaml]\nlog: {level: info}\n",
		"a.yaml":    "admin: {socket: ''}\nlog: {level: warn}\n",
		"b.yaml":    "version: 2\nadmin: {socket: /x}\nzonez: []\nzones: {}\n",
	},
		"a.yaml:2:1: log: is already set at DIR/main.yaml:4:1",
		"b.yaml:1:10: version: must be 1",
		"b.yaml:2:1: admin: is already set at DIR/a.yaml:1:1",
		"b.yaml:3:1: zonez: a configuration has no field of this name",
		"b.yaml:4:8: zones: must be a list")
	f("loop", map[string]string{
		"main.yaml": head + "include: [a.yaml]\n",
		"a.yaml":    "include: ['[m]*.yaml']\n",
	}, "a.yaml:1:11: include: DIR/main.yaml includes itself, by way of DIR/main.yaml -> DIR/a.yaml -> DIR/main.yaml")
	f("twice", map[string]string{
		"main.yaml": head + "include: [a.yaml, b.yaml]\n",
		"a.yaml":    "include: [b.yaml]\n",
		"b.yaml":    "",
	}, "main.yaml:3:19: include: DIR/b.yaml is already included at DIR/a.yaml:1:11")
	f("shapes", map[string]string{"main.yaml": head + "include: [[], '', '[', ~, sub]\n", "sub/x": ""},
		"include[0]: must be a file or a pattern", "include[1]: must be a file or a pattern", "include[2]: \"[\" is not a valid pattern",
		"include[3]: must be a file or a pattern", "DIR/sub is a directory")
	f("not a list", map[string]string{"main.yaml": head + "include: a.yaml\n"},
		"include: must be a list of files or patterns")
	f("unset", map[string]string{"main.yaml": head + "include: ['${NOPE}']\n"},
		"include[0]: the environment variable NOPE is not set")
	// What is in a part that cannot be read must not be missed elsewhere.
	f("broken part", map[string]string{
		"main.yaml": "version: 1\ninclude: [a.yaml]\nlog: {level: loud}\n",
		"a.yaml":    "load_balancers: [\n",
	}, "main.yaml:3:14: log.level", "a.yaml:2:1: not valid YAML")
	f("value files", map[string]string{
		"main.yaml": "version: 1\nload_balancers: [{name: '${file:nope}', listeners: []}, {name: '${file:.}', listeners: []}, {name: '${file:}', listeners: []}, {name: '${file:big}', listeners: []}]\n",
		"big":       strings.Repeat("x", MaxValueFileSize+1),
	}, "${file:nope}: there is no file DIR/nope", "${file:.}: DIR is a directory", "${file:} names no file", "${file:big}: DIR/big is larger than 1 MiB")
}

// A file that ${file:…} names and that is not there is watched: it may come.
func TestMissingValueFile(t *testing.T) {
	dir := tree(t, map[string]string{"main.yaml": "version: 1\nload_balancers: [{name: '${file:nope}', listeners: []}]\n"})
	d := Load(filepath.Join(dir, "main.yaml"), nil)
	if want := []string{filepath.Join(dir, "main.yaml"), filepath.Join(dir, "nope")}; !slices.Equal(d.Files(), want) {
		t.Errorf("files %v, want %v", d.Files(), want)
	}
}

func TestBounds(t *testing.T) {
	const head = "version: 1\nload_balancers: []\n"
	t.Run("size", func(t *testing.T) {
		dir := tree(t, map[string]string{"main.yaml": strings.Repeat("# a comment\n", MaxFileSize/12+1)})
		rejects(t, dir, "main.yaml is larger than 10 MiB, the most that is read")
		_, errs := Parse("lb.yaml", make([]byte, MaxFileSize+1), nil)
		if len(errs) != 1 || !strings.Contains(errs.Error(), "larger than 10 MiB") {
			t.Errorf("in memory: %v", errs)
		}
	})
	t.Run("total size", func(t *testing.T) {
		files := map[string]string{"main.yaml": head + "include: ['[abcd].yaml']\n"}
		for _, name := range []string{"a", "b", "c", "d"} {
			// The first character is refused, so that parsing takes no time.
			files[name+".yaml"] = "\x01" + strings.Repeat("x", MaxFileSize-100)
		}
		rejects(t, tree(t, files), "main.yaml:3:11: include: all configuration files together are larger than 32 MiB",
			"a.yaml:1:1: the control character", "b.yaml:1:1: the control character", "c.yaml:1:1: the control character")
	})
	t.Run("depth", func(t *testing.T) {
		files := map[string]string{"main.yaml": head + "include: [1.yaml]\n"}
		for i := 1; i <= MaxIncludeDepth+1; i++ {
			files[fmt.Sprintf("%d.yaml", i)] = fmt.Sprintf("include: [%d.yaml]\n", i+1)
		}
		rejects(t, tree(t, files), "16.yaml:1:11: include: include nests deeper than 16 files")
	})
	t.Run("files", func(t *testing.T) {
		files := map[string]string{"main.yaml": head + "include: ['d/*']\n"}
		for i := range MaxFiles {
			files[fmt.Sprintf("d/%04d", i)] = ""
		}
		rejects(t, tree(t, files), "include: more than 1000 files are included")
	})
	t.Run("expansion", func(t *testing.T) {
		big := strings.Repeat("x", MaxExpansion/2)
		_, errs := Parse("lb.yaml", []byte(head+"log: {level: '${BIG}${BIG}${BIG}'}\n"), func(string) (string, bool) { return big, true })
		if len(errs) != 1 || !strings.Contains(errs.Error(), "all ${…} together produce more than 16 MiB") {
			t.Errorf("got %.200v", errs)
		}
	})
	t.Run("errors", func(t *testing.T) {
		text := head + "target_groups:\n" + strings.Repeat("- 1\n", MaxDiagnostics+5)
		_, errs := Parse("lb.yaml", []byte(text), nil)
		if len(errs) != MaxDiagnostics+1 || !strings.Contains(errs[MaxDiagnostics].Message, "and 5 more errors") {
			t.Errorf("%d errors, the last %v", len(errs), errs[len(errs)-1])
		}
		checkDiagnostics(t, errs)
	})
	t.Run("pipe", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(dir, "main.yaml"), 0o600); err != nil {
			t.Skip("no named pipes:", err)
		}
		rejects(t, dir, "main.yaml is not a regular file")
	})
}

func TestCheckSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o700: true, 0o640: false, 0o604: false, 0o620: false, 0o666: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := CheckSecretFile(path); (err == nil) != good {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if err := CheckSecretFile(path + "x"); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("missing file: %v", err)
	}
	if err := CheckSecretFile(filepath.Dir(path)); err == nil {
		t.Error("a directory passed")
	}
}

// Equal hashes mean equal models.
func TestHash(t *testing.T) {
	hash := func(text string, env map[string]string) string {
		m, errs := Parse("lb.yaml", []byte(text), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if errs != nil {
			t.Fatal(errs)
		}
		return m.Hash
	}
	const text = "version: 1\nload_balancers: [{name: '${A}', listeners: []}, {name: '${B}', listeners: []}]\n"
	base := hash(text, map[string]string{"A": "x", "B": "yz"})
	if base != hash(text, map[string]string{"A": "x", "B": "yz", "C": "unused"}) {
		t.Error("the same configuration has two hashes")
	}
	if base == hash(text, map[string]string{"A": "xy", "B": "z"}) {
		t.Error("another environment has the same hash")
	}
	if base == hash(text+"# moved\n", map[string]string{"A": "x", "B": "yz"}) {
		t.Error("another text has the same hash")
	}
}

func TestDiagnostics(t *testing.T) {
	var none Diagnostics
	if none.Err() != nil {
		t.Error("no diagnostics are an error")
	}
	_, errs := Parse("lb.yaml", []byte("version: 1\nload_balancers: []\nlog:\n\t\n  {level: \"ü\", format: x}\n"), nil)
	var got Diagnostics
	if !errors.As(errs.Err(), &got) || len(got) != 2 {
		t.Fatalf("got %v", errs)
	}
	var out strings.Builder
	if err := errs[1:].Render(&out, true); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1mlb.yaml:5:24:\x1b[0m log.format: must be json or console, got \"x\"\n" +
		"      {level: \"ü\", format: x}\n    \x1b[31m                       ^\x1b[0m\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}

func TestSnippet(t *testing.T) {
	f := func(line string, column int, want string) {
		t.Helper()
		s := &source{data: []byte("first\n" + line + "\r\nlast")}
		if got := s.snippet(2, column); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	f("abc", 2, "abc\n ^")
	f("\ta: b", 2, "\ta: b\n\t^")
	f("äöü: x", 4, "äöü: x\n   ^")
	f("abc", 9, "abc\n   ^")
	f("a\x1b[2Jb", 1, "a?[2Jb\n^")
	long := strings.Repeat("0123456789", 100)
	f(long, 501, long[420:580]+"\n"+strings.Repeat(" ", 80)+"^")
	f(long, 1, long[:160]+"\n^")
	f(long, 1000, long[840:]+"\n"+strings.Repeat(" ", 159)+"^")
	f(strings.Repeat("x", maxLine+1), 1, "")
}

func TestSuggest(t *testing.T) {
	f := func(name string, want string, candidates ...string) {
		t.Helper()
		if got := closest(name, candidates); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	f("protcol", "protocol", "protocol", "port")
	f("prot", "port", "protocol", "port")
	f("pathh", "path", "port", "path")
	f("HealthCheck", "health_check", "health_check")
	f("target-groups", "target_groups", "target_group", "target_groups")
	f("interval", "interval_seconds", "interval_seconds", "timeout_seconds")
	f("healthy", "", "healthy_threshold_count", "healthy_other")
	f("x", "", "a", "b")
	f("", "", "a")
	f("ab", "", "xy")
	f("entirely", "", "different")
}

// editDistance against the definition, without its limit.
func TestEditDistance(t *testing.T) {
	words := []string{"", "a", "b", "ab", "ba", "abc", "acb", "cab", "port", "prot", "path", "protocol"}
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		cost := 1
		if a[len(a)-1] == b[len(b)-1] {
			cost = 0
		}
		d := min(slow(a[:len(a)-1], b)+1, slow(a, b[:len(b)-1])+1, slow(a[:len(a)-1], b[:len(b)-1])+cost)
		if len(a) > 1 && len(b) > 1 && a[len(a)-1] == b[len(b)-2] && a[len(a)-2] == b[len(b)-1] {
			d = min(d, slow(a[:len(a)-2], b[:len(b)-2])+1)
		}
		return d
	}
	for _, a := range words {
		for _, b := range words {
			for limit := range 4 {
				want := min(slow(a, b), limit+1)
				if got := editDistance(a, b, limit); got != want {
					t.Errorf("%q to %q within %d: %d, want %d", a, b, limit, got, want)
				}
			}
		}
	}
}
