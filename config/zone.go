package config

import (
	"net/netip"
	"strings"
)

var nodeObject = &object{
	name: "node",
	doc:  "The machine this process runs on. Only for machines that differ from each other, so usually in a file of its own that the shared one includes, or with zone: ${ZONE}.",
	fields: []field{
		{name: "zone", kind: textValue, doc: "The zone the machine is in, by name."},
	},
}

var zoneObject = &object{
	name: "zone",
	doc:  "An availability zone. Without addresses it is only a label for targets.",
	fields: []field{
		{name: "name", kind: textValue, required: true, max: maxZoneName, doc: "What the zone is called. Letters, digits, dots, hyphens and underscores."},
		{name: "addresses", kind: listValue, item: &field{kind: textValue, format: "an IP address"},
			doc: "The static addresses that clients reach the zone by: a connection to one arrives in that zone."},
	},
}

// maxZoneName bounds a zone's name, which every target's metrics carry.
const maxZoneName = 64

// allZones is what ELB calls the zone of a target that belongs to none.
const allZones = "all"

func zoneName(s string) string {
	bad := strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-._", r) && (r < '0' || '9' < r) && (r|0x20 < 'a' || 'z' < r|0x20)
	})
	if bad >= 0 {
		return "must be made of letters, digits, dots, hyphens and underscores"
	}
	if s == allZones {
		return "must be another word, as all means every zone"
	}
	return ""
}

func (b *builder) zoneList(f fields) {
	items, _ := f.list("zones")
	if len(items) > MaxZones {
		b.errorf(items[MaxZones], itemPath("zones", MaxZones, items[MaxZones], "name"), "there may be at most %d zones, got %d", MaxZones, len(items))
		items = items[:MaxZones]
	}
	names := map[string]*node{}
	addresses := map[netip.Addr]*node{}
	for i, n := range items {
		z, ok := readFields(&b.reporter, n, itemPath("zones", i, n, "name"), zoneObject, nil)
		if !ok {
			continue
		}
		zone := Zone{}
		if zone.Name, ok = b.name(z, zoneName); ok {
			if first := names[zone.Name]; first != nil {
				b.duplicate(z, "name", first)
			} else {
				names[zone.Name] = z.set["name"]
				b.zones[zone.Name] = len(b.model.Zones)
			}
		}
		list, _ := z.list("addresses")
		for j, a := range list {
			path := itemPath(z.at("addresses"), j, a, "")
			addr, ok := b.address(a, path)
			if !ok {
				continue
			}
			if addr.IsUnspecified() {
				b.errorf(a, path, "must be one address; %s stands for all", a.shown())
				continue
			}
			if first := addresses[addr]; first != nil {
				b.errorf(a, path, "%s is already used at %s; an address belongs to one zone", a.shown(), first.position())
				continue
			}
			addresses[addr] = a
			zone.Addresses = append(zone.Addresses, addr)
		}
		b.model.Zones = append(b.model.Zones, zone)
	}
}

// address reads an IP address that one can listen on.
func (b *builder) address(n *node, path string) (netip.Addr, bool) {
	if !checkScalar(&b.reporter, n, path, "an IP address") {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(n.text)
	if err != nil {
		hint := "such as 192.0.2.10 or 2001:db8::10"
		if _, err := netip.ParseAddrPort(n.text); err == nil {
			hint = "without a port"
		}
		b.errorf(n, path, "must be an IP address, %s, got %s", hint, n.shown())
		return netip.Addr{}, false
	}
	addr = addr.Unmap()
	if addr.Zone() != "" {
		b.errorf(n, path, "%s, got %s", namesInterface, n.shown())
		return netip.Addr{}, false
	}
	if addr.IsMulticast() || addr == broadcast {
		b.errorf(n, path, "must be an address of one machine, %s is not", n.shown())
		return netip.Addr{}, false
	}
	return addr, true
}

// namesInterface is what is wrong with an address such as fe80::1%eth0.
const namesInterface = "must be an address without the name of an interface (%), which is not supported yet"

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (b *builder) node(f fields) {
	n, ok := f.child("node")
	if !ok || !n.has("zone") {
		return
	}
	if _, ok := n.text("zone"); ok {
		b.model.Node.Zone = b.zone(n.set["zone"], n.at("zone"))
	}
}

// zone resolves the name of a zone.
func (b *builder) zone(n *node, path string) int {
	if i, ok := b.zones[n.text]; ok {
		return i
	}
	b.dangling(n, path, "zone", b.zoneNames)
	return NoZone
}
