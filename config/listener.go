package config

import (
	"cmp"
	"slices"
)

var listenerObject = &object{
	name: "listener",
	doc:  "A port that a load balancer listens on, and what happens to requests that come in by it.",
	fields: []field{
		{name: "protocol", kind: choiceValue, def: "HTTP", values: []choice{{word: "HTTP"}, {word: "HTTPS", notYet: true}, {word: "TCP", notYet: true}, {word: "TLS", notYet: true},
			{word: "UDP", notYet: true}, {word: "TCP_UDP", notYet: true}, {word: "QUIC", notYet: true}, {word: "TCP_QUIC", notYet: true}}, doc: "The protocol spoken with clients."},
		{name: "port", kind: integerValue, required: true, min: 1, max: 65535, doc: "The port to listen on."},
		{name: "address", kind: textValue, format: "an IP address", doc: "The one address to listen on. Without it those of the load balancer's zones are listened on or, where no zone has any, all addresses."},
		{name: "ssl_policy", kind: textValue, notYet: true, doc: "The TLS security policy."},
		{name: "alpn_policy", kind: textValue, notYet: true, doc: "The ALPN policy of a TLS listener."},
		{name: "certificates", kind: listValue, notYet: true, doc: "The certificates, by name, the default first."},
		{name: "mutual_authentication", kind: objectValue, notYet: true, doc: "How clients authenticate by certificate."},
		{name: "attributes", kind: attributesValue, owner: OfListener, doc: "Attributes by their ELB keys."},
		{name: "default_actions", kind: listValue, required: true, item: &field{kind: unionValue, union: actionUnion}, doc: "What happens to a request that no rule matches. One action."},
		{name: "rules", kind: listValue, item: &field{kind: objectValue, object: ruleObject}, doc: "The rules. The first to match, by ascending priority, decides."},
	},
}

var ruleObject = &object{
	name: "rule",
	doc:  "What happens to the requests that match all its conditions.",
	fields: []field{
		{name: "priority", kind: integerValue, required: true, min: 1, max: 50000, doc: "When the rule is looked at: the lowest number first. Unique in its listener."},
		{name: "conditions", kind: listValue, required: true, item: &field{kind: unionValue, union: conditionUnion}, doc: "What a request must be like. All conditions must match; of the values of one condition, any."},
		{name: "actions", kind: listValue, required: true, item: &field{kind: unionValue, union: actionUnion}, doc: "What happens to the request. One action."},
		{name: "transforms", kind: listValue, item: &field{kind: unionValue, union: transformUnion}, doc: "How host and URL are rewritten once the rule has matched. At most one of each type."},
	},
}

func (b *builder) listener(n *node, path string, lb *LoadBalancer) {
	f, ok := readFields(&b.reporter, n, path, listenerObject, nil)
	if !ok {
		return
	}
	l := &Listener{LoadBalancer: lb, Position: n.position()}
	protocol, protocolOK := f.choice("protocol")
	l.Protocol = Protocol(indexOf(protocols, protocol))
	port, portOK := f.integer("port")
	l.Port = uint16(port)
	addressOK := true
	if a := f.set["address"]; a != nil {
		l.Address, addressOK = b.address(a, f.at("address"))
	}
	if protocolOK {
		readAttributes(f, attributeOf{owner: OfListener, lbType: lb.Type, protocol: l.Protocol}, attributeSet{listener: &l.Attributes})
	}
	l.Default = b.actions(f, "default_actions", l)

	items, _ := f.list("rules")
	priorities := make(map[int]*node, len(items))
	for i, r := range items {
		b.rule(r, itemPath(f.at("rules"), i, r, "priority"), l, priorities)
	}
	slices.SortStableFunc(l.Rules, func(x, y *Rule) int { return cmp.Compare(x.Priority, y.Priority) })
	lb.Listeners = append(lb.Listeners, l)
	if protocolOK && portOK && addressOK {
		b.listeners = append(b.listeners, listenerAt{l, n, path})
	}
}

func (b *builder) rule(n *node, path string, l *Listener, priorities map[int]*node) {
	f, ok := readFields(&b.reporter, n, path, ruleObject, nil)
	if !ok {
		return
	}
	rule := &Rule{Position: n.position()}
	if p, ok := f.integer("priority"); ok {
		rule.Priority = p
		if first := priorities[p]; first != nil {
			f.errorf("priority", "%s is already the priority of the rule at %s; priorities are unique in a listener", f.set["priority"].shown(), first.position())
		} else {
			priorities[p] = n
		}
	}
	conditions, _ := f.some("conditions")
	for i, c := range conditions {
		if condition, ok := b.condition(c, itemPath(f.at("conditions"), i, c, "")); ok {
			rule.Conditions = append(rule.Conditions, condition)
		}
	}
	rule.Actions = b.actions(f, "actions", l)
	rule.Transforms = b.transforms(f)
	if rule.Transforms != (Transforms{}) && rule.Actions.Type != Forward {
		b.warnf(f.place("transforms"), f.at("transforms"), "has no effect: the rule does not forward the request")
	}
	l.Rules = append(l.Rules, rule)
}
