package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// LookupEnv looks up an environment variable; os.LookupEnv is one.
type LookupEnv = func(name string) (value string, set bool)

// expander replaces, in values and never in keys:
//
//	${NAME}            the environment variable, which must be set
//	${NAME:-default}   the variable, or the default when it is unset or empty
//	${NAME:?message}   the variable, or an error with the message when it is unset or empty
//	${file:path}       the content of a file, less one newline at its end;
//	                   a relative path counts from the file that says it
//	$$                 a dollar sign
//
// A default and a message end at the first }. Expansion works on values that
// were already parsed, so that nothing it puts in can become YAML, and what it
// puts in is not expanded again. A $ before anything else stays, as in the
// regular expression ^/a$.
type expander struct {
	r        *reporter
	env      LookupEnv
	files    bool                 // whether ${file:…} may read
	values   map[string]valueFile // of ${file:…}, by path
	order    []string             // their paths in the order of reading
	produced int                  // bytes all expansions produced so far
}

// valueFile is what a file that ${file:…} names holds, or why it cannot be read:
// it is read once, whatever comes of it.
type valueFile struct {
	text string
	err  error
}

// expand replaces n.text. It reports what it cannot expand and marks n bad.
func (e *expander) expand(n *node, path func() string) {
	if !strings.Contains(n.raw, "$") {
		return
	}
	var out strings.Builder
	rest := n.raw
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 || i == len(rest)-1 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:i])
		switch rest[i+1] {
		case '$':
			out.WriteByte('$')
			rest = rest[i+2:]
			continue
		case '{':
		default:
			out.WriteByte('$')
			rest = rest[i+1:]
			continue
		}
		body, after, closed := strings.Cut(rest[i+2:], "}")
		value, err := "", error(nil)
		switch {
		case !closed:
			err = fmt.Errorf("${ is not closed; write } after the name, or $${ for the two characters ${")
		case strings.Contains(body, "${"):
			err = fmt.Errorf("${…} cannot be nested")
		case e.produced <= MaxExpansion:
			value, err = e.lookup(body, n.source.dir)
		}
		if e.produced += len(value); err == nil && e.produced > MaxExpansion {
			err = fmt.Errorf("all ${…} together produce more than %d MiB", MaxExpansion>>20)
		}
		if err != nil {
			e.r.errorf(n, path(), "%v", err)
			n.bad = true
			return
		}
		out.WriteString(value)
		rest = after
	}
	n.text = out.String()
}

// lookup returns what the text between ${ and } stands for.
func (e *expander) lookup(body, dir string) (string, error) {
	if name, found := strings.CutPrefix(body, "file:"); found {
		return e.file(name, dir)
	}
	name, alternative, hasAlternative := strings.Cut(body, ":")
	if !isVariableName(name) {
		return "", fmt.Errorf("${%s} is not a variable; write ${NAME}, ${NAME:-default}, ${NAME:?message}, ${file:path}, or $${ for the two characters ${", abbreviate(body))
	}
	if hasAlternative && !strings.HasPrefix(alternative, "-") && !strings.HasPrefix(alternative, "?") {
		return "", fmt.Errorf("${%s}: after the name only :-default or :?message may follow", abbreviate(body))
	}
	value, set := "", false
	if e.env != nil {
		value, set = e.env(name)
	}
	switch {
	case !hasAlternative && !set:
		return "", fmt.Errorf("the environment variable %s is not set; set it, or write ${%s:-default}", name, name)
	case !hasAlternative || value != "":
		return value, nil
	case alternative[0] == '-':
		return alternative[1:], nil
	case alternative == "?":
		return "", fmt.Errorf("the environment variable %s is unset or empty", name)
	}
	return "", fmt.Errorf("the environment variable %s is unset or empty: %s", name, abbreviate(alternative[1:]))
}

func isVariableName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || 'z' < c|0x20) && (i == 0 || c < '0' || '9' < c) {
			return false
		}
	}
	return s != ""
}

func (e *expander) file(name, dir string) (string, error) {
	if !e.files {
		return "", fmt.Errorf("${file:%s}: a configuration that is not a file cannot name files", abbreviate(name))
	}
	if name == "" {
		return "", fmt.Errorf("${file:} names no file; write ${file:path}")
	}
	path := resolvePath(name, dir)
	v, done := e.values[path]
	switch {
	case done:
	case len(e.order) >= MaxFiles:
		v.err = fmt.Errorf("more than %d files are named", MaxFiles)
	default:
		var data []byte
		data, v.err = readRegular(path, shownPath(path), MaxValueFileSize)
		v.text = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		if e.values == nil {
			e.values = map[string]valueFile{}
		}
		e.values[path] = v
		e.order = append(e.order, path)
	}
	if v.err != nil {
		return "", fmt.Errorf("${file:%s}: %w", abbreviate(name), v.err)
	}
	return v.text, nil
}

// resolvePath returns a path that a configuration says, relative to the
// directory of the file that says it.
func resolvePath(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// readRegular reads a regular file of at most limit bytes, which messages call
// shown. It refuses pipes and devices, which could block for ever; it looks at
// what it has opened, which nobody can replace by one.
func readRegular(path, shown string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(err, shown)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fileError(err, shown)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory", shown)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", shown)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(err, shown)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB, the most that is read", shown, limit>>20)
	}
	return data, nil
}

// fileError words an error about a file, which messages call shown, for people.
func fileError(err error, shown string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", shown)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by this user", shown)
	}
	// The error of a path names the path once more, as it is.
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s: %w", shown, err)
}
