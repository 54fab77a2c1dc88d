// Package depcheck holds the house plan as data and checks the module against
// it: which package may import which, who may log, how many modules the binary
// links, and that no dependency asks for a newer Go than ours.
//
// The rules are in table.go. Check is a pure function of a list of packages, so
// that the rules themselves are tested on small invented modules; the test of
// the real tree feeds it what `go list` says.
package depcheck
