package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

var targetObject = &object{
	name: "target",
	doc:  "A registered target. The same id may occur more than once, with different ports.",
	fields: []field{
		{name: "id", kind: textValue, required: true, max: 253, format: "an IP address or a DNS name",
			doc: "The target's IP address or DNS name. A name stands for the addresses that it resolves to; with a dot at its end, without the search domains of the machine."},
		{name: "port", kind: integerValue, min: 1, max: 65535, doc: "The port it takes traffic on. The default is the group's."},
		{name: "zone", kind: textValue, doc: "The zone it is in, by name. A target without one, or with all, is in every zone."},
	},
}

// instanceID is the form of an EC2 instance's id, which is also a valid DNS
// name.
var instanceID = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

func (b *builder) targets(f fields, group *TargetGroup) {
	items, _ := f.list("targets")
	type key struct {
		id   string
		port uint16
	}
	seen := make(map[key]*node, len(items))
	for i, n := range items {
		t, ok := readFields(&b.reporter, n, itemPath(f.at("targets"), i, n, "id"), targetObject, nil)
		if !ok {
			continue
		}
		target := Target{Port: group.Port, Zone: NoZone, Position: n.position()}
		id, idOK := t.text("id")
		if idOK && t.has("id") {
			var problem string
			if target.Addr, target.Name, problem = parseTargetID(id); problem != "" {
				idOK = false
				t.wrong("id", problem)
			}
			target.ID = id
		}
		if port, _ := t.integer("port"); t.has("port") {
			target.Port = uint16(port)
		}
		if zone, ok := t.text("zone"); ok && t.has("zone") && zone != allZones {
			target.Zone = b.zone(t.set["zone"], t.at("zone"))
		}
		if idOK && t.has("id") && target.Port != 0 {
			k := key{strings.TrimSuffix(target.Name, "."), target.Port}
			if target.Addr.IsValid() {
				k.id = target.Addr.String()
			}
			if first := seen[k]; first != nil {
				t.errorf("id", "the target with port %d is already registered at %s; remove one, or give it another port", target.Port, first.position())
			} else {
				seen[k] = n
			}
		}
		group.Targets = append(group.Targets, target)
	}
}

// parseTargetID parses the id of an ip target: an address, or a DNS name in
// lower case.
func parseTargetID(id string) (addr netip.Addr, name, problem string) {
	const want = "must be an IP address or a DNS name"
	if addr, err := netip.ParseAddr(id); err == nil {
		addr = addr.Unmap()
		if addr.Zone() != "" {
			return netip.Addr{}, "", namesInterface
		}
		if addr.IsUnspecified() || addr.IsMulticast() || addr == broadcast {
			return netip.Addr{}, "", "must be the address of one machine"
		}
		return addr, "", ""
	}
	switch {
	case strings.Contains(id, "://"):
		return addr, "", want + " alone, without a scheme"
	case strings.HasPrefix(id, "arn:"):
		return addr, "", want + "; ARNs stand for target types that are not supported yet"
	case instanceID.MatchString(id):
		return addr, "", want + "; the target type instance is not supported yet"
	case strings.ContainsAny(id, ":[]"):
		return addr, "", want + "; write the port as a field of its own, as in id: 192.0.2.1, port: 80"
	}
	name = strings.ToLower(id)
	if problem := dnsName(strings.TrimSuffix(name, ".")); problem != "" {
		return addr, "", want + "; " + problem
	}
	return addr, name, ""
}

// dnsName says what is wrong with a name in lower case, without a dot at its
// end. Underscores are allowed: container runtimes use them.
func dnsName(s string) string {
	if s == "" || len(s) > 253 {
		return "a name has 1 to 253 characters"
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return "each part of a name between dots has 1 to 63 characters"
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return "no part of a name starts or ends with a hyphen"
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && c != '_' && (c < '0' || '9' < c) && (c < 'a' || 'z' < c) {
				return fmt.Sprintf("it holds %q, which no name does", rune(c))
			}
		}
	}
	// RFC 3696 section 2: a top-level domain is not all numeric, so this is a
	// mistyped address.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "this is neither: an IPv4 address has four numbers from 0 to 255"
	}
	return ""
}
