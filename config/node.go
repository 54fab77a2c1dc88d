package config

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// source is one file, or one in-memory text, of a configuration.
type source struct {
	name  string // as positions show it
	dir   string // what relative paths in it are relative to; "" in memory
	data  []byte
	lines []int32 // offset at which each line starts; filled on first use
}

// maxSnippet bounds the characters of a line that a snippet shows.
const maxSnippet = 160

// maxLine bounds the lines that are shown at all, in bytes: looking for a column
// in a longer one, once per error, takes time that nobody's reading is worth.
const maxLine = 4096

// line returns the text of a line, which counts from 1, or "" when there is none
// or it is too long to show.
func (s *source) line(line int) string {
	if s.lines == nil {
		s.lines = make([]int32, 1, 1+bytes.Count(s.data, []byte{'\n'}))
		for i, c := range s.data {
			if c == '\n' {
				s.lines = append(s.lines, int32(i+1)) // MaxFileSize fits
			}
		}
	}
	if line < 1 || line > len(s.lines) {
		return ""
	}
	end := len(s.data)
	if line < len(s.lines) {
		end = int(s.lines[line]) - 1
	}
	text := s.data[s.lines[line-1]:end]
	if len(text) > maxLine {
		return ""
	}
	return strings.TrimSuffix(string(text), "\r")
}

// snippet returns the text of a line and, below it, a caret under the column.
// It shows the file as written: nothing that ${…} stands for.
func (s *source) snippet(line, column int) string {
	text := s.line(line)
	if text == "" {
		return ""
	}
	runes := []rune(strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return printableRune(r)
	}, text))
	at := min(max(column-1, 0), len(runes))
	if len(runes) > maxSnippet {
		from := max(0, min(at-maxSnippet/2, len(runes)-maxSnippet))
		runes, at = runes[from:from+maxSnippet], at-from
	}
	// The caret's indent repeats tabs, so that it stands right at any tab width.
	indent := make([]rune, at)
	for i := range indent {
		indent[i] = ' '
		if runes[i] == '\t' {
			indent[i] = '\t'
		}
	}
	return string(runes) + "\n" + string(indent) + "^"
}

// nodeKind says what a node is.
type nodeKind uint8

const (
	scalarNode nodeKind = iota
	nullNode            // written as nothing, ~ or null
	mapNode
	listNode
)

func (k nodeKind) String() string {
	return [...]string{"a single value", "nothing", "a map", "a list"}[k]
}

// node is a value of a document with its place. Nodes that aliases share occur
// at several places of the tree; nothing changes a node once its file is loaded.
// There may be a million of them, so they are small.
type node struct {
	source *source
	line   int32
	column int32
	kind   nodeKind
	bad    bool   // scalar: could not be expanded; that has been reported
	raw    string // scalar: as written, without quotes
	text   string // scalar: after expansion

	*contents // of a map or a list, nil for any other
}

// contents are what a map or a list consists of.
type contents struct {
	pairs []pair  // map
	items []*node // list
}

// newNode returns a node at a place, which the YAML library may not know.
func newNode(s *source, line, column int) *node {
	return &node{source: s, line: int32(max(line, 1)), column: int32(max(column, 1))}
}

// pair is one entry of a map.
type pair struct {
	key   *node // a scalar, never expanded
	value *node
}

func (n *node) position() Position {
	return Position{File: n.source.name, Line: int(n.line), Column: int(n.column)}
}

// expanded tells whether a scalar's text holds what ${…} stands for.
func (n *node) expanded() bool { return n.raw != n.text }

// shown is how a message quotes a scalar. What ${…} stands for may be a secret,
// so an expanded value is quoted as it is written.
func (n *node) shown() string {
	if n.expanded() {
		return "the value of " + abbreviate(n.raw)
	}
	return `"` + abbreviate(n.text) + `"`
}

// The most characters of a value and of a path that a message quotes.
const (
	maxShown     = 64
	maxShownPath = 256
)

// abbreviate makes a value fit for a message.
func abbreviate(s string) string { return shorten(s, maxShown) }

// shownPath makes the path of a file fit for a message.
func shownPath(s string) string { return shorten(s, maxShownPath) }

// shorten cuts a text to most characters and makes it printable. It looks at no
// more of the text than it keeps: there may be many errors about one long text.
func shorten(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return printable(s[:i]) + "…"
		}
		n++
	}
	return printable(s)
}

// printable makes a text that may hold anything fit for a terminal and a log: it
// stays one line, moves no cursor and does not turn the direction of writing.
func printable(s string) string { return strings.Map(printableRune, s) }

func printableRune(r rune) rune {
	if !unicode.IsPrint(r) || r == utf8.RuneError {
		return '?'
	}
	return r
}
