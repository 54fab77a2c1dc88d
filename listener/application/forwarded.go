package application

import (
	"net/netip"
	"strconv"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// maxForwarded is how many addresses X-Forwarded-For may have before ELB
// answers 463.
const maxForwarded = 30

// countForwarded counts the addresses in the request's X-Forwarded-For lines.
func (x *exchange) countForwarded() int {
	if !x.req.Has(httpmsg.FieldXForwardedFor) {
		return 0
	}
	n := 0
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.ID != httpmsg.FieldXForwardedFor || f.Value.Len == 0 {
			continue
		}
		n++
		for _, b := range x.req.Bytes(f.Value) {
			if b == ',' {
				n++
			}
		}
	}
	return n
}

// prepareForwarded marks the client's lines that ours replace. It is done for
// every attempt, and does the same each time.
func (x *exchange) prepareForwarded() {
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		switch f.ID {
		case httpmsg.OtherField:
			f.Drop = f.Drop || !x.from.trusted && spoofed(x.req.Bytes(f.Name))
		case httpmsg.FieldXForwardedProto, httpmsg.FieldXForwardedPort, httpmsg.FieldXAmznTraceID:
			f.Drop = true
		case httpmsg.FieldXForwardedFor:
			f.Drop = x.attr.XFFMode != config.XFFPreserve
		case httpmsg.FieldExpect:
			// Without a body, or from HTTP/1.0, it means nothing and is not to
			// begin to mean something (RFC 9110 section 10.1.1).
			f.Drop = f.Drop || !x.req.ExpectContinue
		case httpmsg.FieldHost:
			f.Drop = f.Drop || x.rewriteHost()
		}
	}
}

// writeForwarded appends the fields that the load balancer adds to a request
// (ELB: HTTP headers and Application Load Balancers).
func (x *exchange) writeForwarded() {
	if x.req.RewriteHost || x.rewriteHost() {
		x.out = append(x.out, "Host: "...)
		x.out = x.appendHost(x.out)
		x.out = append(x.out, crlf...)
	}
	if x.attr.XFFMode == config.XFFAppend {
		x.out = append(x.out, "X-Forwarded-For: "...)
		if x.req.Has(httpmsg.FieldXForwardedFor) {
			for i := range x.req.Fields {
				f := &x.req.Fields[i]
				if f.ID == httpmsg.FieldXForwardedFor && f.Value.Len > 0 {
					x.out = append(x.out, x.req.Bytes(f.Value)...)
					x.out = append(x.out, ", "...)
				}
			}
		}
		x.out = appendClient(x.out, x.conn.Remote(), x.attr.XFFClientPort)
		x.out = append(x.out, crlf...)
	}
	x.out = append(x.out, "X-Forwarded-Proto: "...)
	x.out = append(x.out, x.from.proto...)
	x.out = append(x.out, "\r\nX-Forwarded-Port: "...)
	x.out = strconv.AppendUint(x.out, uint64(x.from.port), 10)
	x.out = append(x.out, "\r\nX-Amzn-Trace-Id: "...)
	if x.trace == nil { // else this is a retry
		x.trace = x.appendTraceID(x.traceArr[:0])
	}
	x.out = append(x.out, x.trace...)
	x.out = append(x.out, crlf...)
}

// appendClient appends the client's address: IPv6 in brackets only with a port.
func appendClient(b []byte, a netip.AddrPort, port bool) []byte {
	if port {
		return a.AppendTo(b)
	}
	return a.Addr().AppendTo(b)
}

// rewriteHost tells whether the Host that a target gets differs from the
// client's (routing.http.preserve_host_header.enabled is off): on a default
// port without one, on another with it.
func (x *exchange) rewriteHost() bool {
	host := x.host()
	switch {
	case len(host) == 0:
		return true // HTTP/1.0 without one: a target must get one with HTTP/1.1
	case x.rewritten.host != nil:
		return true
	case x.attr.PreserveHostHeader:
		return false
	}
	return hasPort(host) == defaultPort(x.bind.Listener.Config.Port)
}

func defaultPort(p uint16) bool { return p == 80 || p == 443 }

func hasPort(host []byte) bool { return len(hostOnly(host)) < len(host) }

func (x *exchange) appendHost(b []byte) []byte {
	host := x.host()
	port := x.bind.Listener.Config.Port
	switch {
	case len(host) == 0:
		b = appendURIHost(b, x.conn.localAddr())
		if defaultPort(port) {
			return b
		}
	case x.attr.PreserveHostHeader || hasPort(host) != defaultPort(port):
		return append(b, host...)
	case defaultPort(port):
		return append(b, hostOnly(host)...)
	default:
		b = append(b, host...)
	}
	b = append(b, ':')
	return strconv.AppendUint(b, uint64(port), 10)
}

// appendURIHost appends an address as a URI has it: IPv6 in brackets.
func appendURIHost(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		return a.AppendTo(b)
	}
	b = append(b, '[')
	b = a.AppendTo(b)
	return append(b, ']')
}

// hostOnly is a host[:port], which the parser has checked, without its port.
func hostOnly(h []byte) []byte {
	for i := len(h) - 1; i >= 0; i-- {
		switch h[i] {
		case ':':
			return h[:i]
		case ']':
			return h
		}
		if h[i] < '0' || h[i] > '9' {
			return h
		}
	}
	return h
}

// maxTraceID is the length of an X-Amzn-Trace-Id beyond which ELB begins a new
// one.
const maxTraceID = 7 << 10

// appendTraceID appends the trace id that the target gets: a new Root, or the
// client's with our Self before it (ELB: Request tracing).
func (x *exchange) appendTraceID(b []byte) []byte {
	old, _ := x.req.Get(httpmsg.FieldXAmznTraceID)
	root := traceField(old, "Root=")
	if root == nil || len(old) > maxTraceID {
		return x.appendTraceField(b, "Root=1-")
	}
	b = x.appendTraceField(b, "Self=1-")
	for len(old) > 0 {
		part := old
		if i := indexByte(old, ';'); i >= 0 {
			part, old = old[:i], old[i+1:]
		} else {
			old = nil
		}
		part = trimSpace(part)
		if len(part) == 0 || hasPrefixFold(part, "self=") {
			continue
		}
		b = append(b, ';')
		b = append(b, part...)
	}
	return b
}

func (x *exchange) appendTraceField(b []byte, name string) []byte {
	b = append(b, name...)
	b = appendHex(b, uint64(x.unixNow())/1e9, 8)
	b = append(b, '-')
	b = appendHex(b, x.rand.Uint64(), 16)
	return appendHex(b, x.rand.Uint64(), 8)
}

// unixNow is the worker's time as Unix time in ns.
func (x *exchange) unixNow() int64 { return x.server().epochAt(x.worker.Now) + x.worker.Now }

func appendHex(b []byte, v uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		b = append(b, "0123456789abcdef"[v>>(4*i)&0xf])
	}
	return b
}

// traceField finds a field of a trace id.
func traceField(id []byte, name string) []byte {
	for len(id) > 0 {
		part := id
		if i := indexByte(id, ';'); i >= 0 {
			part, id = id[:i], id[i+1:]
		} else {
			id = nil
		}
		part = trimSpace(part)
		if len(part) > len(name) && string(part[:len(name)]) == name {
			return part[len(name):]
		}
	}
	return nil
}
