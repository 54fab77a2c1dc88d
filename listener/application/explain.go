package application

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Question is a request that nobody sends. Its JSON form is part of the admin API.
type Question struct {
	Method  string   `json:"method"`
	URL     string   `json:"url"`               // http://host[:port]/path?query
	Headers []string `json:"headers,omitempty"` // "Name: value"; Host in place of the URL's
	Source  string   `json:"source,omitempty"`  // address that rules take for the client's; default 127.0.0.1
	Address string   `json:"address,omitempty"` // that the client connects to; default: any that is listened on
}

// Explanation is what would become of a Question, and why.
type Explanation struct {
	Generation   uint64 `json:"generation"` // of the configuration; 0: one that is not in force
	LoadBalancer string `json:"load_balancer"`
	Listener     string `json:"listener"`       // "HTTP:80"
	Zone         string `json:"zone,omitempty"` // by which it comes in, if any
	Host         string `json:"host"`           // as rules see it
	Path         string `json:"path"`           // likewise, canonical

	// Refused is why it is answered without a look at the action; nil if it is not.
	Refused *Refused `json:"refused,omitempty"`

	// Rules are those that were looked at, in their order; the last one matched,
	// unless the default actions apply.
	Rules []RuleVerdict `json:"rules"`
	// Priority is that of the rule that matched; 0 for the default actions.
	Priority int `json:"matched_rule_priority"`

	Action          string         `json:"action,omitempty"`
	Status          int            `json:"status,omitempty"`   // redirect, fixed-response
	Location        string         `json:"location,omitempty"` // redirect
	TransformedHost string         `json:"transformed_host,omitempty"`
	TransformedURI  string         `json:"transformed_uri,omitempty"`
	TargetGroups    []GroupVerdict `json:"target_groups,omitempty"` // forward
}

// Refused is an answer of the load balancer's own.
type Refused struct {
	Status int    `json:"status"`
	Reason string `json:"reason"` // as error_reason in the access log
	Detail string `json:"detail,omitempty"`
}

// RuleVerdict is how a rule looked at the request.
type RuleVerdict struct {
	Priority   int                `json:"priority"`
	Matches    bool               `json:"matches"`
	Position   string             `json:"position"`
	Conditions []ConditionVerdict `json:"conditions"`
}

// ConditionVerdict is how one of its conditions did.
type ConditionVerdict struct {
	Field string `json:"field"`
	Wants string `json:"wants"`
	Got   string `json:"got"`
	Holds bool   `json:"holds"`
}

// GroupVerdict is one target group of a forward action.
type GroupVerdict struct {
	Name      string          `json:"name"`
	Weight    int             `json:"weight"`
	Share     float64         `json:"share"` // of the requests, 0 to 1
	Algorithm string          `json:"algorithm"`
	Sticky    bool            `json:"sticky"` // a client's cookie may decide instead
	FailOpen  bool            `json:"fail_open"`
	Targets   []TargetVerdict `json:"targets"`
}

// TargetVerdict is one target of the group.
type TargetVerdict struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	Zone     string `json:"zone,omitempty"`
	State    string `json:"state"`
	Eligible bool   `json:"eligible"`
}

// Explain says what would become of a request. The decisions are made by the code
// that makes them for requests; nothing is sent or counted.
func Explain(s *balancer.Snapshot, q *Question) (*Explanation, error) {
	head, port, err := q.head()
	if err != nil {
		return nil, err
	}
	source := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if q.Source != "" {
		if source, err = netip.ParseAddr(q.Source); err != nil {
			return nil, fmt.Errorf("source: %q is not an IP address", q.Source)
		}
	}
	bind, err := q.find(s, port)
	if err != nil {
		return nil, err
	}
	l := bind.Listener
	x := &exchange{
		conn:     &conn{server: &Server{limits: &http1.DefaultLimits}, bind: bind},
		bind:     bind,
		attr:     &l.LoadBalancer.Attributes,
		counters: new(metrics.ListenerShard), // nobody's
		from: origin{
			client: netip.AddrPortFrom(source.Unmap(), 0),
			proto:  []byte(strings.ToLower(l.Config.Protocol.String())),
			port:   port,
		},
	}
	e := &Explanation{
		Generation: s.Generation, LoadBalancer: l.LoadBalancer.Name,
		Listener: fmt.Sprintf("%s:%d", l.Config.Protocol, l.Config.Port),
		Rules:    []RuleVerdict{},
	}
	if bind.Zone != config.NoZone {
		e.Zone = s.Model.Zones[bind.Zone].Name
	}
	n, r := http1.ParseRequest(head, &x.req, x.server().limits)
	if r != 0 || n != len(head) {
		if r == 0 {
			return nil, fmt.Errorf("this is not one request: %q", head)
		}
		x.outcome = refused(r)
		e.refuse(x)
		return e, nil
	}
	x.headLen = n
	x.judge()
	if x.outcome = x.admit(); x.outcome == OutcomeOK {
		x.outcome = x.route()
	}
	x.explainRules(e)
	if x.outcome != OutcomeOK {
		e.refuse(x)
		return e, nil
	}
	x.explainAction(s, e)
	return e, nil
}

func (e *Explanation) refuse(x *exchange) {
	e.Refused = &Refused{Status: x.outcome.Status(), Reason: x.outcome.String(), Detail: x.rewritten.status}
	if x.outcome == OutcomeDesyncBlocked {
		e.Refused.Detail = x.desync.tier.String() + ": " + x.desync.reason.String()
	}
}

// head writes the question as a request's head, and returns the port that it is for.
func (q *Question) head() (head []byte, port uint16, err error) {
	scheme, rest, ok := strings.Cut(q.URL, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" {
		return nil, 0, fmt.Errorf("%q must be a URL such as http://example.com/path", q.URL)
	}
	at := strings.IndexAny(rest, "/?#")
	if at < 0 {
		at = len(rest)
	}
	authority, target := rest[:at], rest[at:]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	target, _, _ = strings.Cut(target, "#") // a fragment is not sent
	if !http1.IsHost([]byte(authority)) {
		return nil, 0, fmt.Errorf("%q in %q is not a host", authority, q.URL)
	}
	host := string(hostOnly([]byte(authority)))
	port = map[string]uint16{"http": 80, "https": 443}[scheme]
	if text := strings.TrimPrefix(authority[len(host):], ":"); text != "" {
		n, _ := strconv.ParseUint(text, 10, 16) // IsHost has checked it
		if port != uint16(n) {
			host = authority
		}
		port = uint16(n)
	}
	method := q.Method
	if method == "" {
		method = "GET"
	}
	if strings.ContainsAny(method, " \r\n") || strings.ContainsAny(target, " \r\n") {
		return nil, 0, fmt.Errorf("neither a method nor a URL has blanks in it")
	}
	var lines strings.Builder
	for _, h := range q.Headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.ContainsAny(h, "\r\n") {
			return nil, 0, fmt.Errorf("%q must be a header such as Name: value", h)
		}
		if value = strings.TrimSpace(value); strings.EqualFold(name, "Host") {
			host = value
			continue
		}
		fmt.Fprintf(&lines, "%s: %s\r\n", name, value)
	}
	return []byte(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + lines.String() + "\r\n"), port, nil
}

// find returns where the request comes in.
func (q *Question) find(s *balancer.Snapshot, port uint16) (*balancer.Bind, error) {
	var addr netip.Addr
	if q.Address != "" {
		var err error
		if addr, err = netip.ParseAddr(q.Address); err != nil {
			return nil, fmt.Errorf("address: %q is not an IP address", q.Address)
		}
	}
	var found *balancer.Bind
	var ports []string
	for _, b := range s.Binds {
		if b == nil {
			continue
		}
		if p := strconv.Itoa(int(b.Addr.Port())); !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
		a := b.Addr.Addr()
		if b.Addr.Port() != port || addr.IsValid() && a != addr.Unmap() && !a.IsUnspecified() {
			continue
		}
		if found != nil && found.Listener != b.Listener {
			return nil, fmt.Errorf("several listeners have port %d (%s on %s, %s on %s): say by --address which the client connects to",
				port, found.Listener.LoadBalancer.Name, found.Addr.Addr(), b.Listener.LoadBalancer.Name, a)
		}
		if found == nil {
			found = b
		}
	}
	switch {
	case found != nil:
		return found, nil
	case addr.IsValid():
		return nil, fmt.Errorf("nothing listens on %s port %d", addr, port)
	case len(ports) == 0:
		return nil, fmt.Errorf("nothing listens: there is no listener")
	}
	return nil, fmt.Errorf("nothing listens on port %d; the ports that are listened on: %s", port, strings.Join(ports, ", "))
}

// explainRules says how each rule up to the one that matched came out.
func (x *exchange) explainRules(e *Explanation) {
	l := x.bind.Listener
	in := rule.Request{
		Host:   ruleHost(x.req.Bytes(x.req.Host)),
		Method: x.req.Bytes(x.req.Method),
		Path:   x.requestPath(),
		Query:  x.req.Bytes(x.req.Query),
		Source: x.from.client.Addr(),
		Head:   (*ruleFields)(x),
	}
	if needsCanonical(in.Path) {
		in.Path = appendView(nil, in.Path, 0, dotsResolved)
	}
	e.Host, e.Path = string(in.Host), string(in.Path)
	if x.action == nil && x.outcome != OutcomeAmbiguousPath {
		return // refused before any rule
	}
	if x.action != nil {
		e.Priority = x.action.Priority
	}
	for _, r := range l.Config.Rules {
		v := RuleVerdict{Priority: r.Priority, Matches: true, Position: r.Position.String()}
		for i := range r.Conditions {
			c := &r.Conditions[i]
			holds := rule.Holds(c, &in)
			v.Conditions = append(v.Conditions, ConditionVerdict{Field: fieldName(c), Wants: wants(c), Got: got(c, &in), Holds: holds})
			v.Matches = v.Matches && holds
		}
		e.Rules = append(e.Rules, v)
		if v.Matches {
			return
		}
	}
}

func fieldName(c *config.Condition) string {
	if c.Field == config.HTTPHeader {
		return c.Field.String() + " " + c.HeaderName
	}
	return c.Field.String()
}

// wants are the values of a condition.
func wants(c *config.Condition) string {
	all := slices.Clone(c.Values)
	for _, re := range c.Regexes {
		all = append(all, "/"+re.String()+"/")
	}
	for _, p := range c.Query {
		if p.HasKey {
			all = append(all, p.Key+"="+p.Value)
		} else {
			all = append(all, "*="+p.Value)
		}
	}
	for _, n := range c.Networks {
		all = append(all, n.String())
	}
	return strings.Join(all, " or ")
}

// got is what the request has for a condition.
func got(c *config.Condition, in *rule.Request) string {
	switch c.Field {
	case config.HostHeader:
		return string(in.Host)
	case config.PathPattern:
		return string(in.Path)
	case config.HTTPRequestMethod:
		return string(in.Method)
	case config.QueryString:
		return string(in.Query)
	case config.SourceIP:
		return in.Source.String()
	}
	var values []string
	name := strings.ToLower(c.HeaderName)
	for v, next := in.Head.NextNamed(name, 0); next >= 0; v, next = in.Head.NextNamed(name, next) {
		values = append(values, string(v))
	}
	return strings.Join(values, ", ")
}

// explainAction says what is done.
func (x *exchange) explainAction(s *balancer.Snapshot, e *Explanation) {
	a := x.action
	e.Action = a.Type.String()
	e.TransformedHost, e.TransformedURI = string(x.rewritten.host), string(x.rewritten.uri)
	switch a.Type {
	case config.FixedResponse:
		e.Status = a.Fixed.StatusCode
	case config.Redirect:
		e.Status = a.Redirect.StatusCode
		location := a.Redirect.AppendLocation(nil, &rule.RedirectInput{
			Protocol: x.from.proto,
			Host:     hostOnly(x.req.Bytes(x.req.Host)),
			Port:     strconv.AppendUint(nil, uint64(x.from.port), 10),
			Path:     x.requestPath(),
			Query:    x.req.Bytes(x.req.Query),
		})
		if len(location) > rule.MaxLocation {
			x.outcome = OutcomeRedirectTooLong
			e.refuse(x)
			return
		}
		e.Location = string(location)
	case config.Forward:
		total := 0
		for _, w := range a.Forward.Groups {
			total += w.Weight
		}
		for _, w := range a.Forward.Groups {
			v := explainGroup(s, w.Group, x.bind.Zone)
			v.Weight = w.Weight
			if total > 0 {
				v.Share = float64(w.Weight) / float64(total)
			}
			e.TargetGroups = append(e.TargetGroups, v)
		}
	}
}

func explainGroup(s *balancer.Snapshot, g *balancer.Group, zone int) GroupVerdict {
	eligible, failOpen := g.Eligible(zone)
	v := GroupVerdict{
		Name: g.Name, Algorithm: g.Config.Attributes.Algorithm.String(), Sticky: g.Config.Attributes.Stickiness.Enabled, FailOpen: failOpen,
		Targets: []TargetVerdict{},
	}
	for _, t := range g.Targets {
		tv := TargetVerdict{ID: t.ID, Address: t.Addr.String(), State: t.State.Health.State().String(), Eligible: slices.Contains(eligible, t)}
		if t.Zone != config.NoZone {
			tv.Zone = s.Model.Zones[t.Zone].Name
		}
		v.Targets = append(v.Targets, tv)
	}
	return v
}
