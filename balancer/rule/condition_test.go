package rule

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

// one compiles a single rule with the conditions.
func one(conditions ...config.Condition) []*config.Rule {
	return []*config.Rule{{Priority: 1, Conditions: conditions}}
}

func request(host, method, path, query string) *Request {
	return &Request{
		Host: []byte(host), Method: []byte(method), Path: []byte(path), Query: []byte(query),
		Source: netip.MustParseAddr("192.0.2.1"), Head: headers{},
	}
}

func TestWildcard(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		fold, escapes bool
		want          bool
	}{
		{"", "", false, false, true},
		{"", "a", false, false, false},
		{"*", "", false, false, true},
		{"*", "anything", false, false, true},
		{"**", "", false, false, true},
		{"?", "", false, false, false},
		{"?", "x", false, false, true},
		{"?", "xy", false, false, false},
		{"a*", "a", false, false, true},
		{"*a", "ba", false, false, true},
		{"a*a", "a", false, false, false}, // the two ends must not share a byte
		{"a*a", "aa", false, false, true},
		{"a*b*c", "aXbYc", false, false, true},
		{"a*b*c", "acb", false, false, false},
		{"*ab*ab", "abab", false, false, true},
		{"*ab*ab", "ab", false, false, false},
		{"*a?c*", "xxabcxx", false, false, true},
		{"*a?c*", "xxacxx", false, false, false},
		{"a?c", "abc", false, false, true},
		{"a?c", "a?c", false, false, true},
		{"/img/*/x.jpg", "/img/a/b/x.jpg", false, false, true},
		{"ABC", "abc", false, false, false},
		{"ABC", "abc", true, false, true},
		{"*B?d*", "xAbCDx", true, false, true},
		{`a\*`, "a*", false, true, true},
		{`a\*`, "ab", false, true, false},
		{`a\?b`, "a?b", false, true, true},
		{`a\?b`, "axb", false, true, false},
		{`a\*`, `a\bc`, false, false, true}, // a backslash is a backslash elsewhere
		{`\\*`, `\*`, false, true, true},    // a backslash, then an escaped star
		{`\\*`, `\x`, false, true, false},
		{`a\`, `a\`, false, true, true},
		{"\xc4*", "\xe4x", true, false, false}, // case is folded for ASCII only
	} {
		p := compilePattern(tt.pattern, tt.fold, tt.escapes)
		if got := p.match([]byte(tt.text)); got != tt.want {
			t.Errorf("pattern %q on %q (fold %t, escapes %t): got %t, want %t", tt.pattern, tt.text, tt.fold, tt.escapes, got, tt.want)
		}
		if got := naiveWildcard(tt.pattern, tt.text, tt.fold, tt.escapes); got != tt.want {
			t.Errorf("reference: pattern %q on %q: got %t, want %t", tt.pattern, tt.text, got, tt.want)
		}
	}
}

// A matcher that backtracks over more than one star would not come back from
// this one.
func TestWildcardDoesNotBlowUp(t *testing.T) {
	for _, fold := range []bool{false, true} {
		p := compilePattern(strings.Repeat("a*", 60)+"b", fold, false)
		if p.match([]byte(strings.Repeat("a", 16<<10))) {
			t.Error("matched")
		}
	}
}

// Segments around the length that fits in a word, found at every place.
func TestLongSegments(t *testing.T) {
	for _, n := range []int{1, 2, 63, 64, 65, 100} {
		for _, fold := range []bool{false, true} {
			segment := []byte(strings.Repeat("aB", n)[:n])
			for _, wild := range []bool{false, true} {
				if wild {
					segment[n/2] = '?'
				}
				pattern := "*" + string(segment) + "*"
				for before := range 3 {
					for _, text := range []string{
						strings.Repeat("a", before) + strings.Repeat("aB", n)[:n] + "c",
						strings.Repeat("B", before) + strings.Repeat("ab", n)[:n],
						strings.Repeat("aB", n)[:n-1] + strings.Repeat("c", before),
					} {
						p := compilePattern(pattern, fold, false)
						if got, want := p.match([]byte(text)), naiveWildcard(pattern, text, fold, false); got != want {
							t.Errorf("pattern %q on %q (fold %t): got %t, want %t", pattern, text, fold, got, want)
						}
					}
				}
			}
		}
	}
}

// Each row is a sentence of the ELB guide (Listener rules, Rule conditions).
func TestConditions(t *testing.T) {
	host := func(v ...string) config.Condition { return config.Condition{Field: config.HostHeader, Values: v} }
	path := func(v ...string) config.Condition { return config.Condition{Field: config.PathPattern, Values: v} }
	method := func(v ...string) config.Condition {
		return config.Condition{Field: config.HTTPRequestMethod, Values: v}
	}
	query := func(p ...config.QueryPair) config.Condition {
		return config.Condition{Field: config.QueryString, Query: p}
	}
	header := func(name string, v ...string) config.Condition {
		return config.Condition{Field: config.HTTPHeader, HeaderName: name, Values: v}
	}
	source := func(v ...string) config.Condition {
		return config.Condition{Field: config.SourceIP, Networks: mustNetworks(v...)}
	}
	f := func(sentence string, r *Request, want bool, conditions ...config.Condition) {
		t.Helper()
		if got := Compile(one(conditions...)).Match(r) == 0; got != want {
			t.Errorf("%s: got %t, want %t", sentence, got, want)
		}
		if got := naiveMatch(one(conditions...), r) == 0; got != want {
			t.Errorf("reference: %s: got %t, want %t", sentence, got, want)
		}
	}

	get := request("Shop.Example.com", "GET", "/img/a.jpg", "Version=v1&debug&lang=EN&empty=")
	f("hosts ignore case", get, true, host("shop.EXAMPLE.com"))
	f("a wildcard covers a subdomain", get, true, host("*.example.com"))
	f("a wildcard does not cover the domain itself", request("example.com", "GET", "/", ""), false, host("*.example.com"))
	f("a wildcard covers several labels", request("a.b.example.com", "GET", "/", ""), true, host("*.example.com"))
	f("one of several hosts is enough", get, true, host("other.org", "shop.example.com"))
	f("a wildcard inside a label", get, true, host("s*p.example.com"))
	f("a question mark is one byte", get, true, host("sho?.example.???"))
	f("a wildcard at the end", get, true, host("shop.example.*"))
	f("a wildcard for all but a dot's ending", get, true, host("*example.com"))
	f("no host matches no name", request("", "GET", "/", ""), false, host("*.example.com"))

	f("paths respect case", get, false, path("/IMG/*"))
	f("a path prefix", get, true, path("/img/*"))
	f("the slash of a prefix is needed", request("h", "GET", "/img", ""), false, path("/img/*"))
	f("an exact path", get, true, path("/img/a.jpg"))
	f("an exact path is not a prefix", request("h", "GET", "/img/a.jpg/", ""), false, path("/img/a.jpg"))
	f("wildcards anywhere in a path", get, true, path("/*/?.jpg"))
	f("a path that begins with a wildcard", get, true, path("*.jpg"))

	f("methods respect case", request("h", "get", "/", ""), false, method("GET"))
	f("one of several methods", get, true, method("POST", "GET"))
	f("methods know no wildcard", get, false, method("G*"))

	pair := func(k, v string) config.QueryPair { return config.QueryPair{Key: k, Value: v, HasKey: true} }
	value := func(v string) config.QueryPair { return config.QueryPair{Value: v} }
	f("query pairs ignore case", get, true, query(pair("VERSION", "V1")))
	f("keys may have wildcards", get, true, query(pair("ver*", "v?")))
	f("a value alone matches any key", get, true, query(value("en")))
	f("a value alone must match one", get, false, query(value("de")))
	f("key and value must meet in one pair", get, false, query(pair("version", "en")))
	f("a key without '=' has the empty value", get, true, query(pair("debug", "")))
	f("an empty value", get, true, query(pair("empty", "")))
	f("an empty key is a key", request("h", "GET", "/", "=x"), true, query(pair("", "x")))
	f("an empty key is not any key", request("h", "GET", "/", "k=x"), false, query(pair("", "x")))
	f("no query has no pairs", request("h", "GET", "/", ""), false, query(value("*")))
	f("empty parts are no pairs", request("h", "GET", "/", "&&"), false, query(value("*")))
	f("the value goes on after a second '='", request("h", "GET", "/", "a=b=c"), true, query(pair("a", "b=c")))
	f("an escaped star is a star", request("h", "GET", "/", "q=a*"), true, query(pair("q", `a\*`)))
	f("an escaped star is nothing else", request("h", "GET", "/", "q=ab"), false, query(pair("q", `a\*`)))
	f("queries are compared as sent", request("h", "GET", "/", "q=%61"), false, query(pair("q", "a")))

	get.Head = headers{{"Accept", "text/html"}, {"X-Tag", "one"}, {"x-tag", "Two"}}
	f("header names and values ignore case", get, true, header("ACCEPT", "TEXT/*"))
	f("repeated headers are each tried", get, true, header("X-Tag", "two"))
	f("a header that is not there", get, false, header("Cookie", "*"))
	f("an empty header matches a star", &Request{Head: headers{{"A", ""}}}, true, header("a", "*"))
	f("a request without header fields", request("h", "GET", "/", ""), false, header("a", "*"))

	from := func(s string) *Request {
		r := request("h", "GET", "/", "")
		r.Source = netip.MustParseAddr(s)
		return r
	}
	f("a source inside", from("10.1.2.3"), true, source("192.0.2.0/24", "10.0.0.0/8"))
	f("a source outside", from("11.1.2.3"), false, source("192.0.2.0/24", "10.0.0.0/8"))
	f("a nested network", from("10.200.0.1"), true, source("10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24"))
	f("an IPv6 source", from("2001:db8::5"), true, source("10.0.0.0/8", "2001:db8::/64"))
	f("families are apart", from("::1"), false, source("0.0.0.0/0"))

	re := regexp.MustCompile
	f("a path regex", get, true, config.Condition{Field: config.PathPattern, Regexes: []*regexp.Regexp{re(`^/img/[a-z]\.jpg$`)}})
	f("regexes are not anchored", get, true, config.Condition{Field: config.PathPattern, Regexes: []*regexp.Regexp{re(`mg`)}})
	f("path regexes respect case", get, false, config.Condition{Field: config.PathPattern, Regexes: []*regexp.Regexp{re(`IMG`)}})
	f("a host regex", get, true, config.Condition{Field: config.HostHeader, Regexes: []*regexp.Regexp{re(`(?i)^(shop|www)\.example\.com$`)}})
	f("a header regex", get, true, config.Condition{Field: config.HTTPHeader, HeaderName: "x-tag", Regexes: []*regexp.Regexp{re(`(?i)^t.o$`)}})

	f("all conditions must hold", get, false, host("shop.example.com"), method("POST"))
	f("all conditions hold", get, true, host("shop.example.com"), path("/img/*"), method("GET"), query(value("v1")), header("accept", "*"), source("192.0.2.0/24"))
	f("no values match nothing", get, false, host())
	f("no conditions match everything", get, true)
}

// A source with a zone, such as that of a link-local client, is compared
// without it. net/netip's own Contains refuses zones, hence not in the table.
func TestSourceWithZone(t *testing.T) {
	r := request("h", "GET", "/", "")
	r.Source = netip.MustParseAddr("fe80::1%eth0")
	c := config.Condition{Field: config.SourceIP, Networks: mustNetworks("fe80::/10")}
	if got := Compile(one(c)).Match(r); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

// Networks are taken as they come: not masked, mapped, invalid.
func TestOddNetworks(t *testing.T) {
	c := config.Condition{Field: config.SourceIP, Networks: []netip.Prefix{
		{}, netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("::ffff:192.0.2.0/120"),
	}}
	for addr, want := range map[string]int{"10.9.9.9": 0, "192.0.2.200": 0, "192.0.3.1": -1} {
		r := request("h", "GET", "/", "")
		r.Source = netip.MustParseAddr(addr)
		if got := Compile(one(c)).Match(r); got != want {
			t.Errorf("%s: got %d, want %d", addr, got, want)
		}
	}
}

// The second host or path condition of a rule is not indexed, but must hold.
func TestRepeatedConditions(t *testing.T) {
	rules := one(
		config.Condition{Field: config.HostHeader, Values: []string{"*.example.com"}},
		config.Condition{Field: config.HostHeader, Values: []string{"a.*"}},
		config.Condition{Field: config.PathPattern, Values: []string{"/x/*"}},
		config.Condition{Field: config.PathPattern, Values: []string{"*.jpg"}},
	)
	for host, want := range map[string]int{"a.example.com": 0, "b.example.com": -1} {
		if got := Compile(rules).Match(request(host, "GET", "/x/y.jpg", "")); got != want {
			t.Errorf("%s: got %d, want %d", host, got, want)
		}
	}
}

// A rule whose alternatives multiply beyond maxEntries is indexed by host only.
func TestManyAlternatives(t *testing.T) {
	var hosts, paths []string
	for i := range 50 {
		hosts = append(hosts, strings.Repeat("h", i+1)+".example.com")
		paths = append(paths, "/"+strings.Repeat("p", i+1)+"/*")
	}
	s := Compile(one(config.Condition{Field: config.HostHeader, Values: hosts}, config.Condition{Field: config.PathPattern, Values: paths}))
	if got := s.Match(request("hhh.example.com", "GET", "/pp/x", "")); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
	if got := s.Match(request("hhh.example.com", "GET", "/q/x", "")); got != -1 {
		t.Errorf("got %d, want -1", got)
	}
}

// Names longer than the index holds are still compared.
func TestLongHosts(t *testing.T) {
	long := strings.Repeat("a", 300)
	f := func(pattern, host string, want int) {
		t.Helper()
		if got := Compile(one(config.Condition{Field: config.HostHeader, Values: []string{pattern}})).Match(request(host, "GET", "/", "")); got != want {
			t.Errorf("pattern of %d on host of %d bytes: got %d, want %d", len(pattern), len(host), got, want)
		}
	}
	f(long, long, 0)
	f(long, long+"a", -1)
	f("*.example.com", long+".example.com", 0)
	f("*."+long, "x."+long, 0)
	f("*."+long, long, -1)
	f("*."+long[:254], "x."+long[:254], 0)
	f(long[:255], long[:255], 0)
	f(long[:255], long[:256], -1)
}
