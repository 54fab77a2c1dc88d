package rule

import (
	"regexp"

	"github.com/elbow-lb/elbow/config"
)

// MaxHost is the longest host that a transform may make, in bytes: that of a DNS
// name and a port.
const MaxHost = 253 + len(":65535")

// Transform is the compiled transforms of a rule. It never changes.
type Transform struct {
	Host *Rewrite // nil: the host stays
	URL  *Rewrite // nil: path and query stay
}

// Rewrite is a compiled config.Rewrite.
type Rewrite struct {
	regex *regexp.Regexp
	parts []piece
}

// piece is literal text, or a group of the match when group is not 0.
type piece struct {
	text  string
	group int
}

// CompileTransforms compiles the transforms of a rule; nil when there are none.
func CompileTransforms(t *config.Transforms) *Transform {
	if t.Host == nil && t.URL == nil {
		return nil
	}
	return &Transform{Host: compileRewrite(t.Host), URL: compileRewrite(t.URL)}
}

func compileRewrite(c *config.Rewrite) *Rewrite {
	if c == nil {
		return nil
	}
	r := &Rewrite{regex: c.Regex}
	s, literal := c.Replace, 0
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '$' || s[i+1] < '1' || '9' < s[i+1] {
			continue
		}
		if literal < i {
			r.parts = append(r.parts, piece{text: s[literal:i]})
		}
		r.parts = append(r.parts, piece{group: int(s[i+1] - '0')})
		i++
		literal = i + 1
	}
	if literal < len(s) {
		r.parts = append(r.parts, piece{text: s[literal:]})
	}
	return r
}

// Append appends text with the first match of the regular expression replaced, and
// tells whether there is one; if not, nothing is appended. A group that took no part
// in the match is empty.
//
// Once more than limit bytes were appended the rest may be missing. A match
// allocates, and no more than the positions of its groups; dst may grow.
func (r *Rewrite) Append(dst, text []byte, limit int) (out []byte, matched bool) {
	at := r.regex.FindSubmatchIndex(text)
	if at == nil {
		return dst, false
	}
	limit += len(dst)
	dst = append(dst, text[:at[0]]...)
	for i := range r.parts {
		if len(dst) > limit {
			return dst, true
		}
		p := &r.parts[i]
		dst = append(dst, p.text...)
		if g := 2 * p.group; g > 0 && g < len(at) && at[g] >= 0 {
			dst = append(dst, text[at[g]:at[g+1]]...)
		}
	}
	return append(dst, text[at[1]:]...), true
}
