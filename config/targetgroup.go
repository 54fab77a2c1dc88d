package config

import (
	"regexp"
	"strings"
)

var targetGroupObject = &object{
	name: "target group",
	doc:  "A set of targets, with one way to reach them and to check their health.",
	fields: []field{
		{name: "name", kind: textValue, required: true, max: 32, doc: "What the group is called. At most 32 letters, digits and hyphens, with no hyphen at either end."},
		{name: "protocol", kind: choiceValue, def: "HTTP", values: []choice{{word: "HTTP"}, {word: "HTTPS", notYet: true}, {word: "TCP", notYet: true}, {word: "TLS", notYet: true},
			{word: "UDP", notYet: true}, {word: "TCP_UDP", notYet: true}, {word: "QUIC", notYet: true}, {word: "TCP_QUIC", notYet: true}, {word: "GENEVE", notYet: true}},
			doc: "The protocol spoken with targets."},
		{name: "port", kind: integerValue, required: true, min: 1, max: 65535, doc: "The port targets take traffic on, unless a target names its own."},
		{name: "protocol_version", kind: choiceValue, def: "HTTP1", values: []choice{{word: "HTTP1"}, {word: "HTTP2", notYet: true}, {word: "GRPC", notYet: true}},
			doc: "The version of HTTP spoken with targets."},
		{name: "target_type", kind: choiceValue, def: "ip", values: []choice{{word: "ip", doc: "an IP address or, as Elbow's addition, a DNS name"}, {word: "instance", notYet: true}, {word: "lambda", notYet: true}, {word: "alb", notYet: true}},
			doc: "What the ids of targets are."},
		{name: "health_check", kind: objectValue, object: healthCheckObject, doc: "How targets are checked. Checks are on unless enabled is false."},
		{name: "attributes", kind: attributesValue, owner: OfTargetGroup, doc: "Attributes by their ELB keys."},
		{name: "targets", kind: listValue, item: &field{kind: objectValue, object: targetObject}, doc: "The targets. A group without any answers with 503."},
	},
}

func (b *builder) targetGroups(f fields) {
	items, _ := f.list("target_groups")
	names := map[string]*node{}
	for i, n := range items {
		path := itemPath("target_groups", i, n, "name")
		g, ok := readFields(&b.reporter, n, path, targetGroupObject, nil)
		if !ok {
			continue
		}
		group := &TargetGroup{Position: n.position()}
		b.groupAt[group] = placed{n, path}
		if group.Name, ok = b.name(g, resourceName); ok {
			if first := names[group.Name]; first != nil {
				b.duplicate(g, "name", first)
			} else {
				names[group.Name] = g.set["name"]
				b.groups[group.Name] = group
			}
		}
		b.targetGroup(g, group)
		b.model.TargetGroups = append(b.model.TargetGroups, group)
	}
}

func (b *builder) targetGroup(f fields, group *TargetGroup) {
	protocol, ok1 := f.choice("protocol")
	_, ok2 := f.choice("protocol_version")
	targetType, ok3 := f.choice("target_type")
	if !ok1 || !ok2 || !ok3 {
		// What the rest means depends on these.
		b.unusable[group] = true
		return
	}
	group.Protocol = Protocol(indexOf(protocols, protocol))
	if targetType == "ip" {
		group.TargetType = TargetIP
	}
	port, _ := f.integer("port")
	group.Port = uint16(port)
	of := attributeOf{owner: OfTargetGroup, lbType: typeOf(group.Protocol), protocol: group.Protocol, targetType: group.TargetType}
	readAttributes(f, of, attributeSet{group: &group.Attributes})
	b.checkStickiness(f, group)
	b.checkAlgorithm(f, group)
	b.healthCheck(f, group)
	b.targets(f, group)
	b.checkZones(f, group)
}

// checkStickiness holds the stickiness attributes to ELB's rules for them (user
// guide, "Sticky sessions").
func (b *builder) checkStickiness(f fields, group *TargetGroup) {
	a := &group.Attributes
	name := a.Stickiness.AppCookieName
	switch {
	case name != "" && strings.HasPrefix(name, reservedCookiePrefix):
		attributeError(f, "stickiness.app_cookie.cookie_name", "must not begin with "+reservedCookiePrefix+": those cookies are the load balancer's")
	case name != "" && !cookieName.MatchString(name):
		attributeError(f, "stickiness.app_cookie.cookie_name", "must be a cookie name: letters, digits and !#$%&'*+-.^_`|~")
	}
	if !a.Stickiness.Enabled {
		return
	}
	if a.Stickiness.Type == AppCookie && name == "" {
		attributeError(f, "stickiness.type", "app_cookie needs stickiness.app_cookie.cookie_name, the cookie that the targets set")
	}
	if a.Algorithm == WeightedRandom {
		attributeError(f, "stickiness.enabled", "does not go with load_balancing.algorithm.type: weighted_random; use another algorithm, or turn stickiness off")
	}
	if a.CrossZone == CrossZoneOff {
		attributeError(f, "stickiness.enabled", "does not go with load_balancing.cross_zone.enabled: false")
	}
}

// checkAlgorithm holds the attributes that only some algorithms have to theirs
// (user guide, "Routing algorithms" and "Slow start mode").
func (b *builder) checkAlgorithm(f fields, group *TargetGroup) {
	a := &group.Attributes
	if a.SlowStart > 0 && a.Algorithm != RoundRobin {
		attributeError(f, "slow_start.duration_seconds", "does not go with load_balancing.algorithm.type: "+a.Algorithm.String()+", only with round_robin")
	}
	if a.AnomalyMitigation && a.Algorithm != WeightedRandom {
		attributeError(f, "load_balancing.algorithm.anomaly_mitigation", "does not go with load_balancing.algorithm.type: "+a.Algorithm.String()+", only with weighted_random")
	}
}

// checkZones: where zones keep to themselves, a target must be in one.
func (b *builder) checkZones(f fields, group *TargetGroup) {
	if group.Attributes.CrossZone != CrossZoneOff {
		return
	}
	for _, t := range group.Targets {
		if t.Zone == NoZone {
			attributeError(f, "load_balancing.cross_zone.enabled", "cannot be false while target "+t.ID+" has no zone; give each target one")
			return
		}
	}
}

// reservedCookiePrefix begins the names of the load balancer's own cookies.
const reservedCookiePrefix = "AWSALB"

// cookieName is the syntax of cookie names (RFC 6265 section 4.1.1).
var cookieName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// attributeError reports what is wrong with an attribute that was set, or else
// with the attributes as a whole.
func attributeError(f fields, key, problem string) {
	n := f.place("attributes")
	if attributes := f.set["attributes"]; attributes != nil {
		for _, p := range attributes.pairs {
			if p.key.text == key {
				n = p.value
			}
		}
	}
	f.r.errorf(n, f.at("attributes")+"["+key+"]", "%s", problem)
}

// typeOf is the load balancer type that a protocol belongs to.
func typeOf(p Protocol) LoadBalancerType {
	switch p {
	case HTTP, HTTPS:
		return Application
	case GENEVE:
		return Gateway
	}
	return Network
}
