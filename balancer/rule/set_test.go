package rule

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elbow-lb/elbow/config"
)

// TestSetIsScan holds the index against the reference: the same rules, the same
// request, the same first rule. The alphabet is small so that rules overlap.
func TestSetIsScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(drawRule(), 0, 40).Draw(t, "rules")
		set := Compile(rules)
		for range 8 {
			r := drawRequest(t)
			if got, want := set.Match(r), naiveMatch(rules, r); got != want {
				t.Fatalf("host %q path %q query %q: got rule %d, want %d", r.Host, r.Path, r.Query, got, want)
			}
		}
	})
}

var regexes = []*regexp.Regexp{
	regexp.MustCompile(`^/a`), regexp.MustCompile(`b$`), regexp.MustCompile(`(?i)^a\.b`), regexp.MustCompile(`[ab]{2}`),
}

func drawRule() *rapid.Generator[*config.Rule] {
	values := func(pattern string) *rapid.Generator[[]string] {
		return rapid.SliceOfN(rapid.StringMatching(pattern), 1, 3)
	}
	return rapid.Custom(func(t *rapid.T) *config.Rule {
		r := new(config.Rule)
		for _, field := range rapid.SliceOfN(rapid.SampledFrom([]config.ConditionField{
			config.HostHeader, config.HostHeader, config.PathPattern, config.PathPattern,
			config.HTTPHeader, config.HTTPRequestMethod, config.QueryString, config.SourceIP,
		}), 1, 3).Draw(t, "fields") {
			c := config.Condition{Field: field}
			switch field {
			case config.HostHeader:
				c.Values = values(`\*?[aB?]?(\.[ab*?]{0,2}){0,3}\*?`).Draw(t, "host")
			case config.PathPattern:
				c.Values = values(`/?([ab*?A]{0,2}/){0,3}[ab*?]{0,2}`).Draw(t, "path")
			case config.HTTPHeader:
				c.HeaderName = rapid.SampledFrom([]string{"X", "y"}).Draw(t, "name")
				c.Values = values(`[aB*?]{0,3}`).Draw(t, "header")
			case config.HTTPRequestMethod:
				c.Values = values(`GET|PUT|get`).Draw(t, "method")
			case config.QueryString:
				c.Query = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) config.QueryPair {
					q := config.QueryPair{Value: rapid.StringMatching(`[aB*?\\]{0,3}`).Draw(t, "value")}
					if rapid.Bool().Draw(t, "has key") {
						q.HasKey = true
						q.Key = rapid.StringMatching(`[aB*?\\]{0,2}`).Draw(t, "key")
					}
					return q
				}), 1, 2).Draw(t, "query")
			case config.SourceIP:
				c.Networks = mustNetworks(rapid.SliceOfN(rapid.SampledFrom([]string{
					"10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1/128", "::/0",
				}), 1, 4).Draw(t, "networks")...)
			}
			if field <= config.HTTPHeader && rapid.IntRange(0, 5).Draw(t, "regex") == 0 {
				c.Values, c.Regexes = nil, []*regexp.Regexp{rapid.SampledFrom(regexes).Draw(t, "re")}
			}
			r.Conditions = append(r.Conditions, c)
		}
		return r
	})
}

func drawRequest(t *rapid.T) *Request {
	r := &Request{
		Host:   []byte(rapid.StringMatching(`[abAB]{0,2}(\.[abB]{0,2}){0,3}`).Draw(t, "host")),
		Method: []byte(rapid.SampledFrom([]string{"GET", "PUT", "POST"}).Draw(t, "method")),
		Path:   []byte("/" + rapid.StringMatching(`([abA]{0,2}/){0,4}[ab]{0,2}`).Draw(t, "path")),
		Query:  []byte(rapid.StringMatching(`[ab]{0,2}(=[abA*]{0,2})?(&[ab\\]{0,2}(=[ab]{0,2})?){0,2}`).Draw(t, "query")),
		Source: netip.MustParseAddr(rapid.SampledFrom([]string{"10.1.1.1", "10.9.9.9", "11.0.0.1", "2001:db8::1", "2001:db9::1"}).Draw(t, "source")),
	}
	h := headers{}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		h = append(h, [2]string{rapid.SampledFrom([]string{"X", "Y", "Z"}).Draw(t, "name"), rapid.StringMatching(`[abB]{0,3}`).Draw(t, "value")})
	}
	r.Head = h
	return r
}

// More lists than a merge has room for: every prefix of one path is a rule of
// its own, and only the least specific or the most specific may match.
func TestMoreListsThanRoom(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4, 5} {
		rnd := rand.New(rand.NewPCG(seed, 0))
		path := "/" + strings.Repeat("a", 3*maxLists)
		var rules []*config.Rule
		for n := range len(path) {
			rules = append(rules, &config.Rule{Conditions: []config.Condition{
				{Field: config.PathPattern, Values: []string{path[:n] + "*"}},
				{Field: config.HTTPRequestMethod, Values: []string{[]string{"GET", "PUT", "POST"}[rnd.IntN(3)]}},
			}})
		}
		rnd.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		s := Compile(rules)
		for _, method := range []string{"GET", "PUT", "POST", "HEAD"} {
			for n := range len(path) + 1 {
				r := request("h", method, path[:n], "")
				if got, want := s.Match(r), naiveMatch(rules, r); got != want {
					t.Fatalf("seed %d, %s %s: got %d, want %d", seed, method, path[:n], got, want)
				}
			}
		}
	}
}

// TestCandidates pins what the package doc says about cost: with 10,000 rules
// the index leaves a handful of candidates.
func TestCandidates(t *testing.T) {
	for _, b := range workloads {
		rules, requests := b.make(10_000)
		s := Compile(rules)
		most := 0
		for _, r := range requests {
			m := merge{set: s, found: -1}
			s.collectHosts(r, &m)
			s.other.collect(r, &m)
			n := 0
			for _, l := range m.lists[:m.n] {
				n += len(l)
			}
			most = max(most, n)
			if got, want := s.Match(r), naiveMatch(rules, r); got != want {
				t.Errorf("%s: host %q path %q: got %d, want %d", b.name, r.Host, r.Path, got, want)
			}
		}
		if most > b.candidates {
			t.Errorf("%s: %d candidates for one request, want at most %d", b.name, most, b.candidates)
		}
	}
}

func TestMatchAllocs(t *testing.T) {
	rules, _ := workloads[2].make(100)
	rules = append(rules, &config.Rule{Conditions: []config.Condition{
		{Field: config.HostHeader, Values: []string{"z*.example.*"}},
		{Field: config.PathPattern, Regexes: []*regexp.Regexp{regexp.MustCompile(`^/r/[0-9]+$`)}},
		{Field: config.HTTPHeader, HeaderName: "X-Tag", Values: []string{"*yes*"}},
		{Field: config.QueryString, Query: []config.QueryPair{{Key: "k", Value: "v*", HasKey: true}}},
		{Field: config.SourceIP, Networks: mustNetworks("192.0.2.0/24", "2001:db8::/32")},
		{Field: config.HTTPRequestMethod, Values: []string{"GET"}},
	}})
	s := Compile(rules)
	h := &head{names: [][]byte{[]byte("x-tag"), []byte("x-tag")}, values: [][]byte{[]byte("no"), []byte("oh YES")}}
	host, method, path, query := []byte("zoo.Example.org"), []byte("GET"), []byte("/r/42"), []byte("a=b&K=value")
	source := netip.MustParseAddr("192.0.2.7")
	got := 0
	match := func() {
		r := Request{Host: host, Method: method, Path: path, Query: query, Source: source, Head: h}
		got = s.Match(&r)
	}
	if n := testing.AllocsPerRun(100, match); n != 0 {
		t.Errorf("Match: %v allocs per call, want 0", n)
	}
	if got != len(rules)-1 {
		t.Errorf("got rule %d, want %d", got, len(rules)-1)
	}
}

func TestEmptySet(t *testing.T) {
	for _, s := range []*Set{Compile(nil), Compile([]*config.Rule{nil})} {
		if got := s.Match(&Request{}); got != -1 {
			t.Errorf("%d rules: got %d, want -1", s.Len(), got)
		}
	}
}

// FuzzMatch reads rules and a request from text, one rule a line of
// field=value words, and holds the index against the reference.
func FuzzMatch(f *testing.F) {
	f.Add("h=*.example.com p=/a/*\nh=a.example.com\np=/a/b?c*\nq=k&v\nx=*y", "a.Example.com", "/a/bxc", "k=v&z", "xyz")
	f.Add("h=*a*.b. p=*\nh=**\np=?\nq=\\**", ".a.b.", "/", "&=&&", "")
	f.Fuzz(func(t *testing.T, text, host, path, query, header string) {
		var rules []*config.Rule
		for line := range strings.SplitSeq(text, "\n") {
			r := new(config.Rule)
			for word := range strings.SplitSeq(line, " ") {
				kind, value, _ := strings.Cut(word, "=")
				switch kind {
				case "h":
					r.Conditions = append(r.Conditions, config.Condition{Field: config.HostHeader, Values: strings.Split(value, ",")})
				case "p":
					r.Conditions = append(r.Conditions, config.Condition{Field: config.PathPattern, Values: strings.Split(value, ",")})
				case "x":
					r.Conditions = append(r.Conditions, config.Condition{Field: config.HTTPHeader, HeaderName: "X", Values: strings.Split(value, ",")})
				case "q":
					k, v, has := strings.Cut(value, "&")
					if !has {
						k, v = "", k
					}
					r.Conditions = append(r.Conditions, config.Condition{Field: config.QueryString, Query: []config.QueryPair{{Key: k, Value: v, HasKey: has}}})
				}
			}
			rules = append(rules, r)
		}
		if len(text) > 1<<10 || len(host)+len(path)+len(query)+len(header) > 1<<10 {
			return // the reference is slow
		}
		r := &Request{Host: []byte(host), Path: []byte(path), Query: []byte(query), Head: headers{{"x", header}}}
		if got, want := Compile(rules).Match(r), naiveMatch(rules, r); got != want {
			t.Fatalf("got rule %d, want %d", got, want)
		}
	})
}

// workload is a set of rules as operators have them, with requests for it.
type workload struct {
	name       string
	make       func(n int) ([]*config.Rule, []*Request)
	candidates int // at most, for any of the requests
}

var workloads = []workload{
	{"hosts", func(n int) (rules []*config.Rule, requests []*Request) {
		for i := range n {
			name := fmt.Sprintf("tenant%d.example.com", i)
			if i%2 == 1 {
				name = "*." + name
			}
			rules = append(rules, one(config.Condition{Field: config.HostHeader, Values: []string{name}})...)
		}
		for i := range 16 {
			at := i * (n - 1) / 15
			host := fmt.Sprintf("Tenant%d.Example.com", at)
			if at%2 == 1 {
				host = "www." + host
			}
			requests = append(requests, request(host, "GET", "/index.html", ""))
		}
		return rules, append(requests, request("nobody.example.com", "GET", "/", ""))
	}, 1},
	{"paths", func(n int) (rules []*config.Rule, requests []*Request) {
		for i := range n {
			path := fmt.Sprintf("/service-%d/*", i)
			if i%2 == 1 {
				path = fmt.Sprintf("/service-%d/v?/items", i)
			}
			rules = append(rules, one(config.Condition{Field: config.PathPattern, Values: []string{path}})...)
		}
		for i := range 16 {
			requests = append(requests, request("www.example.com", "GET", fmt.Sprintf("/service-%d/v1/items", i*(n-1)/15), ""))
		}
		return rules, append(requests, request("www.example.com", "GET", "/service-x", ""))
	}, 1},
	{"mixed", func(n int) (rules []*config.Rule, requests []*Request) {
		const each = 20 // rules of one host
		for i := range n {
			c := []config.Condition{
				{Field: config.HostHeader, Values: []string{fmt.Sprintf("app%d.example.com", i/each)}},
				{Field: config.PathPattern, Values: []string{fmt.Sprintf("/api/v%d/*", i%each)}},
			}
			switch i % 10 {
			case 3:
				c = append(c, config.Condition{Field: config.HTTPRequestMethod, Values: []string{"GET", "HEAD"}})
			case 5:
				c = append(c, config.Condition{Field: config.HTTPHeader, HeaderName: "X-Version", Values: []string{"2*"}})
			case 7:
				c[0].Values[0] = "*" + c[0].Values[0][3:]
			}
			rules = append(rules, &config.Rule{Conditions: c})
		}
		// A few that only a scan can find, as every installation has.
		for i := range min(5, n) {
			rules[n-1-i] = one(config.Condition{Field: config.HTTPHeader, HeaderName: "X-Canary", Values: []string{fmt.Sprint("*", i)}})[0]
		}
		for i := range 16 {
			at := i * (n - 1) / 15
			r := request(fmt.Sprintf("app%d.example.com", at/each), "GET", fmt.Sprintf("/api/v%d/users/42", at%each), "page=2")
			r.Head = &head{names: [][]byte{[]byte("accept"), []byte("x-version")}, values: [][]byte{[]byte("*/*"), []byte("2.1")}}
			requests = append(requests, r)
		}
		return rules, requests
	}, 7},
}
