package rule

import "github.com/elbow-lb/elbow/config"

// Holds tells whether one condition holds for a request, by itself. It compiles the
// condition: it is for people who ask why, not for requests.
func Holds(c *config.Condition, r *Request) bool {
	compiled := compileCondition(c)
	return compiled.match(r)
}
