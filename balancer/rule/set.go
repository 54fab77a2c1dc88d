package rule

import (
	"bytes"
	"slices"
	"strings"

	"github.com/elbow-lb/elbow/config"
)

// maxHost is the longest host, and the longest literal of a host pattern, that
// the index knows: a host name has 253 bytes at most. Longer ones are compared
// rule by rule.
const maxHost = 255

// maxEntries bounds what one rule may add to the index: the product of its host
// and path alternatives. Beyond it only the hosts are indexed and the path
// condition is tried as a whole.
const maxEntries = 1024

// Set is the compiled rules of one listener. It never changes, so any number of
// goroutines may use it.
type Set struct {
	// rest holds, for each rule, the conditions that the index does not decide,
	// cheapest first.
	rest [][]condition

	exact  hostTable // hosts without wildcards
	suffix hostTable // ".example.com" and such: literal endings of host patterns
	other  node      // rules without a host condition or whose patterns have no such ending

	byPath bool // a rule has a path condition
}

// hostTable maps lower-case hosts, or endings of hosts, to their path index.
type hostTable struct {
	nodes   map[string]*node
	lengths [maxHost/64 + 1]uint64 // bit n: there is a key of n bytes
}

func (t *hostTable) add(key string) *node {
	n := t.nodes[key]
	if n == nil {
		if t.nodes == nil {
			t.nodes = make(map[string]*node)
		}
		n = new(node)
		t.nodes[key] = n
		t.lengths[len(key)/64] |= 1 << (len(key) % 64)
	}
	return n
}

// find returns the index of a lower-case host of at most maxHost bytes, or nil.
func (t *hostTable) find(host []byte) *node {
	if t.lengths[len(host)/64]&(1<<(len(host)%64)) == 0 {
		return nil // spares the hash for most of the endings of a host
	}
	return t.nodes[string(host)] // the compiler makes no copy for a lookup
}

// Compile builds the Set of a listener's rules, which must be sorted by
// ascending priority as config.Build leaves them. The default rule is not among
// them. Compile does not keep or change rules, except for their regexes.
func Compile(rules []*config.Rule) *Set {
	s := &Set{rest: make([][]condition, len(rules))}
	for i, r := range rules {
		if r != nil {
			s.add(int32(i), r)
		}
	}
	for _, t := range []*hostTable{&s.exact, &s.suffix} {
		for _, n := range t.nodes {
			n.compact()
		}
	}
	s.other.compact()
	return s
}

// Len returns the number of rules, the default rule excepted. Together with
// what Match returned it gives ELB's RuleEvaluations: one more than the index
// of the rule that matched, or Len when none did.
func (s *Set) Len() int { return len(s.rest) }

// ByPath tells whether any rule looks at the path.
func (s *Set) ByPath() bool { return s.byPath }

// add indexes one rule by its first host and its first path condition; all
// other conditions are left to be tried.
func (s *Set) add(rule int32, r *config.Rule) {
	var host, path *condition
	var rest []condition
	for i := range r.Conditions {
		c := compileCondition(&r.Conditions[i])
		s.byPath = s.byPath || c.field == config.PathPattern
		switch {
		case c.field == config.HostHeader && host == nil:
			host = &c
		case c.field == config.PathPattern && path == nil:
			path = &c
		default:
			rest = append(rest, c)
		}
	}
	slices.SortStableFunc(rest, func(a, b condition) int { return a.cost() - b.cost() })
	s.rest[rule] = rest

	hosts, paths := hostKeys(host), pathKeys(path)
	if len(hosts)*len(paths) > maxEntries {
		paths = []key{{check: path}}
	}
	for _, h := range hosts {
		n := &s.other
		switch {
		case h.text != "" && h.exact:
			n = s.exact.add(h.text)
		case h.text != "":
			n = s.suffix.add(h.text)
		}
		for _, p := range paths {
			n.add(p.text, p.exact, entry{rule: rule, host: h.check, path: p.check})
		}
	}
}

// key is where an alternative of a host or path condition goes in the index.
type key struct {
	text  string     // literal beginning of the path, or ending of the host; "" when there is none
	exact bool       // text is all of it
	check *condition // what is left to be tried; nil: nothing
}

// hostKeys returns where the alternatives of a host condition go. What has no
// literal ending is gathered in one key without text.
func hostKeys(c *condition) []key {
	if c == nil {
		return []key{{}}
	}
	var keys []key
	other := &condition{field: c.field, regexes: c.regexes}
	for _, p := range c.patterns {
		text, whole := p.suffix()
		dot := strings.IndexByte(text, '.')
		switch {
		case p.literal() && text != "" && len(text) <= maxHost:
			keys = append(keys, key{text: text, exact: true})
		case p.literal() || dot < 0 || len(text)-dot > maxHost:
			other.patterns = append(other.patterns, p)
		case whole && dot == 0:
			keys = append(keys, key{text: text})
		default:
			keys = append(keys, key{text: text[dot:], check: only(c, p)})
		}
	}
	if len(other.patterns)+len(other.regexes) > 0 {
		keys = append(keys, key{check: other})
	}
	return keys
}

// pathKeys returns where the alternatives of a path condition go.
func pathKeys(c *condition) []key {
	if c == nil {
		return []key{{}}
	}
	var keys []key
	for _, p := range c.patterns {
		text, whole := p.prefix()
		switch {
		case p.literal():
			keys = append(keys, key{text: text, exact: true})
		case whole:
			keys = append(keys, key{text: text})
		default:
			keys = append(keys, key{text: text, check: only(c, p)})
		}
	}
	if len(c.regexes) > 0 {
		keys = append(keys, key{check: &condition{field: c.field, regexes: c.regexes}})
	}
	return keys
}

// only returns the condition with one of its patterns and nothing else.
func only(c *condition, p pattern) *condition {
	return &condition{field: c.field, patterns: []pattern{p}}
}

// Match returns the index of the first rule that the request matches, or -1
// when there is none and the default rule applies. It does not allocate, block
// or keep anything of r.
func (s *Set) Match(r *Request) int {
	m := merge{set: s, found: -1}
	if s.exact.nodes != nil || s.suffix.nodes != nil {
		s.collectHosts(r, &m)
	}
	s.other.collect(r, &m)
	return m.first(r)
}

// collectHosts adds what the index has for the host and for its endings.
func (s *Set) collectHosts(r *Request, m *merge) {
	var buf [maxHost]byte
	host := r.Host
	whole := len(host) <= maxHost
	if !whole {
		host = host[len(host)-maxHost:]
	}
	folded := buf[:len(host)]
	for i, c := range host {
		folded[i] = lower[c]
	}
	if whole {
		if n := s.exact.find(folded); n != nil {
			n.collect(r, m)
		}
	}
	if s.suffix.nodes == nil {
		return
	}
	for at := 0; ; at++ {
		dot := bytes.IndexByte(folded[at:], '.')
		if dot < 0 {
			return
		}
		at += dot
		if n := s.suffix.find(folded[at:]); n != nil {
			n.collect(r, m)
		}
	}
}

// tries tells whether all that the index left open about an entry holds.
func (s *Set) tries(e *entry, r *Request) bool {
	if e.host != nil && !e.host.match(r) || e.path != nil && !e.path.match(r) {
		return false
	}
	rest := s.rest[e.rule]
	for i := range rest {
		if !rest[i].match(r) {
			return false
		}
	}
	return true
}

// merge tries candidates from several lists in the order of their rules. It
// does not hold the request: the compiler would then believe that the request
// outlives Match and put it on the heap.
type merge struct {
	set   *Set
	lists [maxLists][]entry // none is empty
	n     int
	found int32 // a rule known to match, or -1; see add
}

// maxLists is how many lists are merged. A request seldom reaches more than
// five; it takes a chain of nested paths in the rules to reach more than this.
const maxLists = 16

// add adds a list of candidates, ascending by rule. When there is no room it is
// tried at once: more is tried then than the order asks for, with the same
// result.
func (m *merge) add(list []entry, r *Request) {
	if len(list) == 0 {
		return
	}
	if m.n < maxLists {
		m.lists[m.n] = list
		m.n++
		return
	}
	for i := range list {
		if m.found >= 0 && m.found <= list[i].rule {
			return
		}
		if m.set.tries(&list[i], r) {
			m.found = list[i].rule
			return
		}
	}
}

// first returns the first rule that matches, or -1.
func (m *merge) first(r *Request) int {
	for m.n > 0 {
		low := 0
		for i := 1; i < m.n; i++ {
			if m.lists[i][0].rule < m.lists[low][0].rule {
				low = i
			}
		}
		e := &m.lists[low][0]
		if m.found >= 0 && m.found <= e.rule {
			break
		}
		if m.set.tries(e, r) {
			return int(e.rule)
		}
		if rest := m.lists[low][1:]; len(rest) > 0 {
			m.lists[low] = rest
		} else {
			m.n--
			m.lists[low] = m.lists[m.n]
		}
	}
	return int(m.found)
}
