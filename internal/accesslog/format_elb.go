package accesslog

import (
	"net/netip"
	"strconv"
)

// appendELB appends r as a line of ELB's format, newline included.
func appendELB(dst []byte, r *Record, s *stamper) []byte {
	dst = append(dst, r.Type.String()...)
	dst = append(dst, ' ')
	dst = s.appendTime(dst, r.Time)
	dst = appendBare(dst, r.ELB)
	dst = append(dst, ' ')
	dst = appendAddrPort(dst, r.Client)
	dst = append(dst, ' ')
	dst = appendAddrPort(dst, r.Target)
	dst = append(dst, ' ')
	dst = appendSeconds(dst, r.RequestTime)
	dst = append(dst, ' ')
	dst = appendSeconds(dst, r.TargetTime)
	dst = append(dst, ' ')
	dst = appendSeconds(dst, r.ResponseTime)
	dst = append(dst, ' ')
	dst = appendStatus(dst, r.ELBStatus)
	dst = append(dst, ' ')
	dst = appendStatus(dst, r.TargetStatus)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, r.ReceivedBytes, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, r.SentBytes, 10)
	dst = append(dst, ' ', '"')
	dst = appendRequestLine(dst, r)
	dst = append(dst, '"')
	dst = appendQuoted(dst, r.UserAgent, maxUserAgent)
	dst = appendBare(dst, r.SSLCipher)
	dst = appendBare(dst, r.SSLProtocol)
	dst = appendBare(dst, r.TargetGroup)
	dst = appendQuoted(dst, r.TraceID, maxTraceID)
	dst = appendQuoted(dst, view(r.DomainName), maxWord)
	dst = appendQuoted(dst, view(r.ChosenCert), maxWord)
	dst = append(dst, ' ')
	if r.RulePriority < RuleError {
		dst = append(dst, '-')
	} else {
		dst = strconv.AppendInt(dst, int64(r.RulePriority), 10)
	}
	dst = append(dst, ' ')
	dst = s.appendTime(dst, r.CreationTime)
	dst = appendQuoted(dst, view(r.Actions), maxWord)
	dst = appendQuoted(dst, r.RedirectURL, maxRedirect)
	dst = appendQuoted(dst, view(r.ErrorReason), maxWord)
	dst = append(dst, ' ', '"')
	dst = appendAddrPort(dst, r.Target)
	dst = append(dst, '"', ' ', '"')
	dst = appendStatus(dst, r.TargetStatus)
	dst = append(dst, '"')
	dst = appendQuoted(dst, view(r.Classification), maxWord)
	dst = appendQuoted(dst, view(r.ClassificationReason), maxWord)
	dst = appendPart(append(dst, ' '), r.ConnTraceID, maxWord)
	dst = appendQuoted(dst, r.TransformedHost, maxHost)
	dst = appendQuoted(dst, r.TransformedURI, maxURI)
	dst = appendQuoted(dst, view(r.TransformStatus), maxWord)
	dst = append(dst, ' ')
	dst = appendAddr(dst, r.Node)
	return append(dst, '\n')
}

// appendRequestLine appends the request line in the form that ELB gives it:
// METHOD scheme://host:port/uri PROTOCOL. Spaces inside a part are escaped, so
// that it always has three parts. A request of which nothing could be parsed is
// "- http://host:port- -", as ELB logs it.
func appendRequestLine(dst []byte, r *Record) []byte {
	dst = appendPart(dst, r.Method, maxMethod)
	dst = append(dst, ' ')
	dst = append(dst, r.Type.scheme()...)
	dst = append(dst, "://"...)
	dst = appendPart(dst, r.Host, maxHost)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(r.Port), 10)
	dst = appendPart(dst, r.URI, maxURI)
	dst = append(dst, ' ')
	return appendPart(dst, view(r.Protocol), maxWord)
}

// appendPart appends s without quotes and without spaces, or "-".
func appendPart(dst, s []byte, limit int) []byte {
	if len(s) == 0 {
		return append(dst, '-')
	}
	return appendEscaped(dst, s, '!', limit)
}

// appendBare appends a space and s as a field without quotes.
func appendBare(dst []byte, s string) []byte {
	return appendPart(append(dst, ' '), view(s), maxWord)
}

// appendQuoted appends a space and s as a field in quotes.
func appendQuoted(dst, s []byte, limit int) []byte {
	if len(s) == 0 {
		return append(dst, ` "-"`...)
	}
	dst = append(dst, ' ', '"')
	dst = appendEscaped(dst, s, ' ', limit)
	return append(dst, '"')
}

// appendAddrPort appends address:port, with brackets around an IPv6 address. A
// mapped IPv4 address is written as IPv4; the interface of a link-local address
// is left out.
func appendAddrPort(dst []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(dst, '-')
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).AppendTo(dst)
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(dst, '-')
	}
	return a.Unmap().WithZone("").AppendTo(dst)
}

func appendStatus(dst []byte, status int) []byte {
	if status <= 0 {
		return append(dst, '-')
	}
	return strconv.AppendInt(dst, int64(status), 10)
}
