package config

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/internal/desync"
)

func itoa(n int) string { return strconv.Itoa(n) }

func mustRead(t *testing.T, path string) *Model {
	t.Helper()
	m, errs := Read(path, testEnv)
	if errs != nil {
		t.Fatal(errs)
	}
	return m
}

// The defaults are those of the ELB guide for application load balancers.
func TestDefaults(t *testing.T) {
	m := mustRead(t, "testdata/accepted/smallest.yaml")
	f := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", what, got, want)
		}
	}
	f("node", m.Node, Node{Zone: NoZone})
	f("admin", m.Admin, Admin{Socket: "/run/elbow/admin.sock"})
	f("access log", m.AccessLog, AccessLog{})
	f("log", m.Log, Log{Level: "info", Format: "json"})
	lb, g := m.LoadBalancers[0], m.TargetGroups[0]
	f("load balancer", lb.Attributes, LoadBalancerAttributes{
		IdleTimeout: 60 * time.Second, ClientKeepAlive: time.Hour, CrossZone: true, DesyncMode: desync.Defensive,
		ConnectTimeout: 10 * time.Second, TargetIdleTimeout: time.Minute, TargetMaxIdle: 1024,
		HeadTimeout: 10 * time.Second, SendTimeout: 30 * time.Second, ClientMinRate: 240,
	})
	l := lb.Listeners[0]
	f("listener", l.Attributes, ListenerAttributes{ServerHeader: true})
	f("protocol", l.Protocol, HTTP)
	f("address", l.Address.IsValid(), false)
	f("binds", m.Binds(l), []netip.Addr{netip.IPv6Unspecified()})
	f("forward", l.Default.Forward.Groups, []WeightedGroup{{Group: g, Weight: 1}})
	day := 24 * time.Hour
	f("target group", g.Attributes, TargetGroupAttributes{MinimumHealthy: 1, DeregistrationDelay: 5 * time.Minute, QueueTimeout: time.Second, Stickiness: Stickiness{LBCookieDuration: day, AppCookieDuration: day}})
	f("health check", g.HealthCheck, HealthCheck{
		Enabled: true, Protocol: HTTP, Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second,
		HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: Matcher{Ranges: []StatusRange{{200, 200}}, Text: "200"},
	})
	target := g.Targets[0]
	f("target", target, Target{ID: "127.0.0.1", Addr: netip.MustParseAddr("127.0.0.1"), Port: 8080, Zone: NoZone, Position: target.Position})
	f("place", target.Position.String(), "testdata/accepted/smallest.yaml:10:15")
	f("warnings", len(m.Warnings), 0)
}

func TestModel(t *testing.T) {
	m := mustRead(t, "testdata/accepted/everything.yaml")
	f := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", what, got, want)
		}
	}
	web, second := m.LoadBalancers[0], m.LoadBalancers[1]
	f("attributes", web.Attributes, LoadBalancerAttributes{
		IdleTimeout: 4000 * time.Second, ClientKeepAlive: time.Minute, CrossZone: true, PreserveHostHeader: true,
		DesyncMode: desync.Strictest, DropInvalidFields: true,
		XFFMode: XFFPreserve, XFFClientPort: true, ConnectTimeout: time.Second, TargetIdleTimeout: 4000 * time.Second,
		HeadTimeout: time.Second, SendTimeout: 4000 * time.Second,
	})
	f("node", m.Node.Zone, 0)
	f("zones", web.Zones, []int{0, 1})
	f("scheme", web.Scheme, Internal)
	l := web.Listeners[0]
	f("port", l.Port, uint16(8081))
	addresses := []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")}
	f("binds", m.Binds(l), addresses)
	f("binds of all zones", m.Binds(second.Listeners[0]), addresses)
	f("body", l.Default.FixedResponse, &FixedResponseAction{StatusCode: 404, ContentType: "text/html", Body: "<p>no hunter2 $ here"})

	var priorities []int
	for _, r := range l.Rules {
		priorities = append(priorities, r.Priority)
	}
	f("priorities", priorities, []int{1, 2, 50000})
	f("redirect", l.Rules[0].Actions.Redirect, &RedirectAction{"HTTPS", "www.#{host}", "443", "/#{path}", "from=#{host}&#{query}", 301})
	f("redirect with defaults", l.Rules[1].Actions.Redirect, &RedirectAction{"#{protocol}", "#{host}", "#{port}", "/new", "#{query}", 302})
	regexes := l.Rules[0].Conditions
	f("host regex ignores case", regexes[0].Regexes[0].MatchString("API-7.Example.COM"), true)
	f("path regex minds case", regexes[1].Regexes[1].MatchString("/x.PHP"), false)
	f("header name", regexes[2].HeaderName, "X-Version")

	last := l.Rules[2]
	f("query", last.Conditions[4].Query, []QueryPair{{"version", "v1", true}, {"", `*exa\*mple*`, false}, {"n", "1", true}})
	f("networks", last.Conditions[5].Networks[3], netip.MustParsePrefix("10.0.0.0/8"))
	var weights []string
	for _, g := range last.Actions.Forward.Groups {
		weights = append(weights, fmt.Sprint(g.Group.Name, " ", g.Weight))
	}
	f("weights", weights, []string{"web 999", "canary 1", "off 0"})

	f("host rewrite", last.Transforms.Host.Replace, "internal.dev.$1.myweb.com")
	f("host rewrite ignores case", last.Transforms.Host.Regex.MatchString("MYWEBSITE-a.com"), true)
	f("URL rewrite", last.Transforms.URL.Replace, "/product.php?id=$1&$x")
	f("no transforms", l.Rules[0].Transforms, Transforms{})

	g := m.TargetGroups[0]
	f("group attributes", g.Attributes, TargetGroupAttributes{Algorithm: LeastOutstandingRequests, CrossZone: CrossZoneOn, MinimumHealthy: 1, DeregistrationDelay: 5 * time.Minute,
		MaxOutstanding: 1000000, QueueSize: 1, QueueTimeout: time.Minute,
		Stickiness: Stickiness{LBCookieDuration: 24 * time.Hour, AppCookieDuration: 24 * time.Hour}})
	f("matcher", []bool{g.HealthCheck.Matcher.Match(250), g.HealthCheck.Matcher.Match(300), g.HealthCheck.Matcher.Match(301)}, []bool{true, false, true})
	f("health port", g.HealthCheck.Port, uint16(8081))
	f("zone all", g.Targets[2].Zone, NoZone)
	f("name", g.Targets[3].Name, "web-1.internal.")
	f("merged check", m.TargetGroups[2].HealthCheck.Interval, 5*time.Second)
	f("timeout below a short interval", m.TargetGroups[1].HealthCheck.Timeout, 4*time.Second)
	f("TCP check", m.TargetGroups[3].HealthCheck, HealthCheck{Protocol: TCP, Interval: 30 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2})
	f("admin", m.Admin, Admin{Listen: netip.MustParseAddrPort("127.0.0.1:9090")})
	f("access log", m.AccessLog, AccessLog{File: "stdout", Format: FormatJSON})
	f("warnings", len(m.Warnings), 1)
	f("warning", strings.Contains(m.Warnings[0].String(), "target_groups[tcp]: no listener forwards to this target group"), true)
}

// Every field of the tables is read: one that is not what it should be is
// reported at its path. The configuration must therefore have all of them.
func TestEveryFieldIsRead(t *testing.T) {
	data, err := os.ReadFile("testdata/accepted/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc := parseDocument("lb.yaml", data, testEnv)
	read := map[*field]bool{}
	var walk func(n *node, f *field)
	readAll := func(n *node, o *object) {
		for i := range n.pairs {
			p := &n.pairs[i]
			f := o.field(p.key.text)
			if f == nil {
				continue
			}
			good := p.value
			bad := &node{kind: listNode, source: good.source, line: good.line, column: good.column, contents: &contents{items: []*node{{kind: listNode, source: good.source, line: 1, column: 1, contents: &contents{}}}}}
			if f.kind == listValue {
				bad = &node{kind: scalarNode, source: good.source, line: good.line, column: good.column, raw: "x", text: "x"}
			}
			p.value = bad
			_, errs := doc.Build()
			found := slices.ContainsFunc(errs, func(d Diagnostic) bool {
				return d.Path == f.name || strings.HasSuffix(d.Path, "."+f.name)
			})
			if p.value = good; !found {
				t.Errorf("%s of a %s is not read", f.name, o.name)
			}
			read[f] = true
			walk(good, f)
		}
	}
	walk = func(n *node, f *field) {
		switch f.kind {
		case listValue:
			for _, item := range n.items {
				walk(item, f.item)
			}
		case objectValue:
			readAll(n, f.object)
		case unionValue:
			for _, v := range f.union.variants {
				if tag := n.lookup(f.union.tag); tag != nil && tag.text == v.tag {
					readAll(n, v)
				}
			}
		}
	}
	readAll(doc.root, documentObject)
	if _, errs := doc.Build(); errs != nil {
		t.Fatalf("the document was not put back: %v", errs)
	}

	seen := map[*object]bool{}
	var all func(o *object)
	all = func(o *object) {
		if seen[o] || o.notYet {
			return
		}
		seen[o] = true
		for i := range o.fields {
			f := &o.fields[i]
			if !f.notYet && !read[f] && f.name != "include" {
				t.Errorf("testdata/accepted/everything.yaml has no %s of a %s", f.name, o.name)
			}
			for _, c := range children(f) {
				all(c)
			}
		}
	}
	all(documentObject)
}

// A path pattern that no path can match is a mistake, though ELB takes it.
func TestPathPatternWarning(t *testing.T) {
	const text = `version: 1
load_balancers: [{name: a, listeners: [{port: 80, default_actions: [{type: fixed-response, status_code: 200}], rules: [
  {priority: 1, conditions: [{field: path-pattern, values: [/a, "*.png", "?b", img/*]}], actions: [{type: fixed-response, status_code: 200}]}]}]}]
`
	m, errs := Parse("lb.yaml", []byte(text), nil)
	if errs != nil {
		t.Fatal(errs)
	}
	const want = "lb.yaml:3:80: load_balancers[a].listeners[port=80].rules[priority=1].conditions[0].values[3]: matches no path: a path starts with /"
	if len(m.Warnings) != 1 || m.Warnings[0].String() != want {
		t.Errorf("got %v, want %s", m.Warnings, want)
	}
}
