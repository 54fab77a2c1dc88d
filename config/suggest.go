package config

import (
	"slices"
	"strings"
)

// maxSuggestDistance is how many edits a name may be away to be suggested.
const maxSuggestDistance = 2

// minSuggestPrefix is how much of a name must be there to be suggested by it.
const minSuggestPrefix = 4

// suggest returns "; did you mean "x"?" for the candidate closest to name, or
// "" when none is close. Whatever the number of edits, a name counts as close
// that differs only in case, underscores, hyphens or dots (HealthCheck means
// health_check), and one that is how a single candidate begins (interval means
// interval_seconds).
func suggest(name string, candidates []string) string {
	if best := closest(name, candidates); best != "" {
		return `; did you mean "` + best + `"?`
	}
	return ""
}

// maxSuggestName bounds the names, in bytes, that are compared at all.
const maxSuggestName = 256

func closest(name string, candidates []string) string {
	if len(name) > maxSuggestName {
		return ""
	}
	best, bestDistance := "", maxSuggestDistance+1
	folded := foldName(name)
	for _, c := range candidates {
		if foldName(c) == folded && folded != "" {
			return c
		}
		// Two edits turn any two-letter word into any other: ask that at
		// least half of the name is right.
		limit := min(maxSuggestDistance, len(c)/2)
		if d := editDistance(name, c, limit); d <= limit && d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best == "" && len(folded) >= minSuggestPrefix {
		for _, c := range candidates {
			if strings.HasPrefix(foldName(c), folded) {
				if best != "" {
					return ""
				}
				best = c
			}
		}
	}
	return best
}

// separators are what parts of names are joined by.
var separators = strings.NewReplacer("_", "", "-", "", ".", "")

func foldName(s string) string { return strings.ToLower(separators.Replace(s)) }

// editDistance returns the number of insertions, deletions, replacements and
// swaps of neighbours that turn a into b, or limit+1 as soon as it must be more
// than limit.
func editDistance(a, b string, limit int) int {
	if abs(len(a)-len(b)) > limit {
		return limit + 1
	}
	// Three rows of the usual matrix: swaps look two rows back.
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		if slices.Min(row) > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// orList joins words as prose: "a", "a or b", "a, b or c".
func orList(words []string) string {
	switch len(words) {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
