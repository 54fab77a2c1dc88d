package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// report is the whole outcome of a run.
type report struct {
	Started  time.Time
	Commit   string
	Command  string
	Machine  machine
	Versions map[string]string
	Skipped  []skip
	Rounds   int
	Seconds  int
	Proxy    string // processors of the contestant under test
	Load     string // processors of load generator and target
	Short    bool
	Direct   round // the target without a proxy
	Cases    []caseResult
}

// header are the columns of a case's table.
func (r *caseResult) header() []string {
	if r.kind == idleConns {
		return []string{"contestant", "bytes/connection (min–max)", "ratio", "verdict"}
	}
	return []string{"contestant", "CPU µs/request (min–max)", "requests/s", "p50 µs", "p99 µs (min–max)", "busy", "ratio", "verdict"}
}

// rows are the lines of a case's table, one a contestant.
func (r *caseResult) rows(short bool) [][]string {
	var rows [][]string
	for _, e := range r.Entries {
		quotient, verdict := "–", ""
		if q, ok := r.ratioOf(e); ok {
			quotient = fmt.Sprintf("%.2f", q.Median)
			if q.Min != q.Max {
				quotient += fmt.Sprintf(" (%.2f–%.2f)", q.Min, q.Max)
			}
		}
		pass, judged := r.verdict(e)
		switch {
		case r.trouble(e):
			verdict = "FAILED"
		case !judged || short:
		case pass:
			verdict = "pass"
		default:
			verdict = "MISS"
		}
		if r.kind == idleConns {
			rows = append(rows, []string{e.Name, e.Memory.text(0), quotient, verdict})
			continue
		}
		rows = append(rows, []string{
			e.Name, e.CPU.text(1), number(e.Rate.Median, 0), number(e.P50.Median, 0), e.P99.text(0),
			fmt.Sprintf("%.0f%%", 100*e.Busy.Median), quotient, verdict,
		})
	}
	return rows
}

// title is the headline of a case's table.
func (r *caseResult) headline() string {
	s := r.name + ": " + r.title
	if r.Rate > 0 {
		s += fmt.Sprintf(", %s requests/s", number(r.Rate, 0))
	}
	if r.Note != "" {
		s += " (" + r.Note + ")"
	}
	if t := r.target(); t != "" {
		s += "; target: " + t
	}
	return s
}

// remarks are the troubles of rounds, and what the generator's own lateness
// adds to latencies.
func (r *caseResult) remarks() []string {
	var notes []string
	for _, e := range r.Entries {
		for i, t := range e.Rounds {
			if t.Trouble != "" {
				notes = append(notes, fmt.Sprintf("%s, round %d: %s", e.Name, i+1, strings.TrimSpace(t.Trouble)))
			}
		}
		if r.kind == openLoop {
			late := spreadOver(e.Rounds, func(t round) float64 { return t.LatenessP99 })
			notes = append(notes, fmt.Sprintf("%s: the generator sent late by %.0f µs (p99), which is in the latencies", e.Name, late.Median))
		}
	}
	return notes
}

func (rep *report) writeCase(w io.Writer, r *caseResult) {
	fmt.Fprintf(w, "\n%s\n", r.headline())
	writeAligned(w, append([][]string{r.header()}, r.rows(rep.Short)...))
	for _, n := range r.remarks() {
		fmt.Fprintf(w, "  %s\n", n)
	}
}

// writeSummary ends the report on the terminal.
func (rep *report) writeSummary(w io.Writer) {
	fmt.Fprintln(w)
	for _, l := range rep.circumstances() {
		fmt.Fprintln(w, l)
	}
	passed, missed := rep.tally()
	if rep.Short {
		fmt.Fprintln(w, "short run: everything was exercised, nothing was judged")
	} else if passed+len(missed) > 0 {
		fmt.Fprintf(w, "targets: %d passed, %d missed%s\n", passed, len(missed), listed(missed))
	}
}

// tally counts the verdicts of the cases.
func (rep *report) tally() (passed int, missed []string) {
	for _, c := range rep.Cases {
		for _, e := range c.Entries {
			pass, judged := c.verdict(e)
			switch {
			case pass:
				passed++
			case judged:
				missed = append(missed, c.name)
			}
		}
	}
	return passed, missed
}

func listed(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
}

// circumstances is what a reader needs to know about the run.
func (rep *report) circumstances() []string {
	lines := []string{
		fmt.Sprintf("machine: %s, %d cores, %s, Linux %s, %s", rep.Machine.CPU, rep.Machine.Cores, rep.Machine.Memory, rep.Machine.Kernel, rep.Machine.Arch),
		fmt.Sprintf("placement: contestant on processor %s, load and target on %s, unless said otherwise", rep.Proxy, rep.Load),
		fmt.Sprintf("rounds: %d of %d s each, interleaved, after 1 s of warm-up; figures are medians", rep.Rounds, rep.Seconds),
		fmt.Sprintf("target alone: %.1f CPU µs/request, %s requests/s from 64 connections", rep.Direct.TargetCPU, number(rep.Direct.Rate, 0)),
	}
	names := make([]string, 0, len(rep.Versions))
	for n := range rep.Versions {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		lines = append(lines, n+": "+rep.Versions[n])
	}
	for _, s := range rep.Skipped {
		lines = append(lines, "SKIP "+s.Name+": "+s.Reason)
	}
	return append(lines, "commit: "+rep.Commit, "command: "+rep.Command)
}

// save writes the report as Markdown and as JSON, and returns their path
// without the suffix.
func (rep *report) save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, rep.Started.Format(time.DateOnly)+"-"+rep.Commit)
	if err := os.WriteFile(path+".md", []byte(rep.markdown()), 0o644); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(rep.data(), "", "  ")
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path+".json", append(text, '\n'), 0o644)
}

func (rep *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmark of %s, commit %s\n\n", rep.Started.Format(time.DateOnly), rep.Commit)
	for _, l := range rep.circumstances() {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	if passed, missed := rep.tally(); passed+len(missed) > 0 {
		fmt.Fprintf(&b, "- targets: %d passed, %d missed%s\n", passed, len(missed), listed(missed))
	}
	b.WriteString("\nHow to read this: [bench/README.md](../README.md).\n")
	for i := range rep.Cases {
		r := &rep.Cases[i]
		fmt.Fprintf(&b, "\n## %s\n\n", r.headline())
		header := r.header()
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
		for _, row := range r.rows(rep.Short) {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		for j, n := range r.remarks() {
			if j == 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	return b.String()
}

// Shapes of the JSON file.
type (
	reportData struct {
		Date     time.Time         `json:"date"`
		Commit   string            `json:"commit"`
		Command  string            `json:"command"`
		Machine  machine           `json:"machine"`
		Versions map[string]string `json:"versions"`
		Skipped  []skip            `json:"skipped,omitempty"`
		Rounds   int               `json:"rounds"`
		Seconds  int               `json:"seconds"`
		Proxy    string            `json:"proxy_processors"`
		Load     string            `json:"load_processors"`
		Direct   round             `json:"target_alone"`
		Cases    []caseData        `json:"cases"`
	}
	caseData struct {
		Name    string         `json:"name"`
		Title   string         `json:"title"`
		Note    string         `json:"note,omitempty"`
		Rate    float64        `json:"rate,omitempty"`
		Figure  figure         `json:"figure"`
		Target  string         `json:"target,omitempty"`
		Results []contestantIn `json:"contestants"`
	}
	contestantIn struct {
		entry
		Ratio   float64 `json:"ratio_to_best_peer,omitempty"`
		Verdict string  `json:"verdict,omitempty"`
	}
)

func (rep *report) data() reportData {
	d := reportData{
		Date: rep.Started, Commit: rep.Commit, Command: rep.Command, Machine: rep.Machine, Versions: rep.Versions,
		Skipped: rep.Skipped, Rounds: rep.Rounds, Seconds: rep.Seconds, Proxy: rep.Proxy, Load: rep.Load, Direct: rep.Direct,
	}
	for _, c := range rep.Cases {
		cd := caseData{Name: c.name, Title: c.title, Note: c.Note, Rate: c.Rate, Figure: c.figure, Target: c.target()}
		for _, e := range c.Entries {
			in := contestantIn{entry: e}
			if q, ok := c.ratioOf(e); ok {
				in.Ratio = math.Round(1000*q.Median) / 1000
			}
			if pass, judged := c.verdict(e); judged && !rep.Short {
				in.Verdict = map[bool]string{true: "pass", false: "miss"}[pass]
			}
			cd.Results = append(cd.Results, in)
		}
		d.Cases = append(d.Cases, cd)
	}
	return d
}

// text is a spread as "median (min–max)", without the range of one round.
func (s spread) text(decimals int) string {
	if s.Min == s.Max {
		return number(s.Median, decimals)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median, decimals), number(s.Min, decimals), number(s.Max, decimals))
}

// number prints a value with a comma between thousands.
func number(v float64, decimals int) string {
	s := fmt.Sprintf("%.*f", decimals, v)
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// writeAligned prints rows in columns: the first to the left, the others to the
// right.
func writeAligned(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
