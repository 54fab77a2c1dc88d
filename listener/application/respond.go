package application

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// fail answers with the status of o, if the client can still be told; else its
// connection is cut, so that half a response is not taken for a whole one.
func (x *exchange) fail(o Outcome) {
	x.outcome = o
	switch {
	case o == OutcomeClientClosed, x.headSent:
		x.closing = true
		return
	case o == OutcomeBodyTimeout, o == OutcomeBodyTooSlow, o == OutcomeBodyCut:
		// The rest of the body will not come, so nothing after it can (RFC
		// 9110 section 15.5.9).
		x.closing = true
	}
	x.refuse()
}

// refuse answers with the status of x.outcome.
func (x *exchange) refuse() {
	status := x.outcome.Status()
	x.beginResponse(status)
	x.out = append(x.out, "Content-Type: text/html; charset=utf-8\r\n"...)
	if status == http.StatusMethodNotAllowed {
		x.out = append(x.out, "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"...)
	}
	if x.outcome.passes() {
		x.out = append(x.out, "Retry-After: 1\r\n"...)
	}
	x.endResponse(errorPages[status])
}

// errorPages are the bodies of the statuses that the load balancer makes, in
// ELB's form.
var errorPages = func() map[int][]byte {
	pages := map[int][]byte{}
	for _, status := range []int{400, 405, 408, 413, 414, 417, 431, 460, 463, 464, 500, 501, 502, 503, 504, 505, 507} {
		t := strconv.Itoa(status) + " " + statusText(status)
		pages[status] = []byte("<html>\r\n<head><title>" + t + "</title></head>\r\n<body>\r\n<center><h1>" +
			t + "</h1></center>\r\n</body>\r\n</html>\r\n")
	}
	return pages
}()

// statusText is the reason phrase; net/http does not know ELB's own statuses.
func statusText(status int) string {
	switch status {
	case 460:
		return "Client Closed Request"
	case 463:
		return "Too Many Forwarded Addresses"
	case 464:
		return "Incompatible Protocol Versions"
	}
	if t := http.StatusText(status); t != "" {
		return t
	}
	return "Status"
}

// beginResponse starts a response of our own.
func (x *exchange) beginResponse(status int) {
	x.status = status
	if !x.willDrain() || x.server().keepsNone() {
		x.closing = true
	}
	x.vec, x.out = x.vec[:0], x.out[:0]
	x.out = append(x.out, "HTTP/1.1 "...)
	x.out = strconv.AppendInt(x.out, int64(status), 10)
	x.out = append(x.out, ' ')
	x.out = append(x.out, statusText(status)...)
	x.out = append(x.out, crlf...)
	if x.bind.Listener.Config.Attributes.ServerHeader {
		x.out = append(x.out, "Server: elbow\r\n"...)
	}
	x.out = append(x.out, "Date: "...)
	x.out = appendDate(x.out, x.unixNow())
	x.out = append(x.out, crlf...)
}

// endResponse ends the head and sends it with the body.
func (x *exchange) endResponse(body []byte) {
	x.out = append(x.out, "Content-Length: "...)
	x.out = strconv.AppendInt(x.out, int64(len(body)), 10)
	x.out = append(x.out, crlf...)
	x.endHead()
	if x.req.MethodID != httpmsg.MethodHead || x.headLen == 0 {
		x.add(body)
	}
	x.counters.ELBCode(x.status)
	if o := x.toClient(); o != OutcomeOK && x.outcome == OutcomeOK {
		x.outcome = o
	}
}

// endHead ends the head of a response of our own, which is in x.out.
func (x *exchange) endHead() {
	x.writeConnection()
	if headers := &x.bind.Listener.ResponseHeaders; len(headers.Lines) > 0 {
		x.addOwn(0)
		x.add(headers.Lines)
		x.add(crlf)
		return
	}
	x.out = append(x.out, crlf...)
	x.addOwn(0)
}

// sendFixed answers with a fixed response.
func (x *exchange) sendFixed(a *config.FixedResponseAction) {
	x.counters.FixedResponses.Inc()
	x.beginResponse(a.StatusCode)
	if a.StatusCode == http.StatusNoContent {
		// RFC 9110 section 8.6: no content, no length.
		x.endHead()
		x.toClient()
		return
	}
	x.out = append(x.out, "Content-Type: "...)
	x.out = append(x.out, a.ContentType...)
	x.out = append(x.out, crlf...)
	x.endResponse(bytesOf(a.Body))
}

// sendRedirect answers with a Location made from the request.
func (x *exchange) sendRedirect(r *rule.Redirect) {
	var port [5]byte
	host := hostOnly(x.req.Bytes(x.req.Host))
	if len(host) == 0 {
		host = appendURIHost(nil, x.conn.localAddr())
	}
	in := rule.RedirectInput{
		Protocol: x.from.proto,
		Host:     host,
		Port:     strconv.AppendUint(port[:0], uint64(x.from.port), 10),
		Path:     x.requestPath(),
		Query:    x.req.Bytes(x.req.Query),
	}
	x.location = r.AppendLocation(x.location[:0], &in)
	if len(x.location) > rule.MaxLocation {
		x.fail(OutcomeRedirectTooLong)
		return
	}
	x.redirect = x.location
	x.counters.Redirects.Inc()
	x.beginResponse(r.StatusCode)
	x.out = append(x.out, "Location: "...)
	x.out = append(x.out, x.location...)
	x.out = append(x.out, "\r\nContent-Type: text/html; charset=utf-8\r\n"...)
	x.endResponse(redirectPages[r.StatusCode])
}

var (
	protocolHTTP  = []byte("http")
	redirectPages = map[int][]byte{
		301: []byte("<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n<center><h1>301 Moved Permanently</h1></center>\r\n</body>\r\n</html>\r\n"),
		302: []byte("<html>\r\n<head><title>302 Found</title></head>\r\n<body>\r\n<center><h1>302 Found</h1></center>\r\n</body>\r\n</html>\r\n"),
	}
)

func indexByte(b []byte, c byte) int { return bytes.IndexByte(b, c) }
func trimSpace(b []byte) []byte      { return bytes.Trim(b, " \t") }
func hasPrefixFold(b []byte, p string) bool {
	return len(b) >= len(p) && httpmsg.EqualFold(b[:len(p)], p)
}
