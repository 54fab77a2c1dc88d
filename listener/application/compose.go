package application

import (
	"strconv"
	"unsafe"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

var (
	crlf        = []byte("\r\n")
	lineEnd11   = []byte(" HTTP/1.1\r\n")
	lastChunk   = []byte(http1.LastChunk)
	connClose   = "Connection: close\r\n"
	connKeep    = "Connection: keep-alive\r\n"
	chunkedLine = "Transfer-Encoding: chunked\r\n"
)

// add appends b to what the next writev sends. Slices that touch become one,
// so a head from which nothing is taken leaves as it came, in one piece.
func (x *exchange) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if n := len(x.vec); n > 0 {
		last := x.vec[n-1]
		if cap(last) >= len(last)+len(b) && unsafe.SliceData(last[len(last):cap(last)]) == unsafe.SliceData(b) {
			x.vec[n-1] = last[:len(last)+len(b)]
			return
		}
	}
	x.vec = append(x.vec, b)
}

// addOwn appends the lines written to x.out since mark.
func (x *exchange) addOwn(mark int) { x.add(x.out[mark:len(x.out)]) }

// addFields appends the field lines of h that go on, and returns without the
// empty line.
func (x *exchange) addFields(h *httpmsg.Head, size int) {
	from := -1
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Drop {
			if from >= 0 {
				x.add(h.Buf[from:f.Name.Off])
				from = -1
			}
			continue
		}
		if from < 0 {
			from = int(f.Name.Off)
		}
	}
	if from >= 0 {
		x.add(h.Buf[from : size-2])
	}
}

// composeRequest prepares what is sent to the target: request line, the
// client's fields, ours, and the body as far as it is here.
func (x *exchange) composeRequest() {
	h := &x.req
	x.vec, x.out = x.vec[:0], x.out[:0]
	x.prepareForwarded()

	switch {
	case x.rewritten.uri != nil:
		x.add(h.Buf[h.Method.Off : h.Method.Off+h.Method.Len+1])
		x.add(x.rewritten.uri)
		x.add(lineEnd11)
	case h.Form == httpmsg.OriginForm && !h.HTTP10 || h.Form == httpmsg.AsteriskForm:
		// The parser accepts exactly "method SP target SP version CRLF".
		end := h.Target.Off + h.Target.Len
		x.add(h.Buf[h.Method.Off:end])
		if h.HTTP10 {
			x.add(lineEnd11)
		} else {
			x.add(h.Buf[end : end+uint32(len(lineEnd11))])
		}
	default:
		// Absolute-form becomes origin-form (RFC 9112 section 3.2.1); a proxy
		// speaks its own version (RFC 9110 section 2.5).
		x.add(h.Buf[h.Method.Off : h.Method.Off+h.Method.Len+1])
		switch {
		case h.Path.Len > 0:
			x.add(h.Bytes(h.Path))
		case h.MethodID == httpmsg.MethodOptions && !h.HasQuery:
			x.add(asterisk) // RFC 9112 section 3.2.4
		default:
			x.add(slash)
		}
		if h.HasQuery {
			x.add(questionMark)
			x.add(h.Bytes(h.Query))
		}
		x.add(lineEnd11)
	}
	x.addFields(h, x.headLen)
	mark := len(x.out)
	x.writeForwarded()
	if h.RewriteLength {
		x.out = append(x.out, "Content-Length: "...)
		x.out = strconv.AppendInt(x.out, h.ContentLength, 10)
		x.out = append(x.out, crlf...)
	}
	chunked := h.Body == httpmsg.BodyChunked
	if chunked {
		x.out = append(x.out, chunkedLine...)
	}
	x.out = append(x.out, crlf...)
	if chunked && len(x.payload) > 0 {
		x.out = http1.AppendChunkHeader(x.out, len(x.payload))
	}
	x.addOwn(mark)
	x.add(x.payload)
	if chunked {
		if len(x.payload) > 0 {
			x.add(crlf)
		}
		if x.bodyDone {
			x.tail = x.appendLastChunk(x.tail[:0])
			x.add(x.tail)
		}
	}
}

// appendLastChunk ends a chunked request body, with the trailers that may be
// passed on.
func (x *exchange) appendLastChunk(b []byte) []byte {
	b = append(b, http1.LastChunk...)
	b = x.appendTrailers(b, x.body.Trailers())
	return append(b, crlf...)
}

var (
	asterisk     = []byte("*")
	questionMark = []byte("?")
)

// addLastChunk ends a chunked response body, with the trailers that may be passed on.
func (x *exchange) addLastChunk(b *http1.Body) {
	x.add(lastChunk)
	x.add(b.Trailers())
	x.add(crlf)
}

// addStatusLine appends the status line, as HTTP/1.1.
func (x *exchange) addStatusLine() {
	h := &x.res
	// RFC 9112 section 4 wants the space before an empty reason, too; a span at 0
	// says that it was missing.
	if !h.HTTP10 && h.Reason.Off > 0 {
		if len(h.Fields) > 0 {
			x.add(h.Buf[:h.Fields[0].Name.Off])
		} else {
			x.add(h.Buf[:h.Size-2])
		}
		return
	}
	mark := len(x.out)
	x.out = append(x.out, "HTTP/1.1 "...)
	x.out = strconv.AppendInt(x.out, int64(h.Status), 10)
	x.out = append(x.out, ' ')
	x.out = append(x.out, h.Bytes(h.Reason)...)
	x.out = append(x.out, crlf...)
	x.addOwn(mark)
}

// composeResponse prepares the head of the target's response, of the given
// size, and the part of its body that came with it.
func (x *exchange) composeResponse(size int, payload []byte, done bool) {
	h := &x.res
	x.vec, x.out = x.vec[:0], x.out[:0]
	x.rechunk = x.chunksBody()
	// Asked once more: a drain may have begun since the request came, and a
	// client that is not told would send its next request into a closing
	// connection.
	if !x.willDrain() || x.server().keepsNone() {
		x.closing = true
	}
	headers := &x.bind.Listener.ResponseHeaders
	if len(headers.Lines) > 0 {
		headers.Replace(h)
	}
	x.addStatusLine()
	x.addFields(h, size)
	x.add(headers.Lines)
	x.addCookies()
	mark := len(x.out)
	if h.RewriteLength {
		x.out = append(x.out, "Content-Length: "...)
		x.out = strconv.AppendInt(x.out, h.ContentLength, 10)
		x.out = append(x.out, crlf...)
	}
	if x.rechunk {
		x.out = append(x.out, chunkedLine...)
	}
	x.writeConnection()
	if len(x.out) == mark {
		x.add(h.Buf[size-2 : size]) // the empty line where it stands
	} else {
		x.out = append(x.out, crlf...)
		x.addOwn(mark)
	}
	if h.Body != httpmsg.BodyNone {
		x.addBody(payload, done)
	}
}

// chunksBody decides how the response's body is framed for the client: by the
// target's Content-Length, else in chunks, else, for HTTP/1.0, by closing.
func (x *exchange) chunksBody() bool {
	switch x.res.Body {
	case httpmsg.BodyChunked, httpmsg.BodyClose:
		if x.req.HTTP10 {
			x.untilClose, x.closing = true, true
			return false
		}
		return true
	}
	return false
}

// writeConnection appends a Connection line where the client needs one.
func (x *exchange) writeConnection() {
	switch {
	case x.closing:
		x.out = append(x.out, connClose...)
	case x.req.HTTP10:
		x.out = append(x.out, connKeep...)
	}
}

// addBody appends a piece of the response body, in the client's framing.
func (x *exchange) addBody(payload []byte, done bool) {
	if !x.rechunk {
		x.add(payload)
		return
	}
	if len(payload) > 0 {
		mark := len(x.out)
		x.out = http1.AppendChunkHeader(x.out, len(payload))
		x.addOwn(mark)
		x.add(payload)
		x.add(crlf)
	}
	if done {
		x.addLastChunk(&x.resBody)
	}
}
