package application

import (
	"net/netip"
	"net/url"
	gopath "path"
	"regexp"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/config"
)

// policy is a listener's rules as a test states them. A path that it does not
// let through must not be what a target reads from a request that was let through.
type policy struct {
	name   string
	rules  []*config.Rule
	guards bool // the default action is no plain forward
	lets   func(path string) bool
}

func pathRule(values ...string) *config.Rule {
	return &config.Rule{Conditions: []config.Condition{{Field: config.PathPattern, Values: values}}}
}

// policies are the two ways of guarding: what is named is denied, or what is not
// named is; and names by their end.
var policies = []policy{
	{"deny /admin", []*config.Rule{pathRule("/admin", "/admin/*")}, false, func(p string) bool {
		return p != "/admin" && !strings.HasPrefix(p, "/admin/")
	}},
	{"only /public", []*config.Rule{pathRule("/public/*")}, true, func(p string) bool {
		return strings.HasPrefix(p, "/public/")
	}},
	{"deny .key", []*config.Rule{pathRule("*.key")}, false, func(p string) bool {
		return !strings.HasSuffix(p, ".key")
	}},
}

// verdict is what becomes of a path: "bad" and "ambiguous" are refused.
func (p *policy) verdict(set *rule.Set, path string) string {
	if badPath([]byte(path)) {
		return "bad"
	}
	in := rule.Request{Host: []byte("h"), Method: []byte("GET"), Source: netip.MustParseAddr("192.0.2.1")}
	in.Path = canonicalPath(nil, []byte(path))
	i := set.Match(&in)
	if (i >= 0) != p.guards { // with a guarding default, a rule lets through
		return "denied"
	}
	if needsCanonical([]byte(path)) && !agree(set, &in, []byte(path), nil, i, p.guards) {
		return "ambiguous"
	}
	return "passed"
}

// models are how kinds of targets read a path; ok is false where they refuse it.
var models = map[string]func(path string) (view string, ok bool){
	// net/http's URL.Path as a handler sees it, and as ServeMux cleans it.
	"go handler": func(p string) (string, bool) { return goPath(p) },
	"go mux": func(p string) (string, bool) {
		p, ok := goPath(p)
		return cleaned(p), ok
	},
	// A router on the escaped path, whose %2F is no separator.
	"go escaped": func(p string) (string, bool) {
		if _, ok := goPath(p); !ok {
			return "", false
		}
		return decode(cleaned(strings.ReplaceAll(strings.ReplaceAll(p, "%2f", "%252f"), "%2F", "%252F"))), true
	},
	"nginx": func(p string) (string, bool) { return nginxPath(p, true) },
	// merge_slashes off
	"nginx unmerged":     func(p string) (string, bool) { return nginxPath(p, false) },
	"tomcat":             func(p string) (string, bool) { return tomcatPath(p, false, "") },
	"tomcat lenient":     func(p string) (string, bool) { return tomcatPath(p, true, "/") },
	"tomcat passthrough": func(p string) (string, bool) { return tomcatPath(p, true, "%2F") },
	// PATH_INFO, and with werkzeug's merging
	"wsgi":             func(p string) (string, bool) { return decode(p), true },
	"wsgi merged":      func(p string) (string, bool) { return merged(decode(p)), true },
	"rfc 3986":         func(p string) (string, bool) { return string(resolveDots([]byte(decode(p)), false)), true },
	"whatwg":           func(p string) (string, bool) { return whatwgPath(p), true },
	"twice decoded":    func(p string) (string, bool) { return cleaned(decode(decode(p))), true },
	"windows":          func(p string) (string, bool) { return cleaned(strings.ReplaceAll(decode(p), `\`, "/")), true },
	"c string":         func(p string) (string, bool) { v, _, _ := strings.Cut(decode(p), "\x00"); return cleaned(v), true },
	"cut when decoded": func(p string) (string, bool) { return cleaned(parameters.ReplaceAllString(decode(p), "")), true },
	"overlong":         func(p string) (string, bool) { return cleaned(lenientUTF8(decode(p))), true },
}

var parameters = regexp.MustCompile(`;[^/]*`)

func goPath(p string) (string, bool) {
	u, err := url.ParseRequestURI(p)
	if err != nil {
		return "", false
	}
	return u.Path, true
}

// cleaned is path.Clean that keeps a slash at the end.
func cleaned(p string) string {
	c := gopath.Clean("/" + p)
	if c != "/" && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")) {
		c += "/"
	}
	return c
}

func merged(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// decode leaves a '%' that encodes nothing alone, as Python and PHP do.
func decode(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if c, ok := unhex(p[i+1], p[i+2]); ok {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// nginxPath follows ngx_http_parse_complex_uri: what is decoded goes through the
// same machine as what is not.
func nginxPath(p string, merge bool) (string, bool) {
	if strings.Contains(decode(p), "\x00") {
		return "", false
	}
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			continue
		}
		if i+2 >= len(p) {
			return "", false
		}
		if _, ok := unhex(p[i+1], p[i+2]); !ok {
			return "", false
		}
		i += 2
	}
	return string(resolveDots([]byte(decode(p)), merge)), true
}

// tomcatPath follows CoyoteAdapter: parameters off, decode, normalise.
func tomcatPath(p string, backslash bool, solidus string) (string, bool) {
	var segs []string
	for s := range strings.SplitSeq(p, "/") {
		s, _, _ = strings.Cut(s, ";")
		if solidus == "" && strings.Contains(strings.ToLower(s), "%2f") {
			return "", false
		}
		s = strings.NewReplacer("%2f", solidus, "%2F", solidus, "%", "%").Replace(s)
		if solidus == "%2F" {
			s = strings.ReplaceAll(s, "%2F", "%252F")
		}
		segs = append(segs, decode(s))
	}
	p = strings.Join(segs, "/")
	if strings.Contains(p, `\`) {
		if !backslash {
			return "", false
		}
		p = strings.ReplaceAll(p, `\`, "/")
	}
	if strings.Contains(p, "\x00") {
		return "", false
	}
	return cleaned(p), true
}

// whatwgPath is the pathname of new URL(path, "http://h"), decoded.
func whatwgPath(p string) string {
	p = strings.ReplaceAll(p, `\`, "/")
	if strings.HasPrefix(p, "//") {
		_, p, _ = strings.Cut(strings.TrimLeft(p, "/"), "/")
		p = "/" + p
	}
	segs := strings.Split(p[1:], "/")
	for i, s := range segs {
		if d := strings.ReplaceAll(strings.ToLower(s), "%2e", "."); d == "." || d == ".." {
			segs[i] = d
		}
	}
	return decode(string(resolveDots([]byte("/"+strings.Join(segs, "/")), false)))
}

// lenientUTF8 decodes two-byte sequences without looking whether one byte would do.
func lenientUTF8(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if (s[i] == 0xc0 || s[i] == 0xc1) && i+1 < len(s) && s[i+1]&0xc0 == 0x80 {
			b.WriteByte(s[i]&3<<6 | s[i+1]&0x3f)
			i++
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// spellings are ways to write paths, and what becomes of each under policies[0]
// and policies[1]: denied, passed, refused as ambiguous or as bad.
var spellings = []struct{ path, deny, only string }{
	// Nothing to normalise.
	{"/admin/x", "denied", "denied"},
	{"/public/x", "passed", "passed"},
	{"/", "passed", "denied"},
	{"/x/admin/y", "passed", "denied"},
	{"/public/a.b/c..d/...", "passed", "passed"},

	// Slashes are merged.
	{"//admin/x", "denied", "denied"},
	{"/admin//x", "denied", "denied"},
	{"///admin///x", "denied", "denied"},
	{"/public//x", "passed", "passed"},
	// Of "//host/path" some read a host.
	{"//x/admin/y", "ambiguous", "denied"},
	{"//public/x", "passed", "ambiguous"},
	{`/\x/admin/y`, "ambiguous", "denied"},
	{"///x/admin/y", "ambiguous", "denied"},

	// Percent-encoded letters.
	{"/%61dmin/x", "denied", "denied"},
	{"/%61%64%6d%69%6e/x", "denied", "denied"},
	{"/%61%64%6D%69%6E/x", "denied", "denied"},
	{"/admi%6e", "denied", "denied"},
	{"/publi%63/x", "passed", "passed"},
	{"/public/%7Euser/a%20b/caf%c3%a9", "passed", "passed"},
	{"/public/%e4%F6", "passed", "passed"}, // Latin-1

	// Dot segments.
	{"/./admin/x", "denied", "denied"},
	{"/admin/./x", "denied", "denied"},
	{"/x/../admin/x", "denied", "denied"},
	{"/public/../admin/x", "denied", "denied"},
	{"/public/./x", "passed", "passed"},
	{"/public/a/../x", "passed", "passed"},
	{"/admin/../public/x", "ambiguous", "ambiguous"},
	{"/admin/..", "ambiguous", "denied"},
	{"/x/../public/x", "passed", "ambiguous"},
	{"/../admin/x", "denied", "denied"},
	{"/../../../admin/x", "denied", "denied"},
	{"/%2e/admin/x", "denied", "denied"},
	{"/x/%2e%2e/admin/x", "denied", "denied"},
	{"/x/%2E%2e/admin/x", "denied", "denied"},
	{"/x/.%2e/admin/x", "denied", "denied"},
	{"/x/%2e./admin/x", "denied", "denied"},
	{"/admin/%2e%2e/public/x", "ambiguous", "ambiguous"},
	{"/./admin/%2e%2e", "ambiguous", "denied"}, // resolved, then decoded
	{"/public/%2e%2e/x%2ekey", "passed", "denied"},
	{"/public/x%2ekey", "passed", "passed"},
	{"/admin//../x", "ambiguous", "denied"},
	{"/public//../x", "passed", "denied"},
	{"/public/x//../../..//admin", "denied", "denied"},

	// Encoded slashes.
	{"/x%2f..%2fadmin/x", "denied", "denied"},
	{"/admin%2fx", "denied", "denied"},
	{"/admin%2Fx", "denied", "denied"},
	{"/%2fadmin/x", "denied", "denied"},
	{"/public/group%2fproject", "passed", "passed"},
	{"/public%2fx", "passed", "ambiguous"},
	{"/admin/x%2f..%2f..%2fpublic%2fx", "ambiguous", "ambiguous"},
	{"/public/x%2f..%2f..%2f..%2fadmin/y", "denied", "denied"},

	// Backslashes.
	{`/x\..\admin\x`, "denied", "denied"},
	{`/admin\x`, "denied", "denied"},
	{"/admin%5cx", "denied", "denied"},
	{"/x/..%5Cadmin%5Cx", "denied", "denied"},
	{`/public/a\b`, "passed", "passed"},
	{`/public\x`, "passed", "ambiguous"},
	{`/admin/a\..\..\public/x`, "ambiguous", "ambiguous"},
	{`/public/a%5cb\..\..\admin`, "ambiguous", "ambiguous"},
	{`/public/%5cb\..\..\..\public/x`, "passed", "passed"},

	// Parameters.
	{"/admin;a/x", "denied", "denied"},
	{"/admin;jsessionid=1", "denied", "denied"},
	{"/public/shop;jsessionid=1/x", "passed", "passed"},
	{"/;a/admin/x", "denied", "denied"},
	{"/x/..;/admin/x", "denied", "denied"},
	{"/x/..;a=b/admin/x", "denied", "denied"},
	{"/admin/..;/public/x", "ambiguous", "ambiguous"},
	{"/public;/x", "passed", "ambiguous"},
	{"/public/..;/admin", "denied", "denied"},
	{"/x/%2e%2e;/admin/x", "denied", "denied"},
	{"/admin;/../x", "ambiguous", "denied"},
	{"/public/a%3bb", "passed", "passed"},
	{"/admin%3ba/x", "ambiguous", "denied"}, // cut after decoding
	{"/admin%3b", "ambiguous", "denied"},
	{"/;%2fadmin", "ambiguous", "denied"},
	{"/x/..%3b/admin/x", "ambiguous", "denied"},
	{"/public%3ba%2fb/x", "passed", "denied"},

	// What ends or hides characters for some.
	{"/admin%00", "bad", "bad"},
	{"/admin%00.png", "bad", "bad"},
	{"/public/%00x", "bad", "bad"},
	{"/x/%c0%ae%c0%ae/admin", "bad", "bad"},
	{"/admin%c0%afx", "bad", "bad"},
	{"/x%C0%AF..%C0%AFadmin", "bad", "bad"},
	{"/%c1%a1dmin/x", "bad", "bad"},
	{"/admin%e0%80%afx", "bad", "bad"},
	{"/admin%f0%80%80%afx", "bad", "bad"},
	{"/admin%f8%80%80%80%afx", "bad", "bad"},
	{"/admin%fc%80%80%80%80%afx", "bad", "bad"},
	{"/%u0061dmin/x", "bad", "bad"},
	{"/admin%u002fx", "bad", "bad"},

	// Decoded twice by some.
	{"/%2561dmin/x", "ambiguous", "denied"},
	{"/x/%252e%252e/admin/x", "ambiguous", "denied"},
	{"/admin%252fx", "ambiguous", "denied"},
	{"/%25%36%31dmin/x", "ambiguous", "denied"},
	{"/%%36%31dmin/x", "ambiguous", "denied"},
	{"/public/%252e%252e/admin/x", "ambiguous", "ambiguous"},
	{"/public/100%25/x", "passed", "passed"},
	{"/public/a%2520b", "passed", "passed"},
	{"/public/%2500", "ambiguous", "ambiguous"},

	// What encodes nothing.
	{"/public/100%", "passed", "passed"},
	{"/public/%zz", "passed", "passed"},
	{"/%6admin", "passed", "denied"}, // "jmin"

	// Everything at once.
	{`//x%2f..;\..%5c%252e/public/x`, "ambiguous", "ambiguous"},
}

func TestSpellings(t *testing.T) {
	if len(spellings) < 60 {
		t.Errorf("%d cases", len(spellings))
	}
	for i := range policies {
		p := &policies[i]
		set := rule.Compile(p.rules)
		passed, refused := 0, 0
		for _, c := range spellings {
			got := p.verdict(set, c.path)
			if want := []string{c.deny, c.only, got}[i]; got != want {
				t.Errorf("%s: %s is %s, want %s", p.name, c.path, got, want)
			}
			checkModels(t, p, c.path, got)
			switch got {
			case "passed":
				passed++
			case "bad", "ambiguous":
				refused++
			}
		}
		t.Logf("%s: %d paths passed, %d refused", p.name, passed, refused)
	}
}

// checkModels fails if a path passes that some target reads as one that does not.
func checkModels(t *testing.T, p *policy, path, verdict string) {
	t.Helper()
	if verdict != "passed" {
		return
	}
	for name, read := range models {
		// A target that does not merge slashes has nothing to guard under "//".
		if v, ok := read(path); ok && !p.lets(v) && !p.lets(merged(v)) {
			t.Errorf("%s: %s passes, but is %s to %s", p.name, path, v, name)
		}
	}
}

// FuzzSpellings puts paths together from what spellings are made of.
func FuzzSpellings(f *testing.F) {
	parts := []string{"/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5C", `\`, ";", "admin", "public", "%61dmin", "x", ".key",
		"%25", "%252e", "%", "%c0%af", "%00", "%u002f", "/../", "/admin/", "/public/", "..;/", "%20", "2f", "5c", "61", "%3b"}
	for _, c := range spellings {
		f.Add([]byte(nil), c.path)
	}
	f.Add([]byte{0, 27, 4, 5, 6, 9}, "")
	sets := make([]*rule.Set, len(policies))
	for i := range policies {
		sets[i] = rule.Compile(policies[i].rules)
	}
	f.Fuzz(func(t *testing.T, choice []byte, tail string) {
		var b strings.Builder
		b.WriteByte('/')
		for _, c := range choice[:min(len(choice), 24)] {
			b.WriteString(parts[int(c)%len(parts)])
		}
		b.WriteString(tail)
		path := b.String()
		if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' }) {
			return // the parser refuses those
		}
		for i := range policies {
			checkModels(t, &policies[i], path, policies[i].verdict(sets[i], path))
		}
	})
}

// TestViewsDependOnRules: a path is refused only for a rule's sake.
func TestViewsDependOnRules(t *testing.T) {
	byMethod := policy{rules: []*config.Rule{{Conditions: []config.Condition{{Field: config.HTTPRequestMethod, Values: []string{"PUT"}}}}}}
	set := rule.Compile(byMethod.rules)
	for _, c := range spellings {
		if got := byMethod.verdict(set, c.path); got == "ambiguous" {
			t.Errorf("%s is ambiguous though no rule looks at it", c.path)
		}
	}
	if set.ByPath() || !rule.Compile(policies[0].rules).ByPath() {
		t.Error("ByPath is wrong")
	}
}

// TestViewsAreBounded: a long path with many readings is refused unseen, one with
// two is not.
func TestViewsAreBounded(t *testing.T) {
	p := &policies[0]
	set := rule.Compile(p.rules)
	f := func(path, want string) {
		t.Helper()
		if got := p.verdict(set, path); got != want {
			t.Errorf("%.40s, %d bytes: %s, want %s", path, len(path), got, want)
		}
	}
	long := strings.Repeat("abcdefgh", 16<<10/8-10)
	f("/public/"+long, "passed")
	f("/public//"+long, "passed")
	f("/public/a%20b%C3%A9"+long, "passed")
	f("/public/a%2fb"+long, "passed")
	f("/public/a;b/"+long, "passed")
	f("/public/a%2fb;c/"+long, "ambiguous")
	f("/public/a/../b%2f"+long, "ambiguous")
	f("/public/a/../b%2f"+long[:2000], "passed")
}

func TestBadPath(t *testing.T) {
	good := []string{"/", "/%", "/%0", "/%u", "/%u0", "/%u00", "/%u006", "/%u0436", "/%C0", "/%C0_la", "/%C0%20la", "/%C3%80", "/%e0%a0%80", "/%f0%90%80%80",
		"/%E0%20", "/%e0%80", "/%01%7f", "/%25%30%30"}
	for _, p := range good {
		if badPath([]byte(p)) {
			t.Errorf("%s is bad", p)
		}
	}
	bad := []string{"/%00", "/a%00b", "/%%00", "/%c0%80", "/%C1%BF", "/%e0%9f%bf", "/%f0%8f%80%80", "/%F8%87%80%80%80", "/%fc%83%80%80%80%80", "/%u0000", "/%U007f"}
	for _, p := range bad {
		if !badPath([]byte(p)) {
			t.Errorf("%s is not bad", p)
		}
	}
	if n := testing.AllocsPerRun(100, func() { badPath([]byte("/a%20b%c3%a9")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRuleHost(t *testing.T) {
	f := func(host, want string) {
		t.Helper()
		if got := ruleHost([]byte(host)); string(got) != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	f("a.example", "a.example")
	f("a.example.", "a.example")
	f("a.example.:80", "a.example")
	f(".", ".")
	f("[::1]:80", "[::1]")
	f("", "")
}

// BenchmarkViews shows what the worst path costs that is not refused
// unseen.
func BenchmarkViews(b *testing.B) {
	set := rule.Compile(policies[0].rules)
	scratch := make([]byte, 0, 64<<10)
	in := rule.Request{Host: []byte("h"), Method: []byte("GET")}
	for name, path := range map[string]string{
		"long":   "/a%2f" + strings.Repeat("x", 15_000),
		"usual":  "/public/a%20b",
		"sloppy": "/public//a/b",
		"worst":  strings.Repeat(`/a\b%2f%5c./`, maxViewBytes/maxViews/12),
	} {
		b.Run(name, func(b *testing.B) {
			p := []byte(path)
			b.ReportAllocs()
			for b.Loop() {
				agree(set, &in, p, scratch, -1, false)
			}
		})
	}
}
