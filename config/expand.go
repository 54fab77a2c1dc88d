package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	files    bool              // whether ${file:…} may read
	contents map[string]string // of the files read, by path
	order    []string          // their paths in the order of reading
	produced int               // bytes all expansions produced so far
}

// expand replaces n.text. It reports what it cannot expand and marks n bad.
func (e *expander) expand(n *node, path string) {
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
		default:
			value, err = e.lookup(body, n.source.dir)
		}
		if e.produced += len(value); err == nil && e.produced > MaxExpansion {
			err = fmt.Errorf("all ${…} together produce more than %d MiB", MaxExpansion>>20)
		}
		if err != nil {
			e.r.errorf(n, path, "%v", err)
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
	if content, done := e.contents[path]; done {
		return content, nil
	}
	data, err := readRegular(path, MaxValueFileSize)
	if err != nil {
		return "", fmt.Errorf("${file:%s}: %w", abbreviate(name), err)
	}
	content := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if e.contents == nil {
		e.contents = map[string]string{}
	}
	e.contents[path] = content
	e.order = append(e.order, path)
	return content, nil
}

// resolvePath returns a path that a configuration says, relative to the
// directory of the file that says it.
func resolvePath(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// readRegular reads a regular file of at most limit bytes. It refuses pipes and
// devices, which could block for ever.
func readRegular(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, plainError(err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, plainError(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB, the most that is read", path, limit>>20)
	}
	return data, nil
}

// plainError words the usual file errors for people.
func plainError(err error) error {
	var p *fs.PathError
	if !errors.As(err, &p) {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", p.Path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by this user", p.Path)
	}
	return err
}
