package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// listenerAt is a listener with its place, whose port and address are good.
type listenerAt struct {
	*Listener
	node *node
	path string
}

// bind is one address and port that is listened on.
type bind struct {
	addr netip.Addr // unspecified: all addresses
	what string     // who listens, for messages
	node *node
	path string
}

// Binds returns the addresses that a listener listens on: its own or, without
// one, those of its load balancer's zones or, where no zone has any, the
// unspecified address "::", which stands for all addresses of both families.
func (m *Model) Binds(l *Listener) []netip.Addr {
	if l.Address.IsValid() {
		return []netip.Addr{l.Address}
	}
	var addrs []netip.Addr
	for i, z := range m.Zones {
		if len(l.LoadBalancer.Zones) == 0 || slices.Contains(l.LoadBalancer.Zones, i) {
			addrs = append(addrs, z.Addresses...)
		}
	}
	if len(addrs) == 0 {
		addrs = []netip.Addr{netip.IPv6Unspecified()}
	}
	return addrs
}

// overlaps tells whether two binds of the same port get in each other's way.
// The unspecified IPv6 address takes IPv4 connections as well.
func overlaps(a, b netip.Addr) bool {
	if a == b {
		return true
	}
	for _, pair := range [2][2]netip.Addr{{a, b}, {b, a}} {
		all, other := pair[0], pair[1]
		if all.IsUnspecified() && (all.Is6() || other.Is4()) {
			return true
		}
	}
	return false
}

// checkBinds reports listeners that would listen on the same address and port.
func (b *builder) checkBinds() {
	taken := map[uint16][]bind{}
	if listen := b.model.Admin.Listen; listen.IsValid() {
		n := b.doc.root.lookup("admin")
		taken[listen.Port()] = []bind{{addr: listen.Addr(), what: "the admin API", node: n, path: "admin.listen"}}
	}
	for _, l := range b.listeners {
		mine := b.model.Binds(l.Listener)
		clash := false
		for _, addr := range mine {
			for _, other := range taken[l.Port] {
				if !clash && overlaps(addr, other.addr) {
					clash = true
					b.errorf(l.node, l.path, "listens on %s, which %s at %s does, too; give one another port or address",
						bindName(addr, l.Port), other.what, other.node.position())
				}
			}
		}
		for _, addr := range mine {
			taken[l.Port] = append(taken[l.Port], bind{addr: addr, what: "the listener", node: l.node, path: l.path})
		}
	}
}

func bindName(addr netip.Addr, port uint16) string {
	if addr.IsUnspecified() {
		if addr.Is4() {
			return fmt.Sprintf("port %d of all IPv4 addresses", port)
		}
		return fmt.Sprintf("port %d of all addresses", port)
	}
	return netip.AddrPortFrom(addr, port).String()
}
