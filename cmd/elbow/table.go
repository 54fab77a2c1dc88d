package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table is text in aligned columns. The widths are of what a cell shows: colours
// take no room, which is why this is not a tabwriter.
type table struct {
	right []bool // by column: numbers
	rows  [][]cell
}

// cell is one word of a table with its colour.
type cell struct {
	text, colour string
}

// newTable returns a table with a heading. A name that begins with ">" has its
// column aligned to the right.
func newTable(heading ...string) *table {
	t := &table{}
	row := make([]cell, len(heading))
	for i, name := range heading {
		name, right := strings.CutPrefix(name, ">")
		t.right = append(t.right, right)
		row[i] = cell{name, faint}
	}
	t.rows = append(t.rows, row)
	return t
}

func (t *table) add(row ...cell) { t.rows = append(t.rows, row) }

// gap is what is between two columns.
const gap = "  "

// write writes the table, in colour if on. Columns that are empty in all rows are
// left out.
func (t *table) write(w io.Writer, on bool) error {
	width := make([]int, len(t.right))
	used := make([]bool, len(t.right))
	for i, row := range t.rows {
		for j, c := range row {
			width[j] = max(width[j], utf8.RuneCountInString(c.text))
			used[j] = used[j] || i > 0 && c.text != ""
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		pending := "" // blanks that are only written before something
		for j, c := range row {
			if !used[j] {
				continue
			}
			blanks := strings.Repeat(" ", width[j]-utf8.RuneCountInString(c.text))
			if t.right[j] {
				pending += blanks
			}
			if c.text != "" {
				line.WriteString(pending)
				line.WriteString(paint(on, c.colour, c.text))
				pending = ""
			}
			if !t.right[j] {
				pending += blanks
			}
			pending += gap
		}
		b.WriteString(line.String())
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
