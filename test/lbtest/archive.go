package lbtest

import (
	"bytes"
	"fmt"
	"strings"
)

// Archive is a txtar archive: a text, then files. The format is that of
// golang.org/x/tools/txtar, which this module does not otherwise need.
type Archive struct {
	Text  string
	Files []File
}

// File is one file of an Archive.
type File struct {
	Name string
	Data string
}

// ParseArchive splits an archive. A file begins at a line "-- name --" and ends
// before the next one. Names must differ.
func ParseArchive(data []byte) (*Archive, error) {
	a := &Archive{}
	text := &a.Text
	seen := map[string]bool{}
	for line := range bytes.Lines(data) {
		name, ok := marker(string(line))
		if !ok {
			*text += string(line)
			continue
		}
		if seen[name] {
			return nil, fmt.Errorf("file %s occurs twice", name)
		}
		seen[name] = true
		a.Files = append(a.Files, File{Name: name})
		text = &a.Files[len(a.Files)-1].Data
	}
	return a, nil
}

// marker returns the name in a line "-- name --".
func marker(line string) (string, bool) {
	line = strings.TrimSpace(line)
	name, ok := strings.CutPrefix(line, "-- ")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, " --")
	name = strings.TrimSpace(name)
	return name, ok && name != ""
}

// File returns the named file's content.
func (a *Archive) File(name string) (string, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return "", false
}
