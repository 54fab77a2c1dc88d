package rule

import (
	"strings"

	"github.com/elbow-lb/elbow/config"
)

// MaxLocation is the longest Location a redirect may answer with, in bytes.
// Beyond it ELB answers 507 and counts HTTP_Redirect_Url_Limit_Exceeded_Count.
const MaxLocation = 8192

// Redirect is a compiled redirect action. It never changes.
type Redirect struct {
	StatusCode int // 301 or 302

	protocol, host, port, path, query []part
}

// RedirectInput is what the placeholders of a redirect stand for: the request's
// own values. AppendLocation keeps none of the slices.
type RedirectInput struct {
	Protocol []byte // "http" or "https", in any case
	Host     []byte // without the port; where the request names none, the address it came to
	Port     []byte // of the listener, in decimal
	Path     []byte // with its leading slash
	Query    []byte // without the '?'
}

// part is a piece of a template: a placeholder, or literal text when name is
// noName.
type part struct {
	name placeholder
	text string
}

type placeholder uint8

const (
	noName placeholder = iota
	protocolName
	hostName
	portName
	pathName
	queryName
)

var placeholders = [...]string{
	protocolName: "#{protocol}",
	hostName:     "#{host}",
	portName:     "#{port}",
	pathName:     "#{path}",
	queryName:    "#{query}",
}

// CompileRedirect compiles a redirect action. All five placeholders are known
// in each of its fields; which of them may stand where is for config to judge.
// An empty field means ELB's default for it, an empty Query none.
func CompileRedirect(a *config.RedirectAction) *Redirect {
	field := func(s, otherwise string) []part {
		if s == "" {
			s = otherwise
		}
		return compileTemplate(s)
	}
	return &Redirect{
		StatusCode: a.StatusCode,
		protocol:   field(lowerString(a.Protocol), "#{protocol}"),
		host:       field(a.Host, "#{host}"),
		port:       field(a.Port, "#{port}"),
		path:       field(a.Path, "/#{path}"),
		query:      compileTemplate(a.Query),
	}
}

func compileTemplate(s string) []part {
	var parts []part
	literal := 0 // where the text not yet in parts begins
next:
	for i := 0; i < len(s); {
		for name := protocolName; int(name) < len(placeholders); name++ {
			if strings.HasPrefix(s[i:], placeholders[name]) {
				if literal < i {
					parts = append(parts, part{text: s[literal:i]})
				}
				parts = append(parts, part{name: name})
				i += len(placeholders[name])
				literal = i
				continue next
			}
		}
		i++
	}
	if literal < len(s) {
		parts = append(parts, part{text: s[literal:]})
	}
	return parts
}

// AppendLocation appends the value of the Location header: always an absolute
// URI with the port spelt out, even when it is the protocol's default, as ELB
// writes it. The '?' is left out when the query is empty.
//
// Bytes that have no place in that part of a URI (RFC 3986) are
// percent-encoded; what is percent-encoded already is left as it is. So there
// is never a CR, an LF or a space in the result, and what comes from the Host
// header cannot end the authority.
//
// Once more than MaxLocation bytes were appended the rest may be missing: the
// caller must answer 507 and not use them.
func (r *Redirect) AppendLocation(dst []byte, in *RedirectInput) []byte {
	limit := len(dst) + MaxLocation
	dst = appendParts(dst, limit, r.protocol, in, inHost)
	dst = append(dst, "://"...)
	dst = appendParts(dst, limit, r.host, in, inHost)
	dst = append(dst, ':')
	port := len(dst)
	dst = appendParts(dst, limit, r.port, in, inPort)
	if len(dst) == port {
		dst = dst[:port-1]
	}
	path := len(dst)
	dst = appendParts(dst, limit, r.path, in, inPath)
	if len(dst) == path || dst[path] != '/' {
		// Only an action that no validation has seen gets here: without the
		// slash the path would go on with the port or the host.
		dst = append(dst, 0)
		copy(dst[path+1:], dst[path:])
		dst[path] = '/'
	}
	dst = append(dst, '?')
	query := len(dst)
	dst = appendParts(dst, limit, r.query, in, inQuery)
	if len(dst) == query {
		dst = dst[:query-1]
	}
	return dst
}

// appendParts expands a template, keeping the bytes allowed in a component. It
// stops soon after dst has grown beyond limit, so that a template with many
// placeholders cannot multiply a long request.
func appendParts(dst []byte, limit int, parts []part, in *RedirectInput, component uint8) []byte {
	for i := range parts {
		if len(dst) > limit {
			return dst
		}
		switch p := &parts[i]; p.name {
		case noName:
			dst = appendEncoded(dst, limit, p.text, component)
		case protocolName:
			start := len(dst)
			dst = appendEncoded(dst, limit, in.Protocol, component)
			for j, c := range dst[start:] {
				dst[start+j] = lower[c]
			}
		case hostName:
			dst = appendEncoded(dst, limit, in.Host, component)
		case portName:
			dst = appendEncoded(dst, limit, in.Port, component)
		case pathName:
			path := in.Path
			if len(path) > 0 && path[0] == '/' {
				path = path[1:]
			}
			dst = appendEncoded(dst, limit, path, component)
		case queryName:
			dst = appendEncoded(dst, limit, in.Query, component)
		}
	}
	return dst
}

func appendEncoded[T string | []byte](dst []byte, limit int, s T, component uint8) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s) && len(dst) <= limit; i++ {
		if c := s[i]; uriBytes[c]&component != 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// The components of a URI, as bits of uriBytes.
const (
	inHost uint8 = 1 << iota
	inPort
	inPath
	inQuery
)

// uriBytes says in which components a byte may stand for itself. Brackets are
// for address literals in a host; in paths and queries they are outside the
// grammar but so common unencoded that they are let through.
var uriBytes = func() (t [256]uint8) {
	set := func(bytes string, components uint8) {
		for _, c := range []byte(bytes) {
			t[c] |= components
		}
	}
	set("0123456789", inHost|inPort|inPath|inQuery)
	set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~", inHost|inPath|inQuery)
	set("!$&'()*+,;=:%[]", inHost|inPath|inQuery)
	set("@/", inPath|inQuery)
	set("?", inQuery)
	return t
}()
