package resolve

import (
	"net/netip"
	"slices"
	"time"
)

// The two record types that are asked for, as indexes.
const (
	v4 = iota
	v6
)

// outcome says what became of the question for one record type.
type outcome uint8

const (
	// failed: there was no usable answer; nothing is known.
	failed outcome = iota
	// none: the name has no such record.
	none
	// absent: the name does not exist, so it has no record of any type (RFC 8020).
	absent
	// found: there are addresses.
	found
)

// answer is the answer to one question.
type answer struct {
	outcome outcome
	addrs   []netip.Addr // when found
	ttl     time.Duration
}

// families holds the answers for both record types.
type families [2]answer

// found tells whether any question was answered with addresses.
func (f *families) found() bool { return f[v4].outcome == found || f[v6].outcome == found }

// update takes in what a later resolution gave. A record type that failed
// keeps its addresses. One that has none loses them only if the other has
// some: a name does not lose its last address.
func (f *families) update(next families) {
	if !next.found() {
		return
	}
	for i, a := range next {
		if a.outcome != failed {
			f[i] = a
		}
	}
}

// addrs is the sorted union, nil when there is none.
func (f *families) addrs() []netip.Addr {
	all := slices.Concat(f[v4].addrs, f[v6].addrs)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Clip(slices.Compact(all))
}

// ttl is how long all of it is good, within minTTL and maxTTL.
func (f *families) ttl() time.Duration {
	ttl := maxTTL
	for _, a := range f {
		if a.outcome == found {
			ttl = min(ttl, a.ttl)
		}
	}
	return max(ttl, minTTL)
}

// fixed makes an answer of addresses that did not come from DNS.
func fixed(addrs ...netip.Addr) families {
	var f families
	for _, a := range addrs {
		i := v6
		if a = a.Unmap(); a.Is4() {
			i = v4
		}
		f[i] = answer{found, append(f[i].addrs, a), localTTL}
	}
	for i := range f {
		if f[i].outcome == failed {
			f[i].outcome = none
		}
	}
	return f
}
