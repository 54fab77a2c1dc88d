package config

import (
	"slices"
	"strings"
)

var loadBalancerObject = &object{
	name: "load balancer",
	doc:  "A load balancer with its listeners.",
	fields: []field{
		{name: "name", kind: textValue, required: true, max: 32, doc: "What the load balancer is called. At most 32 letters, digits and hyphens, with no hyphen at either end, and not starting with internal-."},
		{name: "type", kind: choiceValue, def: "application", values: []choice{{word: "application"}, {word: "network", notYet: true}, {word: "gateway", notYet: true}}, doc: "The type, which decides what the rest may be."},
		{name: "zones", kind: listValue, item: &field{kind: textValue}, doc: "The zones it is in, by name. The default is all zones."},
		{name: "scheme", kind: choiceValue, def: "internet-facing", values: []choice{{word: "internet-facing"}, {word: "internal"}}, doc: "Whom it is for. It is informative: what decides is the addresses it listens on."},
		{name: "security_groups", kind: listValue, notYet: true, doc: "Who may connect, by name."},
		{name: "attributes", kind: attributesValue, owner: OfLoadBalancer, doc: "Attributes by their ELB keys."},
		{name: "listeners", kind: listValue, required: true, item: &field{kind: objectValue, object: listenerObject}, doc: "The listeners, each a port that clients connect to."},
	},
}

// loadBalancerName is ELB's syntax for names of load balancers.
func loadBalancerName(s string) string {
	if strings.HasPrefix(s, "internal-") {
		return "must not start with internal-, which ELB keeps for itself"
	}
	return resourceName(s)
}

func (b *builder) loadBalancers(f fields) {
	items, ok := f.list("load_balancers")
	if ok && f.has("load_balancers") && len(items) == 0 {
		b.warnf(f.place("load_balancers"), "load_balancers", "there is no load balancer, so nothing listens")
	}
	names := map[string]*node{}
	for i, n := range items {
		l, ok := readFields(&b.reporter, n, itemPath("load_balancers", i, n, "name"), loadBalancerObject, nil)
		if !ok {
			continue
		}
		lb := &LoadBalancer{Position: n.position()}
		if lb.Name, ok = b.name(l, loadBalancerName); ok {
			if first := names[lb.Name]; first != nil {
				b.duplicate(l, "name", first)
			}
			names[lb.Name] = l.set["name"]
		}
		b.loadBalancer(l, lb)
		b.model.LoadBalancers = append(b.model.LoadBalancers, lb)
	}
}

func (b *builder) loadBalancer(f fields, lb *LoadBalancer) {
	scheme, _ := f.choice("scheme")
	if scheme == "internal" {
		lb.Scheme = Internal
	}
	zones, ok := f.some("zones")
	for i, n := range zones {
		path := itemPath(f.at("zones"), i, n, "")
		if !ok || !checkScalar(&b.reporter, n, path, "the name of a zone") {
			continue
		}
		zone := b.zone(n, path)
		if zone == NoZone {
			continue
		}
		if slices.Contains(lb.Zones, zone) {
			b.errorf(n, path, "%s is already in this list", n.shown())
			continue
		}
		lb.Zones = append(lb.Zones, zone)
	}
	if _, ok := f.choice("type"); !ok {
		return // what the rest means depends on it
	}
	lb.Type = Application
	readAttributes(f, attributeOf{owner: OfLoadBalancer, lbType: lb.Type, scheme: lb.Scheme}, attributeSet{lb: &lb.Attributes})
	items, ok := f.list("listeners")
	if ok && f.has("listeners") && len(items) == 0 {
		b.warnf(f.place("listeners"), f.at("listeners"), "there is no listener, so nothing listens")
	}
	for i, n := range items {
		b.listener(n, itemPath(f.at("listeners"), i, n, "port"), lb)
	}
}
