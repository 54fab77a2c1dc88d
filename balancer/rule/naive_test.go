package rule

import (
	"net/netip"
	"strings"

	"github.com/elbow-lb/elbow/config"
)

// naiveMatch is the slow reference that Set is held against: it tries the rules
// one after the other, straight from the configuration, with a recursive
// matcher that shares no code with the fast one.
func naiveMatch(rules []*config.Rule, r *Request) int {
rules:
	for i, rule := range rules {
		for j := range rule.Conditions {
			if !naiveCondition(&rule.Conditions[j], r) {
				continue rules
			}
		}
		return i
	}
	return -1
}

func naiveCondition(c *config.Condition, r *Request) bool {
	text := func(s string, fold bool) bool {
		for _, v := range c.Values {
			if naiveWildcard(v, s, fold, false) {
				return true
			}
		}
		for _, re := range c.Regexes {
			if re.MatchString(s) {
				return true
			}
		}
		return false
	}
	switch c.Field {
	case config.HostHeader:
		return text(string(r.Host), true)
	case config.PathPattern:
		return text(string(r.Path), false)
	case config.HTTPHeader:
		if r.Head == nil {
			return false
		}
		for at := 0; at >= 0; {
			var value []byte
			if value, at = r.Head.NextNamed(naiveLower(c.HeaderName), at); at >= 0 && text(string(value), true) {
				return true
			}
		}
	case config.HTTPRequestMethod:
		for _, v := range c.Values {
			if v == string(r.Method) {
				return true
			}
		}
	case config.QueryString:
		for _, pair := range strings.Split(string(r.Query), "&") {
			if pair == "" {
				continue
			}
			key, value, _ := strings.Cut(pair, "=")
			for _, q := range c.Query {
				if (q.Key == "" && !q.HasKey || naiveWildcard(q.Key, key, true, true)) && naiveWildcard(q.Value, value, true, true) {
					return true
				}
			}
		}
	case config.SourceIP:
		for _, n := range c.Networks {
			if n.Contains(r.Source) {
				return true
			}
		}
	}
	return false
}

// naiveWildcard compares by dynamic programming: reach[j] tells whether the
// pattern read so far can consume the first j bytes.
func naiveWildcard(pattern, s string, fold, escapes bool) bool {
	if fold {
		pattern, s = naiveLower(pattern), naiveLower(s)
	}
	reach := make([]bool, len(s)+1)
	reach[0] = true
	for len(pattern) > 0 {
		c, literal := pattern[0], false
		pattern = pattern[1:]
		if escapes && c == '\\' && pattern != "" && strings.IndexByte("*?", pattern[0]) >= 0 {
			c, literal, pattern = pattern[0], true, pattern[1:]
		}
		next := make([]bool, len(s)+1)
		for j := range next {
			switch {
			case c == '*' && !literal:
				next[j] = reach[j] || j > 0 && next[j-1]
			case j > 0 && reach[j-1]:
				next[j] = c == '?' && !literal || s[j-1] == c
			}
		}
		reach = next
	}
	return reach[len(s)]
}

func naiveLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// headers is a HeaderSource of name/value pairs.
type headers [][2]string

func (h headers) NextNamed(lowerName string, from int) ([]byte, int) {
	for i := from; i < len(h); i++ {
		if strings.EqualFold(h[i][0], lowerName) {
			return []byte(h[i][1]), i + 1
		}
	}
	return nil, -1
}

// head is a HeaderSource that does not allocate.
type head struct {
	names, values [][]byte
}

func (h *head) NextNamed(lowerName string, from int) ([]byte, int) {
	for i := from; i < len(h.names); i++ {
		if string(h.names[i]) == lowerName {
			return h.values[i], i + 1
		}
	}
	return nil, -1
}

func mustNetworks(s ...string) (out []netip.Prefix) {
	for _, n := range s {
		out = append(out, netip.MustParsePrefix(n).Masked())
	}
	return out
}
