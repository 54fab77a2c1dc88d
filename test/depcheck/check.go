package depcheck

import (
	"fmt"
	goversion "go/version"
	"slices"
	"strings"
)

// Package is what a check needs to know of one package: the fields of
// `go list -json` of the same names.
type Package struct {
	ImportPath   string
	Imports      []string // of the package itself
	TestImports  []string // of its in-package tests
	XTestImports []string // of its external tests
}

// Check compares packages with the table and returns one sentence per
// violation, sorted; none means that the tree is as planned.
func Check(packages []Package) []string {
	var found []string
	for _, p := range packages {
		from := relative(p.ImportPath)
		for _, imp := range unique(p.Imports) {
			found = append(found, checkImport(from, imp, false)...)
		}
		for _, imp := range unique(p.TestImports, p.XTestImports) {
			if relative(imp) != from { // an external test imports its own package
				found = append(found, checkImport(from, imp, true)...)
			}
		}
		if _, known := rowOf(from); !known && !matchAny(outside, from) {
			found = append(found, fmt.Sprintf(
				"%s is not in the table: place it in a row of test/depcheck/table.go, which is the house plan", from))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checkImport judges one import of one package. A test file obeys the same
// directions; it may also use the test trees and any foreign package.
func checkImport(from, imp string, test bool) []string {
	who := from
	if test {
		who = "test of " + from
	}
	if !strings.HasPrefix(imp, Module+"/") && imp != Module {
		if test || matchAny(outside, from) {
			return nil
		}
		return checkForeign(from, imp)
	}
	to := relative(imp)
	switch {
	case matchAny(outside, from):
		return nil
	case matchAny(outside, to):
		if test {
			return nil
		}
		return []string{fmt.Sprintf("%s imports %s: tests, measurements and tools are imported by nothing of the house", who, to)}
	}
	fromRow, ok1 := rowOf(from)
	toRow, ok2 := rowOf(to)
	if !ok1 || !ok2 {
		return nil // reported as unknown
	}
	switch {
	case toRow > fromRow:
		return nil
	case toRow < fromRow:
		return []string{fmt.Sprintf("%s (%s) imports %s (%s): imports point down only%s",
			who, rows[fromRow].name, to, rows[toRow].name, policyHint(fromRow, toRow))}
	case slices.Contains(edges[from], to) || treeOf(fromRow, from) == treeOf(toRow, to):
		return nil
	}
	return []string{fmt.Sprintf("%s imports %s: packages of one row (%s) do not import each other unless the table draws the edge",
		who, to, rows[fromRow].name)}
}

// policyHint adds the one rule that people break by accident.
func policyHint(from, to int) string {
	if rows[from].name == "mechanism" && rows[to].name != "mechanism" {
		return "; mechanism knows nothing of policy"
	}
	return ""
}

// checkForeign judges an import from outside the module.
func checkForeign(from, imp string) []string {
	var found []string
	for _, l := range limits {
		if match(l.foreign, imp) && !matchAny(l.allowed, from) {
			found = append(found, fmt.Sprintf("%s imports %s: %s", from, imp, l.why))
		}
	}
	if slices.Contains(pure[from], imp) {
		found = append(found, fmt.Sprintf("%s imports %s: it is pure, without input, output or a clock of its own", from, imp))
	}
	return found
}

// CheckGoVersion compares the Go version that each module asks for with the
// one that we build with. Versions are as in go.mod: "1.26.8".
func CheckGoVersion(toolchain string, asks map[string]string) []string {
	var found []string
	for module, version := range asks {
		if goversion.Compare("go"+version, "go"+toolchain) > 0 {
			found = append(found, fmt.Sprintf("%s asks for go %s, newer than the toolchain %s: it would raise our go line", module, version, toolchain))
		}
	}
	slices.Sort(found)
	return found
}

// relative is a package's path inside the module.
func relative(path string) string {
	if path == Module {
		return "."
	}
	return strings.TrimPrefix(path, Module+"/")
}

// rowOf finds a package's row.
func rowOf(pkg string) (index int, ok bool) {
	for i, r := range rows {
		if matchAny(r.packages, pkg) {
			return i, true
		}
	}
	return 0, false
}

// treeOf is the "/..." pattern that holds pkg, or pkg itself: the packages of
// one tree may import each other.
func treeOf(row int, pkg string) string {
	for _, pattern := range rows[row].packages {
		if match(pattern, pkg) {
			return pattern
		}
	}
	return pkg
}

// match tells whether a path is named by a pattern; "x/..." names x and all
// that is below it.
func match(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return path == pattern
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

func unique(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
