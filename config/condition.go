package config

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// The most characters of a condition's value and of a header's name or method.
const (
	maxConditionValue = 128
	maxConditionName  = 40
)

var (
	valuesDoc  = "Any of them must match."
	wildcards  = " * stands for any number of characters, ? for one."
	regexField = field{name: "regex_values", kind: listValue, item: &field{kind: textValue, max: maxConditionValue, format: "a regular expression"},
		doc: "Regular expressions (RE2) instead of values; any must match. They match anywhere unless anchored with ^ and $."}
)

func conditionField(word string) field {
	return field{name: "field", kind: textValue, required: true, pattern: "^" + word + "$", doc: "What is looked at: " + word + "."}
}

var conditionUnion = &union{
	name: "condition", tag: "field",
	doc: "One thing that a request must be like. ELB's limits on the number of conditions and values do not exist here.",
	variants: []*object{
		{name: "host-header condition", tag: "host-header", doc: "The Host header, without its port. Case does not matter.", fields: []field{
			conditionField("host-header"),
			{name: "values", kind: listValue, item: &field{kind: textValue, max: maxConditionValue}, doc: "Host names. " + valuesDoc + wildcards + " Letters, digits, hyphens and dots, with only letters after the last dot."},
			regexField}},
		{name: "path-pattern condition", tag: "path-pattern", doc: "The path, without the query. Case matters.", fields: []field{
			conditionField("path-pattern"),
			{name: "values", kind: listValue, item: &field{kind: textValue, max: maxConditionValue}, doc: "Paths. " + valuesDoc + wildcards},
			regexField}},
		{name: "http-header condition", tag: "http-header", doc: "A header of the request. Case does not matter, of name and value.", fields: []field{
			conditionField("http-header"),
			{name: "http_header_name", kind: textValue, required: true, max: maxConditionName, doc: "The name of the header, without wildcards. Not Host."},
			{name: "values", kind: listValue, item: &field{kind: textValue, max: maxConditionValue}, doc: "Values. " + valuesDoc + wildcards},
			regexField}},
		{name: "http-request-method condition", tag: "http-request-method", doc: "The method. Case matters, and there are no wildcards.", fields: []field{
			conditionField("http-request-method"),
			{name: "values", kind: listValue, required: true, item: &field{kind: textValue, max: maxConditionName, pattern: `^[A-Z_-]+$`}, doc: "Methods, in capital letters, hyphens and underscores. " + valuesDoc}}},
		{name: "query-string condition", tag: "query-string", doc: "The parameters of the query. Case does not matter.", fields: []field{
			conditionField("query-string"),
			{name: "values", kind: listValue, required: true, item: &field{kind: objectValue, object: queryObject}, doc: "Parameters. " + valuesDoc}}},
		{name: "source-ip condition", tag: "source-ip", doc: "The address of the connection, never that of X-Forwarded-For.", fields: []field{
			conditionField("source-ip"),
			{name: "values", kind: listValue, required: true, item: &field{kind: textValue, pattern: `/`, format: "a network such as 192.0.2.0/24"}, doc: "Networks in CIDR notation. " + valuesDoc}}},
	},
}

var queryObject = &object{
	name: "query parameter",
	doc:  "A parameter of a query-string condition.",
	fields: []field{
		{name: "key", kind: textValue, max: maxConditionValue, doc: "The parameter's name. Any when it is left out." + wildcards},
		{name: "value", kind: textValue, required: true, numeric: true, max: maxConditionValue, doc: "The parameter's value." + wildcards + " \\* and \\? stand for the characters themselves."},
	},
}

// condition reads one condition of a rule.
func (b *builder) condition(n *node, path string) (Condition, bool) {
	f, tag, ok := readUnion(&b.reporter, n, path, conditionUnion)
	if !ok {
		return Condition{}, false
	}
	c := Condition{Field: ConditionField(indexOf(conditionFields, tag))}
	switch c.Field {
	case HostHeader:
		return c, b.patterns(f, &c, hostPattern, true)
	case PathPattern:
		ok := b.patterns(f, &c, pathPattern, false)
		for i, value := range c.Values {
			if ok && !strings.ContainsAny(value[:1], "/*?") {
				b.warnf(f.set["values"].items[i], itemPath(f.at("values"), i, nil, ""), "matches no path: a path starts with /")
			}
		}
		return c, ok
	case HTTPHeader:
		name, nameOK := f.text("http_header_name")
		if problem := headerName(name); nameOK && problem != "" {
			f.wrong("http_header_name", problem)
		}
		c.HeaderName = name
		return c, b.patterns(f, &c, visible, true) && nameOK
	case HTTPRequestMethod:
		return c, b.values(f, "values", func(text string) string {
			c.Values = append(c.Values, text)
			return method(text)
		})
	case SourceIP:
		return c, b.values(f, "values", func(text string) string {
			network, problem := parseNetwork(text)
			c.Networks = append(c.Networks, network)
			return problem
		})
	}
	items, ok := f.some("values")
	for i, item := range items {
		q, ok := readFields(&b.reporter, item, itemPath(f.at("values"), i, item, ""), queryObject, nil)
		if !ok {
			continue
		}
		pair := QueryPair{HasKey: q.has("key")}
		pair.Key = b.queryText(q, "key")
		pair.Value = b.queryText(q, "value")
		c.Query = append(c.Query, pair)
	}
	return c, ok
}

func (b *builder) queryText(q fields, name string) string {
	if !q.has(name) {
		return ""
	}
	text, ok := q.text(name)
	if problem := visible(text); ok && problem != "" {
		q.wrong(name, problem)
	}
	return text
}

// patterns reads values or regex_values of a condition, of which it must have
// one. fold compiles regular expressions so that case does not matter.
func (b *builder) patterns(f fields, c *Condition, check func(string) string, fold bool) bool {
	switch {
	case f.has("values") && f.has("regex_values"):
		f.errorf("regex_values", "a condition has either values or regex_values; remove one, or make two conditions")
		return false
	case f.has("regex_values"):
		return b.values(f, "regex_values", func(text string) string {
			re, problem := b.regex(text, fold)
			c.Regexes = append(c.Regexes, re)
			return problem
		})
	case !f.has("values"):
		f.errorf("values", "values is missing: a condition has values or regex_values")
		return false
	}
	return b.values(f, "values", func(text string) string {
		c.Values = append(c.Values, text)
		return check(text)
	})
}

// values reads a list of texts, handing each to take, which says what is wrong
// with it (see wrong).
func (b *builder) values(f fields, name string, take func(text string) string) bool {
	items, ok := f.some(name)
	spec := f.spec(name).item
	want := "text"
	if spec.format != "" {
		want = spec.format
	}
	for i, n := range items {
		path := itemPath(f.at(name), i, n, "")
		if !checkScalar(&b.reporter, n, path, want) || !checkText(&b.reporter, n, path, spec) {
			ok = false
			continue
		}
		if problem := take(n.text); problem != "" {
			wrong(&b.reporter, n, path, problem)
			ok = false
		}
	}
	return ok && len(items) > 0
}

// onlyHolds says which character of s is not in allowed and not a letter or
// digit.
func onlyHolds(s, allowed string) string {
	for _, r := range s {
		letter := r < utf8.RuneSelf && ('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9')
		if !letter && !strings.ContainsRune(allowed, r) {
			return fmt.Sprintf("must be made of letters, digits and %s; it holds %q", strings.Join(strings.Split(allowed, ""), " "), r)
		}
	}
	return ""
}

// hostPattern is ELB's syntax for host-header values (Listener rules: host
// conditions).
func hostPattern(s string) string {
	if problem := onlyHolds(s, "-.*?"); problem != "" {
		return problem
	}
	dot := strings.LastIndexByte(s, '.')
	last := s[dot+1:]
	if dot < 0 || last == "" || strings.ContainsFunc(last, func(r rune) bool { return r|0x20 < 'a' || 'z' < r|0x20 }) {
		return "must have a dot, and only letters after the last one (for a host such as localhost use regex_values: ['^localhost$'])"
	}
	return ""
}

func pathPattern(s string) string { return onlyHolds(s, "_-.$/~\"'@:+&*?") }

// visible refuses what ELB never compares: all but visible ASCII and the space.
func visible(s string) string {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return fmt.Sprintf("must be made of visible ASCII characters; it holds %q", r)
		}
	}
	return ""
}

// headerName is the syntax of a field name (RFC 9110 section 5.1).
func headerName(s string) string {
	if strings.EqualFold(s, "host") {
		return "must not be Host; use a host-header condition"
	}
	return onlyHolds(s, "!#$%&'*+-.^_`|~")
}

func method(s string) string {
	wrong := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r != '-' && r != '_' && (r < 'A' || 'Z' < r) })
	}
	switch up := strings.ToUpper(s); {
	case !wrong(s):
		return ""
	case !wrong(up):
		return "must be made of capital letters, hyphens and underscores (write " + up + ")"
	}
	return "must be made of capital letters, hyphens and underscores"
}

// parseNetwork parses a network in CIDR notation and masks it.
func parseNetwork(s string) (netip.Prefix, string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
			return p, fmt.Sprintf("must be a network in CIDR notation (write %s/%d for one address)", s, addr.BitLen())
		}
		return p, "must be a network in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32"
	}
	if p.Addr().Is4In6() {
		// Clients are compared as IPv4, so the network must be, too.
		if p.Bits() < 96 {
			return p, "must be an IPv4 or an IPv6 network, not a mixed one"
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Addr() == broadcast && p.Bits() == 32 {
		return p, "must be a network that clients can have"
	}
	return p.Masked(), ""
}
