package application

import (
	"bytes"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// transformed is what the transforms of the rule made of the request (ALB guide,
// "Transforms for listener rules"). They come after the rule was found and do not
// change which it is. The zero value is a request as the client sent it.
type transformed struct {
	host   []byte // host[:port]; nil: the client's
	uri    []byte // origin-form; nil: the client's
	status string // ELB's word for how it went; "" when nothing was rewritten

	buf []byte // of host and uri
}

// keptTransform is how much room is kept from request to request. What is longer is
// rare, and each of thousands of workers would keep it.
const keptTransform = 4 << 10

// reset forgets the request before.
func (t *transformed) reset() {
	if t.status == "" {
		return
	}
	if cap(t.buf) > keptTransform {
		t.buf = nil
	}
	t.host, t.uri, t.status = nil, nil, ""
}

// ELB's words for how a transform ended. Those for expressions that do not compile
// do not occur: such a configuration is refused.
const (
	transformSuccess        = "TransformSuccess"
	transformBufferTooSmall = "TransformBufferTooSmall"
	transformInvalidHost    = "TransformInvalidHost"
	transformInvalidPath    = "TransformInvalidPath"
)

// transform applies t. Nothing is rewritten where nothing matches.
func (x *exchange) transform(t *rule.Transform) Outcome {
	r := &x.rewritten
	r.buf = r.buf[:0]
	if t.Host != nil {
		if status := x.transformHost(t.Host); status != "" {
			return x.transformFailed(status)
		}
	}
	if t.URL != nil {
		if status := x.transformURL(t.URL); status != "" {
			return x.transformFailed(status)
		}
	}
	if r.host != nil || r.uri != nil {
		r.status = transformSuccess
	}
	return OutcomeOK
}

// transformFailed is the end of a request that cannot be sent as its rule wants it.
func (x *exchange) transformFailed(status string) Outcome {
	x.rewritten.host, x.rewritten.uri, x.rewritten.status = nil, nil, status
	return OutcomeTransformFailed
}

// transformHost rewrites the host; the client's port stays, unless the rewrite says
// another one.
func (x *exchange) transformHost(w *rule.Rewrite) (status string) {
	r := &x.rewritten
	host := x.req.Bytes(x.req.Host)
	port := host[len(hostOnly(host)):]
	out, matched := w.Append(r.buf, ruleHost(host), rule.MaxHost)
	switch {
	case !matched:
		return ""
	case len(out) > rule.MaxHost:
		r.buf = out
		return transformBufferTooSmall
	case len(hostOnly(out)) == len(out):
		out = append(out, port...)
	}
	r.buf = out
	if !http1.IsHost(out) {
		return transformInvalidHost
	}
	r.host = out[:len(out):len(out)]
	return ""
}

// transformURL rewrites path and query. What comes of it must be something that a
// client could have sent.
func (x *exchange) transformURL(w *rule.Rewrite) (status string) {
	r := &x.rewritten
	limit := x.server().limits.RequestLine
	start := len(r.buf)
	old := x.requestURI()
	if old[0] != '/' {
		return "" // "*" is of the whole server
	}
	out, matched := w.Append(r.buf, old, limit)
	if !matched {
		return ""
	}
	r.buf = out
	uri := out[start:len(out):len(out)]
	if len(uri) > limit {
		return transformBufferTooSmall
	}
	path := uri
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		path = uri[:i]
	}
	if !http1.IsOriginForm(uri) || badPath(path) {
		return transformInvalidPath
	}
	r.uri = uri
	return ""
}

// requestURI is path and query of the request as received.
func (x *exchange) requestURI() []byte {
	h := &x.req
	if h.Form != httpmsg.AbsoluteForm {
		return h.Bytes(h.Target)
	}
	return originForm(h, x.pathArr[:0])
}

// host is the host[:port] that goes to a target, before a port is added or taken
// away.
func (x *exchange) host() []byte {
	if x.rewritten.host != nil {
		return x.rewritten.host
	}
	return x.req.Bytes(x.req.Host)
}
