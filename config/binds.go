package config

import (
	"fmt"
	"net/netip"
)

// listenerAt is a listener with its place, whose port and address are good.
type listenerAt struct {
	*Listener
	node *node
	path string
}

// bind is who listens on an address and port, for messages.
type bind struct {
	what string
	node *node
}

// Binds returns the addresses that a listener listens on: its own or, without
// one, those of its load balancer's zones or, where no zone has any, the
// unspecified address "::", which stands for all addresses of both families.
func (m *Model) Binds(l *Listener) []netip.Addr {
	if l.Address.IsValid() {
		return []netip.Addr{l.Address}
	}
	var addrs []netip.Addr
	if zones := l.LoadBalancer.Zones; len(zones) > 0 {
		for _, i := range zones {
			addrs = append(addrs, m.Zones[i].Addresses...)
		}
	} else {
		for _, z := range m.Zones {
			addrs = append(addrs, z.Addresses...)
		}
	}
	if len(addrs) == 0 {
		addrs = []netip.Addr{netip.IPv6Unspecified()}
	}
	return addrs
}

// portBinds are the addresses of one port that are listened on, by what an
// address can get in the way of. The unspecified IPv6 address takes IPv4
// connections as well.
type portBinds struct {
	addrs      map[netip.Addr]*bind
	first      *bind // of all
	first4     *bind // of IPv4
	all6, all4 *bind // of the unspecified addresses
}

// clash returns what already listens where addr would, or nil.
func (p *portBinds) clash(addr netip.Addr) *bind {
	switch {
	case p.all6 != nil:
		return p.all6
	case addr.IsUnspecified() && addr.Is6():
		return p.first
	case addr.IsUnspecified():
		return p.first4
	case addr.Is4() && p.all4 != nil:
		return p.all4
	}
	return p.addrs[addr]
}

func (p *portBinds) add(addr netip.Addr, b *bind) {
	p.addrs[addr] = b
	if p.first == nil {
		p.first = b
	}
	if addr.Is4() && p.first4 == nil {
		p.first4 = b
	}
	switch {
	case addr.IsUnspecified() && addr.Is4():
		p.all4 = b
	case addr.IsUnspecified():
		p.all6 = b
	}
}

// checkBinds reports listeners that would listen on the same address and port.
func (b *builder) checkBinds() {
	ports := map[uint16]*portBinds{}
	at := func(port uint16) *portBinds {
		if ports[port] == nil {
			ports[port] = &portBinds{addrs: map[netip.Addr]*bind{}}
		}
		return ports[port]
	}
	if listen := b.model.Admin.Listen; listen.IsValid() {
		at(listen.Port()).add(listen.Addr(), &bind{what: "the admin API", node: b.doc.root.lookup("admin")})
	}
	total := 0
	for _, l := range b.listeners {
		addrs := b.model.Binds(l.Listener)
		if total += len(addrs); total > MaxBinds {
			b.errorf(l.node, l.path, "all listeners together may listen on at most %d addresses and ports; with this one it is more", MaxBinds)
			return
		}
		p := at(l.Port)
		for _, addr := range addrs {
			if other := p.clash(addr); other != nil {
				b.errorf(l.node, l.path, "listens on %s, which %s at %s does, too; give one another port or address",
					bindName(addr, l.Port), other.what, other.node.position())
				break
			}
		}
		mine := &bind{what: "the listener", node: l.node}
		for _, addr := range addrs {
			p.add(addr, mine)
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
