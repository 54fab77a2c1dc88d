package main

import "fmt"

// The rules of setupRules: odd ones match a host, even ones a path prefix.
// Every contestant gets the same twenty in the same order. The measured
// requests match the last but one in its kind, so a contestant that tries one
// after the other has nearly all of them to try.
const (
	ruleCount  = 20
	matchRule  = 18 // the measured requests match this one
	ruleHost   = "svc%d.bench.example"
	rulePrefix = "/svc%d/"
)

// ruleSpec is one rule: a host or a path prefix, and where it leads.
type ruleSpec struct {
	number int
	host   string // or
	prefix string
	main   bool // to the target's main face; else to the other
}

func ruleSpecs() []ruleSpec {
	specs := make([]ruleSpec, 0, ruleCount)
	for n := 1; n <= ruleCount; n++ {
		s := ruleSpec{number: n, main: n == matchRule}
		if n%2 == 1 {
			s.host = fmt.Sprintf(ruleHost, n)
		} else {
			s.prefix = fmt.Sprintf(rulePrefix, n)
		}
		specs = append(specs, s)
	}
	return specs
}

// underRule is a path of the target that the measured rule matches.
func underRule(path string) string { return fmt.Sprintf(rulePrefix, matchRule) + path[1:] }
