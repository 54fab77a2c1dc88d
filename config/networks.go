package config

import (
	"net/netip"
	"slices"
	"strings"
)

// Networks is a set of networks. A nil set is empty. It never changes.
type Networks struct{ prefixes []netip.Prefix }

// maxNetworks bounds the networks of an attribute: each is compared with every
// address that is looked up.
const maxNetworks = 64

// noNetworks is how an empty set is written.
const noNetworks = "none"

// Contains tells whether a, an IPv4 address being no mapped one, is in the set.
func (n *Networks) Contains(a netip.Addr) bool {
	if n == nil {
		return false
	}
	for _, p := range n.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Prefixes returns the networks of the set.
func (n *Networks) Prefixes() []netip.Prefix {
	if n == nil {
		return nil
	}
	return slices.Clone(n.prefixes)
}

// parseNetworks parses networks in CIDR notation, separated by commas, or
// noNetworks.
func parseNetworks(s string) (n *Networks, ok bool) {
	if s == noNetworks {
		return nil, true
	}
	n = new(Networks)
	for part := range strings.SplitSeq(s, ",") {
		p, problem := parseNetwork(strings.TrimSpace(part))
		if problem != "" || len(n.prefixes) == maxNetworks {
			return nil, false
		}
		n.prefixes = append(n.prefixes, p)
	}
	return n, true
}
