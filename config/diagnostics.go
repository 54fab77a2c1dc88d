package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// String returns the diagnostic as one line: "file:line:column: path: message".
func (d Diagnostic) String() string {
	var b strings.Builder
	if at := d.Position.String(); at != "" {
		b.WriteString(at)
		b.WriteString(": ")
	}
	if d.Path != "" {
		b.WriteString(d.Path)
		b.WriteString(": ")
	}
	b.WriteString(d.Message)
	return b.String()
}

// Diagnostics are all that is wrong with a configuration, in the order in which
// the files were read and, in a file, by line. An empty Diagnostics means that
// nothing is wrong.
type Diagnostics []Diagnostic

// Error returns every diagnostic on a line of its own, without snippets.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns ds as an error, or nil when nothing is wrong. Use it rather than
// assigning a Diagnostics to an error, which is never nil.
func (ds Diagnostics) Err() error {
	if len(ds) == 0 {
		return nil
	}
	return ds
}

// The ANSI sequences of Render: bold for the place, red for the caret.
const (
	ansiBold  = "\x1b[1m"
	ansiRed   = "\x1b[31m"
	ansiReset = "\x1b[0m"
)

// Render writes every diagnostic for a person: the line of Error, then the line
// of the file and a caret under the place. With color it uses ANSI sequences.
func (ds Diagnostics) Render(w io.Writer, color bool) error {
	for _, d := range ds {
		line := d.String()
		snippet := d.Snippet
		if color {
			if at := d.Position.String(); at != "" {
				line = ansiBold + at + ":" + ansiReset + strings.TrimPrefix(line, at+":")
			}
			if text, caret, found := strings.Cut(snippet, "\n"); found {
				snippet = text + "\n" + ansiRed + caret + ansiReset
			}
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		if snippet == "" {
			continue
		}
		for part := range strings.SplitSeq(snippet, "\n") {
			if _, err := fmt.Fprintf(w, "    %s\n", part); err != nil {
				return err
			}
		}
	}
	return nil
}

// reporter collects diagnostics. Everything that reads a configuration reports
// to one and goes on, so that one run shows all that is wrong.
type reporter struct {
	errors   Diagnostics
	warnings []Diagnostic
	dropped  int // errors beyond MaxDiagnostics
	compared int // names that suggest compared with others
}

// errorf reports an error at n, which may be nil where there is no place.
func (r *reporter) errorf(n *node, path, format string, args ...any) {
	if r.full() {
		r.dropped++
		return
	}
	r.errors = append(r.errors, diagnose(n, path, fmt.Sprintf(format, args...)))
}

// errorFunc is errorf for a message that is work to make: it is made only if it
// is shown.
func (r *reporter) errorFunc(n *node, path string, message func() string) {
	if r.full() {
		r.dropped++
		return
	}
	r.errorf(n, path, "%s", message())
}

// full tells whether further errors are counted but not shown.
func (r *reporter) full() bool { return len(r.errors) >= MaxDiagnostics }

// maxCompared bounds how many names suggest compares in all: there may be
// MaxDiagnostics unknown names, and many thousands that they could mean.
const maxCompared = 200_000

// suggest is the function suggest for as long as it does not take too long.
func (r *reporter) suggest(name string, candidates []string) string {
	if r.compared += len(candidates); r.full() || r.compared > maxCompared {
		return ""
	}
	return suggest(name, candidates)
}

// suggestFor is suggest for the text of a scalar. What ${…} stands for is not
// compared, as a suggestion would tell about it.
func (r *reporter) suggestFor(n *node, candidates []string) string {
	if n.expanded() {
		return ""
	}
	return r.suggest(n.text, candidates)
}

// warnf reports something that does not stop the configuration.
func (r *reporter) warnf(n *node, path, format string, args ...any) {
	if len(r.warnings) < MaxDiagnostics {
		r.warnings = append(r.warnings, diagnose(n, path, fmt.Sprintf(format, args...)))
	}
}

func diagnose(n *node, path, message string) Diagnostic {
	d := Diagnostic{Path: path, Message: message}
	if n != nil {
		d.Position = n.position()
		d.Snippet = n.source.snippet(int(n.line), int(n.column))
	}
	return d
}

// result returns the errors by place. files gives the order of the files.
func (r *reporter) result(files []*source) Diagnostics {
	order := make(map[string]int, len(files))
	for i, f := range files {
		order[f.name] = i
	}
	byPlace := func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(order[a.Position.File], order[b.Position.File]),
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
		)
	}
	slices.SortStableFunc(r.errors, byPlace)
	slices.SortStableFunc(r.warnings, byPlace)
	if r.dropped == 0 {
		return r.errors
	}
	last := r.errors[len(r.errors)-1]
	return append(r.errors, Diagnostic{
		Position: last.Position,
		Message:  fmt.Sprintf("and %d more errors, not shown: only the first %d are", r.dropped, MaxDiagnostics),
	})
}
