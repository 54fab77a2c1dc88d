package rule

import (
	"bytes"
	"net/netip"
	"regexp"
	"slices"

	"github.com/elbow-lb/elbow/config"
)

// HeaderSource gives the values of a request's header fields. *httpmsg.Head is
// one.
type HeaderSource interface {
	// NextNamed returns the value of the first field at or after position from
	// whose name is lowerName, and the position to go on from; next is negative
	// when there is none. The first position is 0.
	NextNamed(lowerName string, from int) (value []byte, next int)
}

// Request is what rules look at. All slices are views that need to be valid
// during Match only.
type Request struct {
	Host   []byte       // of the first Host header, as received, without the port
	Method []byte       // as received
	Path   []byte       // canonical, begins with '/', without the query
	Query  []byte       // raw, without the '?'
	Source netip.Addr   // the client's address, IPv4 ones unmapped
	Head   HeaderSource // may be nil when the request has no header fields
}

// condition is a compiled config.Condition: true when any alternative is.
type condition struct {
	field    config.ConditionField
	name     string // lower case, HTTPHeader only
	methods  [][]byte
	patterns []pattern
	regexes  []*regexp.Regexp
	query    []queryPattern
	networks []netip.Prefix // disjoint, ascending
}

// queryPattern matches one key/value pair of a query string.
type queryPattern struct {
	anyKey     bool
	key, value pattern
}

func compileCondition(c *config.Condition) condition {
	out := condition{field: c.Field}
	for _, re := range c.Regexes {
		if re != nil {
			out.regexes = append(out.regexes, re)
		}
	}
	switch c.Field {
	case config.HTTPRequestMethod:
		for _, v := range c.Values {
			out.methods = append(out.methods, []byte(v))
		}
	case config.QueryString:
		for _, q := range c.Query {
			out.query = append(out.query, queryPattern{
				anyKey: !q.HasKey && q.Key == "",
				key:    compilePattern(q.Key, true, true),
				value:  compilePattern(q.Value, true, true),
			})
		}
	case config.SourceIP:
		out.networks = disjoint(c.Networks)
	case config.HTTPHeader:
		out.name = lowerString(c.HeaderName)
		fallthrough
	default:
		for _, v := range c.Values {
			out.patterns = append(out.patterns, compilePattern(v, c.Field != config.PathPattern, false))
		}
	}
	return out
}

func (c *condition) match(r *Request) bool {
	switch c.field {
	case config.HostHeader:
		return c.matchText(r.Host)
	case config.PathPattern:
		return c.matchText(r.Path)
	case config.HTTPHeader:
		return r.Head != nil && c.matchHeader(r.Head)
	case config.HTTPRequestMethod:
		for _, m := range c.methods {
			if bytes.Equal(m, r.Method) {
				return true
			}
		}
		return false
	case config.QueryString:
		return c.matchQuery(r.Query)
	case config.SourceIP:
		return contains(c.networks, r.Source)
	}
	return false
}

func (c *condition) matchText(text []byte) bool {
	for i := range c.patterns {
		if c.patterns[i].match(text) {
			return true
		}
	}
	for _, re := range c.regexes {
		if re.Match(text) {
			return true
		}
	}
	return false
}

// matchHeader tries every field of the name in order: "if the same header
// appears multiple times" one that matches is enough.
func (c *condition) matchHeader(head HeaderSource) bool {
	for value, next := head.NextNamed(c.name, 0); next >= 0; value, next = head.NextNamed(c.name, next) {
		if c.matchText(value) {
			return true
		}
	}
	return false
}

func (c *condition) matchQuery(query []byte) bool {
	for len(query) > 0 {
		pair := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if len(pair) == 0 {
			continue
		}
		key, value := pair, pair[len(pair):]
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			key, value = pair[:i], pair[i+1:]
		}
		for i := range c.query {
			q := &c.query[i]
			if (q.anyKey || q.key.match(key)) && q.value.match(value) {
				return true
			}
		}
	}
	return false
}

// cost orders the conditions of a rule so that cheap ones are tried first. All
// of them must hold, so the order does not change the result.
func (c *condition) cost() int {
	if len(c.regexes) > 0 {
		return 5
	}
	switch c.field {
	case config.HTTPRequestMethod:
		return 0
	case config.SourceIP:
		return 1
	case config.HostHeader, config.PathPattern:
		return 2
	case config.QueryString:
		return 3
	}
	return 4 // a header must be looked for
}

// disjoint returns the networks without those that lie inside another, in
// ascending order. Two networks are nested or apart, so what is left is apart,
// and a binary search finds the only one that can contain an address.
func disjoint(networks []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, n := range networks {
		if !n.IsValid() {
			continue
		}
		if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
		}
		sorted = append(sorted, n.Masked())
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits() // the wider first
	})
	out := sorted[:0]
	for _, n := range sorted {
		if len(out) == 0 || !out[len(out)-1].Contains(n.Addr()) {
			out = append(out, n)
		}
	}
	return out
}

// contains tells whether one of the disjoint, ascending networks contains addr.
func contains(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.WithZone("") // a Prefix contains no address with a zone
	low, high := 0, len(networks)
	for low < high { // the first network that begins after addr
		mid := int(uint(low+high) >> 1)
		if networks[mid].Addr().Compare(addr) <= 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low > 0 && networks[low-1].Contains(addr)
}
