//go:build !invariants && !race

package netio

// invariants turns on checks that cost time: in tests with -race or with the
// build tag.
const invariants = false
