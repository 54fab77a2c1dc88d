package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// maxHostileAlloc bounds what reading a hostile configuration may allocate in
// all, garbage included.
const maxHostileAlloc = 768 << 20

const hostileHead = "version: 1\nload_balancers: []\n"

// hostileTexts are configurations, each with what is said first about it, that
// once took minutes or gigabytes.
var hostileTexts = map[string]struct {
	text func() string
	want string
}{
	"items": {func() string { return "zones: [" + strings.Repeat("a,", 5_000_000) + "]" },
		"lb.yaml:1:450006: too many values"},
	"keys without values": {func() string { return "{" + strings.Repeat("a,", 5_000_000) + "}" }, "too many values"},
	"nested":              {func() string { return "zones: [" + strings.Repeat("[[a]],", 1_000_000) + "]" }, "too many values"},
	"comments":            {func() string { return hostileHead + strings.Repeat("#\n", 5_000_000) }, "too many values"},
	"dashes":              {func() string { return "zones:\n" + strings.Repeat("-\n", 5_000_000) }, "too many values"},
	"questions":           {func() string { return strings.Repeat("?\n", 5_000_000) }, "too many values"},
	"anchors":             {func() string { return "zones: [" + strings.Repeat("&a !b,", 1_000_000) + "]" }, "too many values"},
	"colons":              {func() string { return strings.Repeat(":\n", 5_000_000) }, "too many values"},
	// The most that is let through, in the shapes that cost most.
	"as many keys as there may be":   {func() string { return "{" + strings.Repeat("a,", MaxMarks/2-10) + "}" }, "already set"},
	"as many dashes as there may be": {func() string { return "zones:\n" + strings.Repeat("-\n", MaxMarks-10) }, "there may be at most 1000 zones"},
	"unknown keys": {func() string {
		return lines(80_000, func(i int) string { return fmt.Sprintf("k%d:", i) })
	}, "no field of this name"},
	"unknown attributes": {func() string {
		return "load_balancers: [{name: x, listeners: [], attributes: {" + strings.Join(list(40_000, "idle_timeout.seconds%d"), ",") + "}}]"
	}, "no load balancer attribute"},
	"newlines":   {func() string { return strings.Repeat("\n", 2_000_000) + "x" }, "the file must be a map"},
	"directives": {func() string { return lines(200_000, func(i int) string { return fmt.Sprintf("%%TAG !%d! b", i) }) }, "lb.yaml:1:1: the YAML directive %TAG"},
	"zones":      {func() string { return "zones: [" + strings.Join(list(20_000, "{name: z%d}"), ",") + "]" }, "zones[z1001]: there may be at most 1000 zones"},
	"aliases of a long text": {func() string {
		return hostileHead + "log: {level: &a '" + strings.Repeat("x", 1<<20) + "'}\nzones: [{name: z, addresses: [" + strings.Repeat("*a,", 90_000) + "]}]"
	}, "aliases of this file stand for more than"},
	"listeners times addresses": {func() string {
		var addresses []string
		for i := range 5_000 {
			addresses = append(addresses, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
		}
		return "version: 1\nzones: [{name: z, addresses: [" + strings.Join(addresses, ",") + "]}]\nload_balancers: [{name: a, listeners: [" +
			strings.Join(list(5000, "{port: %d, default_actions: [{type: fixed-response, status_code: 200}]}"), ",") + "]}]"
	}, "all listeners together may listen on at most 65536"},
	"dangling references": {func() string {
		return "version: 1\nload_balancers: [{name: a, listeners: [{port: 80, default_actions: [{type: forward, target_groups: [" +
			strings.Join(list(8_000, "{name: x%d}"), ",") + "]}]}]}]\ntarget_groups: [" + strings.Join(list(8_000, "{name: g%d, port: 80}"), ",") + "]"
	}, "there is no target group called"},
	"regular expressions": {func() string {
		return "version: 1\nload_balancers: [{name: a, listeners: [{port: 80, default_actions: [{type: fixed-response, status_code: 200}], rules: [" +
			"{priority: 1, actions: [{type: fixed-response, status_code: 200}], conditions: [{field: path-pattern, regex_values: [" +
			strings.Join(list(5_000, "'%d"+strings.Repeat("x{1000}", 15)+"'"), ",") + "]}]}]}]}]"
	}, "all regular expressions together compile to more than 32 MiB"},
}

// list returns a format filled in with the numbers from 1 to n.
func list(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i+1)
	}
	return out
}

func lines(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

func TestHostile(t *testing.T) {
	for name, c := range hostileTexts {
		t.Run(name, func(t *testing.T) {
			text := []byte(c.text())
			if len(text) > MaxFileSize {
				t.Fatalf("the text has %d bytes, which is refused for its size", len(text))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, errs := Parse("lb.yaml", text, nil)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > maxHostileAlloc {
				t.Errorf("allocated %d MiB", took>>20)
			}
			checkDiagnostics(t, errs)
			for _, d := range errs {
				if strings.Contains(d.String(), c.want) {
					return
				}
			}
			t.Errorf("no error with %q; the first of %d is %.300v", c.want, len(errs), errs[:min(1, len(errs))])
		})
	}
}

// A configuration names at most so many files, and those that it may not name
// are not watched.
func TestHostileInclude(t *testing.T) {
	f := func(what, text, want string) {
		t.Helper()
		dir := tree(t, map[string]string{"main.yaml": text})
		d := Load(filepath.Join(dir, "main.yaml"), nil)
		_, errs := d.Build()
		if got := errs.Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %.300s, want an error with %s", what, got, want)
		}
		if n := len(d.Files()) + len(d.Includes()); n > 1+MaxFiles { // values, and what names them
			t.Errorf("%s: %d files and patterns", what, n)
		}
	}
	f("files that are not there", hostileHead+"include: ["+strings.Join(list(50_000, "x%d"), ",")+"]", "x999\n")
	f("patterns", hostileHead+"include: ["+strings.Join(list(50_000, "x%d*"), ",")+"]", "include has more than 1000 entries")
	f("values", hostileHead+"zones: ["+strings.Join(list(50_000, "'${file:x%d}'"), ",")+"]", "x1000\n")
	files := map[string]string{"main.yaml": hostileHead + "zones: [{name: z, addresses: [" + strings.Join(list(MaxFiles+1, "'${file:v/%d}'"), ",") + "]}]"}
	for i := range MaxFiles + 1 {
		files[fmt.Sprintf("v/%d", i+1)] = fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)
	}
	rejects(t, tree(t, files), "zones[0].addresses[1000]: ${file:v/1001}: more than 1000 files are named")
}

// Nothing that a value stands for, and nothing that could move a cursor, gets
// from the name of a file into a message.
func TestPathsInMessages(t *testing.T) {
	f := func(entry string, want string) {
		t.Helper()
		dir := tree(t, map[string]string{"main.yaml": hostileHead + "include: [" + entry + "]\n", "secret": "hunter2\n", "\x1b[2J/x.yaml": "zones: 1\n"})
		m, errs := Read(filepath.Join(dir, "main.yaml"), testEnv)
		if m != nil || len(errs) != 1 {
			t.Fatalf("%s: got %v", entry, errs)
		}
		got := errs.Error()
		if want = strings.ReplaceAll(want, "DIR", dir); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", entry, got, want)
		}
		if strings.Contains(got, "hunter2") || strings.ContainsAny(got, "\n\x1b") || len(got) > 1000 {
			t.Errorf("%s: got %.2000q", entry, got)
		}
	}
	f(`"${SECRET}"`, "there is no file ${SECRET}")
	f(`"${file:secret}/x"`, "there is no file ${file:secret}/x")
	f(`"${file:secret}["`, "the value of ${file:secret}[ is not a valid pattern")
	f(`"a\e2J\nb"`, "there is no file DIR/a?2J?b")
	f(`"${file:a\e\nb}"`, "there is no file DIR/a??b")
	f(`"?*2J/*.yaml"`, "?[2J/x.yaml:1:8: zones: must be a list")
	f(strings.Repeat("x", 100_000), "file name too long")
}

// An editor that locks a file, and a ConfigMap, leave names that start with a
// dot.
func TestIncludeSkipsHiddenFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"[1]/main.yaml":           hostileHead + "include: ['conf.d/*', '*/.b/*.yaml', plain.yaml]\n",
		"[1]/plain.yaml":          "",
		"[1]/conf.d/a.yaml":       "zones: [{name: a}]\n",
		"[1]/conf.d/..data/a":     "",
		"[1]/.hidden/.b/c.yaml":   "zones: [{name: c}]\n",
		"[1]/conf.d2/.b/b.yaml":   "zones: [{name: b}]\n",
		"[1]/conf.d2/.b/.b2.yaml": "zones: [{name: b2}]\n",
	})
	if err := os.Symlink("somebody@host.1234", filepath.Join(dir, "[1]/conf.d/.#a.yaml")); err != nil {
		t.Fatal(err)
	}
	m, errs := Read(filepath.Join(dir, "[1]/main.yaml"), nil)
	if errs != nil {
		t.Fatal(errs)
	}
	if len(m.Zones) != 2 || m.Zones[0].Name != "a" || m.Zones[1].Name != "b" {
		t.Errorf("zones %v", m.Zones)
	}
}
