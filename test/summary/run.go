package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// counts are the results of one run, or the sum of several.
type counts struct {
	Label   string `json:"label"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Skipped int    `json:"skipped"`
}

// String is the closing line that tools which run the tests look for.
func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.Passed, c.Failed, c.Skipped)
}

func (c *counts) add(o counts) {
	c.Passed += o.Passed
	c.Failed += o.Failed
	c.Skipped += o.Skipped
}

// event is one line of `go test -json` (see `go doc test2json`), of which the
// build-output and build-fail forms carry ImportPath instead of Package.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// run gathers the events of one `go test -json`.
type run struct {
	out      io.Writer
	packages map[string]*pkg
	builds   map[string]*strings.Builder // compiler output by import path
	stray    []string                    // lines that were not JSON
	total    counts
	skips    []skip
}

// pkg is what is known of a package until its verdict comes.
type pkg struct {
	counts counts
	output strings.Builder      // what it printed outside any test
	tests  map[string]*testCase // the ones without a verdict, and the parents
}

type testCase struct {
	output strings.Builder
	parent bool // has subtests, which count instead of it
	done   bool
}

type skip struct{ pkg, test, reason string }

func newRun(out io.Writer) *run {
	return &run{out: out, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
}

// line takes one line of input. What is not an event is kept and shown at the
// end: `go` itself prints such lines when it cannot even start.
func (r *run) line(b []byte) {
	var e event
	if err := json.Unmarshal(b, &e); err != nil || e.Action == "" {
		if s := strings.TrimSpace(string(b)); s != "" {
			r.stray = append(r.stray, s)
		}
		return
	}
	switch {
	case e.Action == "build-output" || e.Action == "build-fail":
		w := r.builds[e.ImportPath]
		if w == nil {
			w = &strings.Builder{}
			r.builds[e.ImportPath] = w
		}
		w.WriteString(e.Output)
	case e.Test != "":
		r.testEvent(r.pkg(e.Package), e)
	case e.Package != "":
		r.packageEvent(r.pkg(e.Package), e)
	}
}

func (r *run) pkg(path string) *pkg {
	p := r.packages[path]
	if p == nil {
		p = &pkg{tests: map[string]*testCase{}}
		r.packages[path] = p
	}
	return p
}

func (r *run) testEvent(p *pkg, e event) {
	t := p.tests[e.Test]
	if t == nil {
		t = &testCase{}
		p.tests[e.Test] = t
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
			if parent := p.tests[e.Test[:i]]; parent != nil {
				parent.parent = true
			}
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass":
		t.done = true
		if !t.parent {
			p.counts.Passed++
		}
		t.output.Reset()
	case "skip":
		t.done = true
		p.counts.Skipped++
		r.skips = append(r.skips, skip{e.Package, e.Test, skipReason(t.output.String())})
		t.output.Reset()
	case "fail":
		t.done = true
		// A parent fails because a child did; it counts only when it failed
		// by itself, which no event tells, so it counts when no child failed.
		if !t.parent || !p.childFailed(e.Test) {
			p.counts.Failed++
		}
		fmt.Fprintf(r.out, "--- FAIL %s %s (%.2fs)\n%s", e.Package, e.Test, e.Elapsed, t.output.String())
	}
}

// childFailed tells whether a subtest of name failed: failing tests keep their
// output, all others drop it.
func (p *pkg) childFailed(name string) bool {
	for other, t := range p.tests {
		if strings.HasPrefix(other, name+"/") && t.done && t.output.Len() > 0 {
			return true
		}
	}
	return false
}

func (r *run) packageEvent(p *pkg, e event) {
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
		return
	case "start":
		return
	case "fail":
		r.packageFailed(p, e)
	case "pass":
		if n := p.counts; n.Passed+n.Skipped > 0 {
			fmt.Fprintf(r.out, "ok   %-58s %7.1fs  %s\n", e.Package, e.Elapsed, n)
		}
	case "skip": // no test files
	}
	r.total.add(p.counts)
	delete(r.packages, e.Package)
}

// packageFailed makes sure that a package whose tests all passed or never ran
// still counts as a failure, and shows why.
func (r *run) packageFailed(p *pkg, e event) {
	if b := r.builds[e.FailedBuild]; b != nil {
		fmt.Fprintf(r.out, "--- FAIL %s does not build\n%s", e.Package, b)
	}
	for name, t := range p.tests {
		if !t.done {
			fmt.Fprintf(r.out, "--- FAIL %s %s did not end\n%s", e.Package, name, t.output.String())
			p.counts.Failed++
		}
	}
	if p.counts.Failed == 0 {
		p.counts.Failed = 1
	}
	if s := p.output.String(); s != "" {
		fmt.Fprint(r.out, s)
	}
	fmt.Fprintf(r.out, "FAIL %-58s %7.1fs  %s\n", e.Package, e.Elapsed, p.counts)
}

// finish prints what can only be known at the end and returns the counts.
func (r *run) finish() counts {
	paths := make([]string, 0, len(r.packages))
	for path := range r.packages {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		p := r.packages[path]
		r.packageFailed(p, event{Package: path})
		r.total.add(p.counts)
	}
	for _, s := range r.stray {
		fmt.Fprintln(r.out, s)
	}
	if len(r.skips) > 0 {
		fmt.Fprintf(r.out, "skipped:\n")
		for _, s := range r.skips {
			fmt.Fprintf(r.out, "  %s %s: %s\n", s.pkg, s.test, s.reason)
		}
	}
	if r.total.Passed+r.total.Failed+r.total.Skipped == 0 {
		fmt.Fprintln(r.out, "FAIL no test ran")
		r.total.Failed = 1
	}
	fmt.Fprintln(r.out, r.total)
	return r.total
}

// skipReason is what a test said when it skipped itself: its last line that is
// not one of the frames that the test runner prints.
func skipReason(output string) string {
	reason := "no reason given"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		reason = line
		if _, after, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok := strings.Cut(after, ": "); ok {
				reason = text
			}
		}
	}
	return reason
}
