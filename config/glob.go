package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// globMeta are the characters that make an entry of include a pattern.
const globMeta = `*?[\`

// Glob returns the files that an include pattern (filepath.Match) matches, in
// lexical order. As in a shell, only a dot matches the dot that a name starts
// with: editors leave files such as .#web.yaml beside the one that is edited,
// and a ConfigMap keeps its generations in directories such as ..data.
func Glob(pattern string) ([]string, error) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(pattern, "/")
	matches = slices.DeleteFunc(matches, func(match string) bool {
		for i, name := range strings.Split(match, "/") {
			if strings.HasPrefix(name, ".") && i < len(parts) && !strings.HasPrefix(parts[i], ".") {
				return true
			}
		}
		return false
	})
	slices.Sort(matches)
	return matches, nil
}

// quoteGlob makes a pattern of a path that matches just that path.
func quoteGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
