// Command summary reads the output of `go test -json` on standard input and
// prints what a person wants of it: one line per package, the whole output of
// what failed, the reason of every skip, and the counts.
//
//	go test -json ./... | go run ./test/summary -record bin/check/test.json
//	go run ./test/summary -total bin/check/*.json
//
// The last line is always of the form
//
//	120 passed, 0 failed, 3 skipped
//
// Tests count one by one; a subtest counts for itself and its parent does not
// count beside it, so that a table of ten rows is ten tests. A package that
// does not build, that dies outside a test, or that ends without a verdict is
// one failure. With nothing at all on standard input it fails too: a run of no
// tests must not look like a success.
//
// Exit codes: 0 when nothing failed, 1 when something did or the input made no
// sense, 2 for wrong usage.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	record := flag.String("record", "", "also write the counts to this `file`, for -total")
	total := flag.Bool("total", false, "add up the recorded files named as arguments instead of reading standard input")
	label := flag.String("label", "", "`name` of this run, kept with the recorded counts")
	flag.Parse()

	var err error
	var failed bool
	switch {
	case *total:
		failed, err = printTotal(os.Stdout, flag.Args())
	case flag.NArg() > 0:
		flag.Usage()
		os.Exit(2)
	default:
		failed, err = summarise(os.Stdin, os.Stdout, *label, *record)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

// summarise reads one run, prints it, and records its counts where asked.
func summarise(in io.Reader, out io.Writer, label, record string) (failed bool, err error) {
	r := newRun(out)
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 1<<20), 16<<20) // a test may print a long line
	for scan.Scan() {
		r.line(scan.Bytes())
	}
	if err := scan.Err(); err != nil {
		return true, fmt.Errorf("reading test output: %w", err)
	}
	c := r.finish()
	c.Label = label
	if record != "" {
		if err := writeCounts(record, c); err != nil {
			return true, err
		}
	}
	return c.Failed > 0, nil
}

// printTotal adds up what earlier runs recorded.
func printTotal(out io.Writer, files []string) (failed bool, err error) {
	if len(files) == 0 {
		return true, errors.New("-total needs at least one recorded file")
	}
	var sum counts
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return true, err
		}
		var c counts
		if err := json.Unmarshal(data, &c); err != nil {
			return true, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "  %-12s %s\n", c.Label, c)
		sum.add(c)
	}
	fmt.Fprintln(out, sum)
	return sum.Failed > 0, nil
}

func writeCounts(name string, c counts) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}
