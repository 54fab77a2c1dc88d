package application

import (
	"bytes"
	"net/netip"
	"unsafe"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// origin is where a request comes from: the peer of its connection, unless that
// is a proxy of elbow.trusted_proxies and says more.
type origin struct {
	client  netip.AddrPort // for rules and the log; port 0 where a proxy did not tell
	proto   []byte         // "http" or "https", for targets and redirects
	port    uint16         // likewise
	trusted bool           // the peer is a trusted proxy
}

// maxHops bounds the addresses of X-Forwarded-For that are looked at. It is
// what ELB lets a request have.
const maxHops = maxForwarded

// locate finds out where the request comes from. What a peer that is not trusted
// says about it counts for nothing; nor does what stands in a head that is not
// parsed.
func (x *exchange) locate(parsed bool) {
	x.from = origin{
		client: x.conn.Remote(),
		proto:  protocolHTTP,
		port:   x.bind.Listener.Config.Port,
	}
	if parsed && x.attr.TrustedProxies != nil && x.attr.TrustedProxies.Contains(x.from.client.Addr()) {
		x.from.trusted = true
		if !x.believe() {
			x.counters.ForwardedIgnored.Inc()
		}
	}
}

// believe takes over what a trusted proxy says; false if part of it could not be
// read and so was not.
func (x *exchange) believe() bool {
	client, ok1 := x.forwardedClient()
	proto, port, ok2 := x.forwardedPort()
	if ok1 {
		x.from.client = client
	}
	if ok2 {
		x.from.proto, x.from.port = proto, port
	}
	return ok1 && ok2
}

// forwardedClient is the last address in X-Forwarded-For that is no trusted
// proxy's, the first where all are, and the peer's without the field: each proxy
// appends the address that it was asked by, so all that is further left was said
// by whom nobody trusts. ok is false when that part cannot be read.
func (x *exchange) forwardedClient() (client netip.AddrPort, ok bool) {
	client = x.from.client
	if !x.req.Has(httpmsg.FieldXForwardedFor) {
		return client, true
	}
	hops := 0
	for i := len(x.req.Fields) - 1; i >= 0; i-- {
		f := &x.req.Fields[i]
		if f.ID != httpmsg.FieldXForwardedFor {
			continue
		}
		for list := x.req.Bytes(f.Value); list != nil; {
			hop := list
			if j := bytes.LastIndexByte(list, ','); j >= 0 {
				hop, list = list[j+1:], list[:j]
			} else {
				list = nil
			}
			if hop = trimSpace(hop); len(hop) == 0 {
				continue // RFC 9110 section 5.6.1: an empty element is none
			}
			if hops++; hops > maxHops {
				return client, false
			}
			if client, ok = parseHop(hop); !ok {
				return client, false
			}
			if !x.attr.TrustedProxies.Contains(client.Addr()) {
				return client, true
			}
		}
	}
	return client, true
}

// parseHop reads an address as proxies write it: IPv4 or IPv6, the latter perhaps
// in brackets, and after either but a bare IPv6 address a port.
func parseHop(b []byte) (a netip.AddrPort, ok bool) {
	const longest = len("[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535")
	if len(b) > longest {
		return a, false
	}
	colons := 0
	for _, c := range b {
		if _, hex := hexDigit(c); !hex && c != '.' && c != ':' && c != '[' && c != ']' {
			return a, false // a zone, too: it means nothing here
		}
		if c == ':' {
			colons++
		}
	}
	host, port := b, uint16(0)
	switch {
	case b[0] == '[':
		i := bytes.IndexByte(b, ']')
		if i < 0 || bytes.IndexByte(b[:i], ':') < 0 {
			return a, false
		}
		if rest := b[i+1:]; len(rest) > 0 {
			if rest[0] != ':' {
				return a, false
			}
			if port, ok = parsePort(rest[1:]); !ok {
				return a, false
			}
		}
		host = b[1:i]
	case colons == 1:
		i := bytes.IndexByte(b, ':')
		if port, ok = parsePort(b[i+1:]); !ok {
			return a, false
		}
		host = b[:i]
	}
	if len(host) == 0 {
		return a, false
	}
	// ParseAddr keeps nothing of the text but a zone, of which there is none.
	addr, err := netip.ParseAddr(unsafe.String(&host[0], len(host)))
	if err != nil {
		return a, false
	}
	return netip.AddrPortFrom(addr.Unmap(), port), true
}

// parsePort reads 1 to 65535 without leading zeros.
func parsePort(b []byte) (uint16, bool) {
	if len(b) == 0 || len(b) > 5 || b[0] == '0' {
		return 0, false
	}
	n := uint(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint(c-'0')
	}
	return uint16(n), n <= 65535
}

// forwardedPort is what X-Forwarded-Proto and X-Forwarded-Port say. With the
// former alone the port is the protocol's.
func (x *exchange) forwardedPort() (proto []byte, port uint16, ok bool) {
	proto, port = x.from.proto, x.from.port
	if v, found, alone := x.only(httpmsg.FieldXForwardedProto); found {
		switch {
		case !alone:
			return nil, 0, false
		case httpmsg.EqualFold(v, "https"):
			proto, port = protocolHTTPS, 443
		case httpmsg.EqualFold(v, "http"):
			proto, port = protocolHTTP, 80
		default:
			return nil, 0, false
		}
	}
	if v, found, alone := x.only(httpmsg.FieldXForwardedPort); found {
		if port, ok = parsePort(v); !ok || !alone {
			return nil, 0, false
		}
	}
	return proto, port, true
}

var protocolHTTPS = []byte("https")

// only returns the value of a field, and whether it stands there only once.
func (x *exchange) only(id httpmsg.FieldID) (v []byte, found, alone bool) {
	v, i := x.req.Next(id, 0)
	if i < 0 {
		return nil, false, false
	}
	_, j := x.req.Next(id, i)
	return v, true, j < 0
}

// spoofed tells whether a field of that name, which is none that has an id, would
// speak to targets in the load balancer's voice: what ELB says of a client's
// certificate, TLS and identity (HTTP headers and Application Load Balancers;
// Mutual authentication; Authenticate users), and names that become those of
// X-Forwarded-For, -Proto, -Port or the trace id where '_' and '-' are the same,
// as in CGI (RFC 3875 section 4.1.18).
func spoofed(name []byte) bool {
	if len(name) < len("x-amzn-tls-") || name[0]|0x20 != 'x' || name[1] != '-' && name[1] != '_' ||
		name[2]|0x20 != 'a' && name[2]|0x20 != 'f' {
		return false
	}
	var lower [24]byte
	n := copy(lower[:], name)
	for i, c := range lower[:n] {
		switch {
		case c == '_':
			lower[i] = '-'
		case 'A' <= c && c <= 'Z':
			lower[i] = c | 0x20
		}
	}
	if n == len(name) {
		switch string(lower[:n]) {
		case "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id":
			return true
		}
	}
	return bytes.HasPrefix(lower[:], mtlsPrefix) || bytes.HasPrefix(lower[:], tlsPrefix) || bytes.HasPrefix(lower[:], oidcPrefix)
}

var (
	mtlsPrefix = []byte("x-amzn-mtls-")
	tlsPrefix  = []byte("x-amzn-tls-")
	oidcPrefix = []byte("x-amzn-oidc-")
)

// ruleFields are the fields of a request that rules see: without those that only
// the load balancer may set.
type ruleFields exchange

// NextNamed implements rule.HeaderSource.
func (f *ruleFields) NextNamed(name string, from int) ([]byte, int) {
	if !f.from.trusted && len(name) > 0 && spoofed(bytesOf(name)) {
		return nil, -1
	}
	return f.req.NextNamed(name, from)
}
