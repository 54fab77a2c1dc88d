package config

import "fmt"

// Position is a place in a configuration file. Lines and columns count from 1;
// the zero Position means "no place".
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns file:line:column, or the file alone where there is no line.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Diagnostic is one thing that is wrong, or worth knowing, about a
// configuration, and where.
type Diagnostic struct {
	Position Position
	Path     string // where in the document, e.g. "target_groups[web].health_check.interval_seconds"
	Message  string // what is wrong and what is allowed
	Snippet  string // the line with a caret below, or ""
}
