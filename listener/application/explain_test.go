package application

import (
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
)

const explainConfig = `version: 1
zones: [{name: a, addresses: [192.0.2.10]}, {name: b}]
load_balancers:
  - name: app
    listeners:
      - port: 8080
        address: 192.0.2.10
        default_actions: [{type: fixed-response, status_code: 404}]
        rules:
          - priority: 5
            conditions: [{field: http-header, http_header_name: X-Version, values: ["2*"]}, {field: host-header, values: ["*.example.com"]}]
            actions: [{type: redirect, path: /new, status_code: HTTP_301}]
          - priority: 10
            conditions: [{field: path-pattern, values: ["/api/*"]}, {field: source-ip, values: [127.0.0.0/8]}]
            actions: [{type: forward, target_groups: [{name: web, weight: 3}, {name: empty, weight: 1}]}]
            transforms:
              - {type: url-rewrite, url_rewrite_config: {rewrites: [{regex: "^/api(/.*)$", replace: "$1"}]}}
          - priority: 20
            conditions: [{field: path-pattern, values: [/bad]}]
            actions: [{type: forward, target_group: web}]
            transforms:
              - {type: url-rewrite, url_rewrite_config: {rewrites: [{regex: "^.*$", replace: ""}]}}
      - port: 80
        default_actions: [{type: forward, target_group: web}]
  - name: other
    listeners:
      - {port: 8080, address: 192.0.2.11, default_actions: [{type: forward, target_group: web}]}
target_groups:
  - name: web
    port: 80
    attributes: {load_balancing.cross_zone.enabled: false}
    targets: [{id: 10.0.0.1, zone: a}, {id: 10.0.0.2, zone: b}]
  - {name: empty, port: 80}
`

func explainSnapshot(t *testing.T) *balancer.Snapshot {
	t.Helper()
	m, errs := config.Parse("lb.yaml", []byte(explainConfig), nil)
	if errs != nil {
		t.Fatal(errs)
	}
	return balancer.Compile(m, nil, balancer.Env{
		NewTargetState: func(balancer.Key, *config.TargetGroup, *config.Target) *balancer.TargetState {
			return new(balancer.TargetState)
		},
	})
}

func TestExplain(t *testing.T) {
	s := explainSnapshot(t)
	ask := func(url string, q Question) *Explanation {
		t.Helper()
		q.URL, q.Address = url, "192.0.2.10"
		e, err := Explain(s, &q)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		return e
	}
	e := ask("http://x.example.com:8080/api/a%2fb?q", Question{})
	if e.Priority != 10 || e.Action != "forward" || e.TransformedURI != "/a%2fb?q" || e.Zone != "a" || e.Path != "/api/a/b" || e.Generation != 1 {
		t.Errorf("%+v", e)
	}
	if len(e.Rules) != 2 || e.Rules[0].Matches || !e.Rules[1].Matches {
		t.Fatalf("rules %+v", e.Rules)
	}
	if c := e.Rules[0].Conditions; c[0].Holds || c[0].Got != "" || !c[1].Holds || c[1].Got != "x.example.com" || c[1].Wants != "*.example.com" {
		t.Errorf("conditions %+v", c)
	}
	g := e.TargetGroups
	if len(g) != 2 || g[0].Share != 0.75 || len(g[1].Targets) != 0 || !g[0].Targets[0].Eligible || g[0].Targets[1].Eligible {
		t.Errorf("of zone a only the target there: %+v", g)
	}

	e = ask("http://x.example.com:8080/old?a=b", Question{Headers: []string{"x-version: 2.1"}})
	if e.Priority != 5 || e.Status != 301 || e.Location != "http://x.example.com:8080/new?a=b" {
		t.Errorf("redirect: %+v", e)
	}
	e = ask("http://x:8080/api/x", Question{Source: "198.51.100.1"})
	if e.Priority != 0 || e.Action != "fixed-response" || e.Status != 404 || len(e.Rules) != 3 {
		t.Errorf("default: %+v", e)
	}
	e = ask("http://ignored:8080/", Question{Headers: []string{"Host: a.example.com", "X-Version: 2"}})
	if e.Priority != 5 || e.Host != "a.example.com" {
		t.Errorf("Host header: %+v", e)
	}

	refused := func(url string, q Question, want string) {
		t.Helper()
		if e := ask(url, q); e.Refused == nil || e.Refused.Reason+e.Refused.Detail != want || e.Action != "" {
			t.Errorf("%s: %+v, want refused %s", url, e.Refused, want)
		}
	}
	refused("http://x:8080/bad", Question{}, "TransformFailedTransformInvalidPath")
	refused("http://x:8080/", Question{Method: "TRACE"}, "MethodNotAllowed")
	refused("http://x:8080/%00", Question{}, "BadPathEncoding")
	refused("http://x:8080/api/../x", Question{Headers: []string{"Bad Name: x"}}, "BadHeader")
	refused("http://x:8080/", Question{Headers: []string{"X-Forwarded-For: " + strings.Repeat("192.0.2.1,", 31)}}, "TooManyForwardedAddresses")
}

func TestExplainRefusesQuestions(t *testing.T) {
	s := explainSnapshot(t)
	f := func(q Question, want string) {
		t.Helper()
		if e, err := Explain(s, &q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %+v, %v, want %q", q, e, err, want)
		}
	}
	f(Question{}, "must be a URL")
	f(Question{URL: "ftp://x/"}, "must be a URL")
	f(Question{URL: "http:///x"}, "is not a host")
	f(Question{URL: "http://a b/"}, "is not a host")
	f(Question{URL: "http://x:99999/"}, "is not a host")
	f(Question{URL: "http://x/a\r\nb"}, "has blanks")
	f(Question{URL: "http://x/", Method: "A\nB"}, "has blanks")
	f(Question{URL: "http://x/", Headers: []string{"x"}}, "must be a header")
	f(Question{URL: "http://x/", Headers: []string{"x: y\r\nz: a"}}, "must be a header")
	f(Question{URL: "http://x/", Source: "x"}, "source")
	f(Question{URL: "http://x/", Address: "x"}, "address")
	f(Question{URL: "http://x:81/"}, "the ports that are listened on: 8080, 80")
	f(Question{URL: "http://x/", Address: "203.0.113.1"}, "nothing listens on 203.0.113.1 port 80")
	f(Question{URL: "http://x:8080/"}, "several listeners have port 8080")
	f(Question{URL: "http://x/", Headers: []string{"Transfer-Encoding: chunked\r\n\r\nGET / HTTP/1.1"}}, "must be a header")
}
