package http1

import (
	"encoding/binary"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// ParseResponse parses a response head at the start of buf into h, whose spans
// refer to buf from then on. request is the method of the request it answers:
// a response to HEAD has no body. n and r are as for ParseRequest.
//
// A Content-Length line in a 1xx or 204 response is marked Drop: RFC 9110
// section 8.6 forbids it, many targets send it, and a recipient may believe it.
func ParseResponse(buf []byte, h *httpmsg.Head, lim *Limits, request httpmsg.Method) (n int, r Refusal) {
	if lim == nil {
		lim = &DefaultLimits
	}
	h.Reset(buf)
	b := buf
	if len(b) > lim.ResponseHead {
		b = b[:lim.ResponseHead]
	}
	i, r := statusLine(b, h)
	if r != 0 {
		return 0, r | fromTarget
	}
	if i > 0 {
		n, r = fieldLines(b, i, h, len(b), false)
		if r != 0 {
			return 0, r | fromTarget
		}
	}
	if n == 0 {
		if len(b) >= lim.ResponseHead {
			return 0, HeadTooLarge | fromTarget
		}
		return 0, 0
	}
	h.Size = n
	if r = frameResponse(h, request); r != 0 {
		return 0, r | fromTarget
	}
	return n, 0
}

// frameResponse decides what the head as a whole says (RFC 9112 section 6.3).
func frameResponse(h *httpmsg.Head, request httpmsg.Method) Refusal {
	chunked := h.Has(httpmsg.FieldTransferEncoding)
	if chunked {
		if h.HTTP10 {
			return UndefinedTransferEncoding
		}
		if h.ContentLength >= 0 {
			return BothTeClPresent
		}
	}
	if r := persistence(h); r != 0 {
		return r
	}
	switch {
	case h.Status < 200 || h.Status == 204:
		h.DropAll(httpmsg.FieldContentLength)
		h.RewriteLength = false
		if h.Status == 204 && (chunked || h.ContentLength > 0) {
			h.Close = true // whether the target sends a body all the same is anyone's guess
		}
	case request == httpmsg.MethodHead || h.Status == 304:
	case chunked:
		h.Body = httpmsg.BodyChunked
	case h.ContentLength > 0:
		h.Body = httpmsg.BodyLength
	case h.ContentLength < 0:
		h.Body = httpmsg.BodyClose
		h.Close = true
	}
	return 0
}

// statusLine parses "HTTP/1." DIGIT SP 3DIGIT SP reason CRLF. It returns the index
// after it, or 0 if it is not complete. The SP before an empty reason may be
// missing, as many servers send it.
func statusLine(b []byte, h *httpmsg.Head) (next int, r Refusal) {
	const version = "HTTP/"
	if n := min(len(b), len(version)); string(b[:n]) != version[:n] {
		return 0, BadStatusLine // however short: nothing can make it one
	}
	if len(b) < len("HTTP/1.1 200\r\n") {
		return 0, 0
	}
	switch binary.LittleEndian.Uint64(b) {
	case wordHTTP11:
	case wordHTTP10:
		h.HTTP10 = true
	default:
		if isVersion(b[:8]) {
			return 0, UnsupportedVersion
		}
		return 0, BadStatusLine
	}
	if b[8] != ' ' || class[b[9]]&class[b[10]]&class[b[11]]&digitByte == 0 || b[9] == '0' {
		return 0, BadStatusLine
	}
	h.Status = int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
	i := 12
	if b[i] == ' ' {
		i++
		reason := i
		i = valueEnd(b, i)
		h.Reason = span(reason, i)
	}
	switch {
	case i+1 >= len(b) && (i == len(b) || b[i] == '\r'):
		return 0, 0
	case b[i] == '\r' && b[i+1] == '\n':
		return i + 2, 0
	case b[i] == '\r', b[i] == '\n':
		return 0, BadLineEnding
	}
	return 0, BadStatusLine
}
