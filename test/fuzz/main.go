// Command fuzz runs every fuzz target of the module for a while, one after the
// other, because `go test -fuzz` takes only one target at a time.
//
//	go run ./test/fuzz -time 5s            # all of them, 5 s each
//	go run ./test/fuzz -time 1m -run Head  # those whose name matches
//
// Targets are found by asking each package's test binary, so a new FuzzX needs
// no registration. A crash prints the failing input's file, which belongs in
// the commit that mends it. -record writes the counts in the form that
// test/summary adds up.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	each := flag.Duration("time", 10*time.Second, "how long to run each target")
	pattern := flag.String("run", "", "only targets whose package or name matches this `regexp`")
	record := flag.String("record", "", "write the counts to this `file`")
	flag.Parse()
	only, err := regexp.Compile(*pattern)
	if err != nil || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	all, err := discover(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
	passed, failed := 0, 0
	for _, t := range all {
		if !only.MatchString(t.String()) {
			continue
		}
		began := time.Now()
		out, err := t.fuzz(ctx, *each)
		took := time.Since(began).Seconds()
		if err != nil {
			failed++
			fmt.Printf("FAIL %-58s %7.1fs\n%s%v\n", t, took, out, err)
			continue
		}
		passed++
		fmt.Printf("ok   %-58s %7.1fs  %s\n", t, took, executions(out))
	}
	if *record != "" {
		if err := writeCounts(*record, passed, failed); err != nil {
			fmt.Fprintln(os.Stderr, "fuzz:", err)
			os.Exit(1)
		}
	}
	fmt.Printf("fuzz targets: %d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

// target is one fuzz function.
type target struct{ pkg, name string }

func (t target) String() string { return t.pkg + "." + t.name }

// discover lists the fuzz targets of the module. Only packages with a function
// of the right name in a test file are asked, which saves linking the test
// binaries of all the others.
func discover(ctx context.Context) ([]target, error) {
	const format = `{{$dir := .Dir}}{{range .TestGoFiles}}{{$.ImportPath}} {{$dir}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$.ImportPath}} {{$dir}}/{{.}}
{{end}}`
	out, err := exec.CommandContext(ctx, "go", "list", "-f", format, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w%s", err, stderr(err))
	}
	declares := regexp.MustCompile(`(?m)^func Fuzz\w*\(`)
	var pkgs []string
	for line := range strings.Lines(string(out)) {
		pkg, file, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || slices.Contains(pkgs, pkg) {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if declares.Match(src) {
			pkgs = append(pkgs, pkg)
		}
	}
	if len(pkgs) == 0 {
		return nil, nil
	}
	out, err = exec.CommandContext(ctx, "go", append([]string{"test", "-list", "^Fuzz"}, pkgs...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go test -list: %w\n%s%s", err, out, stderr(err))
	}
	return parseList(string(out)), nil
}

// parseList reads `go test -list`: the names of a package, then its "ok" line.
func parseList(out string) []target {
	var found []target
	var names []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 2 && fields[0] == "ok":
			for _, name := range names {
				found = append(found, target{fields[1], name})
			}
			names = nil
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		}
	}
	return found
}

// fuzz runs the target and returns what it printed.
func (t target) fuzz(ctx context.Context, d time.Duration) (string, error) {
	for attempt := 1; ; attempt++ {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", d.String(), t.pkg)
		out, err := cmd.CombinedOutput()
		if err == nil || ctx.Err() != nil || attempt == 3 || !deadlineNoise(string(out)) {
			return string(out), err
		}
	}
}

// deadlineNoise recognises the fuzzing engine's own race at the end of its
// time: it reports the deadline that it set itself as the target's failure
// (golang/go#75804, mended in Go 1.27). A real finding always names a failing
// input, and noise three times in a row still fails.
func deadlineNoise(out string) bool {
	return strings.Contains(out, "context deadline exceeded") && !strings.Contains(out, "Failing input written to")
}

var lastStatus = regexp.MustCompile(`execs: (\d+) \((\d+)/sec\)`)

// executions is how much work a run did: the largest count that it printed.
func executions(out string) string {
	all := lastStatus.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1] + " inputs"
}

// writeCounts writes the form that test/summary -total reads.
func writeCounts(name string, passed, failed int) error {
	data, err := json.Marshal(map[string]any{"label": "fuzz", "passed": passed, "failed": failed, "skipped": 0})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

func stderr(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "\n" + string(exit.Stderr)
	}
	return ""
}
