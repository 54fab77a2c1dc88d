package http1

// IsHost reports whether v can be the value of a Host field: uri-host [ ":" port ]
// as a request's must be.
func IsHost(v []byte) bool {
	ok, _ := hostPort(v)
	return ok
}

// hostPort reports whether v is uri-host [ ":" port ] (RFC 9110 section 7.2) and
// whether a port follows the host. It is narrower than RFC 3986:
//
//   - the host is not empty: http and https need one;
//   - no userinfo;
//   - no ',' in a name, though a reg-name may have it: it is what a hop that
//     merges two Host fields produces;
//   - "%" only as part of a percent-encoded octet, no zone in an IPv6 address, no
//     IPvFuture;
//   - a port of at most five digits, at most 65535. An empty one is allowed.
func hostPort(v []byte) (ok, port bool) {
	i := 0
	if len(v) > 0 && v[0] == '[' {
		for i < len(v) && v[i] != ']' {
			i++
		}
		if i == len(v) || !isIPv6(v[1:i]) {
			return false, false
		}
		i++
	} else {
		for i < len(v) {
			if class[v[i]]&hostByte != 0 {
				i++
				continue
			}
			if v[i] == ':' {
				break
			}
			if v[i] != '%' || i+2 >= len(v) || class[v[i+1]]&class[v[i+2]]&hexByte == 0 {
				return false, false
			}
			i += 3
		}
		if i == 0 {
			return false, false
		}
	}
	if i == len(v) {
		return true, false
	}
	if v[i] != ':' || len(v)-i > len(":65535") {
		return false, false
	}
	n := uint(0)
	for _, c := range v[i+1:] {
		d := uint(c) - '0'
		if d > 9 {
			return false, false
		}
		n = n*10 + d
	}
	return n <= 65535, n <= 65535 && len(v)-i > 1
}

// isIPv6 reports whether v is IPv6address of RFC 3986 section 3.2.2. netip would
// want a string and allocate.
func isIPv6(v []byte) bool {
	groups, skip := 0, false // 16-bit groups so far; "::" seen
	i := 0
	if len(v) >= 2 && v[0] == ':' && v[1] == ':' {
		skip = true
		i = 2
	}
	for i < len(v) {
		start := i
		for i < len(v) && class[v[i]]&hexByte != 0 {
			i++
		}
		if i < len(v) && v[i] == '.' { // the last 32 bits as IPv4
			if !isIPv4(v[start:]) {
				return false
			}
			groups += 2
			break
		}
		if i == start || i-start > 4 {
			return false
		}
		groups++
		if i == len(v) {
			break
		}
		if v[i] != ':' {
			return false
		}
		i++
		if i == len(v) {
			return false // a single ':' at the end
		}
		if v[i] == ':' {
			if skip {
				return false
			}
			skip = true
			i++
		}
	}
	return groups == 8 && !skip || groups < 8 && skip
}

// isIPv4 reports whether v is a dotted quad without leading zeros.
func isIPv4(v []byte) bool {
	for part := 0; part < 4; part++ {
		n, i := 0, 0
		for i < len(v) && i < 3 && class[v[i]]&digitByte != 0 {
			n = n*10 + int(v[i]-'0')
			i++
		}
		if i == 0 || n > 255 || i > 1 && v[0] == '0' {
			return false
		}
		v = v[i:]
		if part < 3 {
			if len(v) == 0 || v[0] != '.' {
				return false
			}
			v = v[1:]
		}
	}
	return len(v) == 0
}
