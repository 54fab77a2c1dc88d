package config

import (
	"strings"
	"unicode/utf8"
)

// source is one file, or one in-memory text, of a configuration.
type source struct {
	name  string // as positions show it
	dir   string // what relative paths in it are relative to; "" in memory
	data  []byte
	lines []int // offset at which each line starts; filled on first use
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
		s.lines = []int{0}
		for i, c := range s.data {
			if c == '\n' {
				s.lines = append(s.lines, i+1)
			}
		}
	}
	if line < 1 || line > len(s.lines) {
		return ""
	}
	end := len(s.data)
	if line < len(s.lines) {
		end = s.lines[line] - 1
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
	// A text that is not UTF-8 or holds control characters must not reach a
	// terminal as it is.
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r == utf8.RuneError || 0x80 <= r && r < 0xa0 {
			return '?'
		}
		return r
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
type node struct {
	kind   nodeKind
	source *source
	line   int
	column int

	raw   string // scalar: as written, without quotes
	text  string // scalar: after expansion
	bad   bool   // scalar: could not be expanded; that has been reported
	pairs []pair // map
	items []*node
}

// pair is one entry of a map.
type pair struct {
	key   *node // a scalar, never expanded
	value *node
}

func (n *node) position() Position {
	return Position{File: n.source.name, Line: n.line, Column: n.column}
}

// shown is how a message quotes a scalar. What ${…} stands for may be a secret,
// so an expanded value is quoted as it is written.
func (n *node) shown() string {
	if n.raw != n.text {
		return "the value of " + abbreviate(n.raw)
	}
	return `"` + abbreviate(n.text) + `"`
}

// abbreviate cuts a text to what fits in a message, and makes it one line.
func abbreviate(s string) string {
	const most = 64
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
