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

	// By column, from align: how wide it is at least, and that it is not left out.
	width []int
	used  []bool
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

// align gives tables that have the same heading the same columns.
func align(tables []*table) {
	for i := 1; i < len(tables); i++ {
		tables[i].width, tables[i].used = tables[i-1].columns()
	}
	for _, t := range tables {
		t.width, t.used = tables[len(tables)-1].columns()
	}
}

// columns returns how wide each column is, and whether any row has something in it.
func (t *table) columns() (width []int, used []bool) {
	width, used = make([]int, len(t.right)), make([]bool, len(t.right))
	copy(width, t.width)
	copy(used, t.used)
	for i, row := range t.rows {
		for j, c := range row {
			width[j] = max(width[j], utf8.RuneCountInString(c.text))
			used[j] = used[j] || i > 0 && c.text != ""
		}
	}
	return width, used
}

// write writes the table, in colour if on. Columns that are empty in all rows are
// left out.
func (t *table) write(w io.Writer, on bool) error {
	width, used := t.columns()
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
