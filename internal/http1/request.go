package http1

import (
	"encoding/binary"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// Words that start lines are recognised by, little-endian.
const (
	wordGet    = 'G' | 'E'<<8 | 'T'<<16 | ' '<<24
	wordPost   = 'P' | 'O'<<8 | 'S'<<16 | 'T'<<24
	wordHTTP   = 'H' | 'T'<<8 | 'T'<<16 | 'P'<<24 | '/'<<32 | '1'<<40 | '.'<<48
	wordHTTP11 = wordHTTP | '1'<<56
	wordHTTP10 = wordHTTP | '0'<<56
)

// ParseRequest parses a request head at the start of buf into h, whose spans
// refer to buf from then on.
//
// n > 0: the head is complete and takes n bytes. n == 0 and r == 0: more bytes are
// needed; h means nothing. r != 0: the request is refused; h may be partly filled
// (the start line, if it was valid) for the log. The answer depends on the bytes
// alone, not on how many had arrived when: a prefix of buf gives "more" or the
// same refusal. lim nil means DefaultLimits.
func ParseRequest(buf []byte, h *httpmsg.Head, lim *Limits) (n int, r Refusal) {
	if lim == nil {
		lim = &DefaultLimits
	}
	h.Reset(buf)
	b := buf
	if len(b) > lim.Head {
		b = b[:lim.Head]
	}
	i := 0
	// One empty line before the request line is skipped (RFC 9112 section 2.2):
	// old clients send it after a POST.
	if len(b) > 0 && b[0] == '\r' {
		switch {
		case len(b) == 1:
			return 0, more(b, lim.Head)
		case b[1] != '\n':
			return 0, BadLineEnding
		}
		i = 2
	}
	if i, r = requestLine(b, i, h, lim.RequestLine); r != 0 {
		return 0, r
	}
	if i == 0 {
		return 0, more(b, lim.Head)
	}
	if n, r = fieldLines(b, i, h, lim.Field, true); r != 0 {
		return 0, r
	}
	if n == 0 {
		return 0, more(b, lim.Head)
	}
	h.Size = n
	if r = frameRequest(h); r != 0 {
		return 0, r
	}
	return n, 0
}

// more is for a head that is not complete in b: refused if b is all it may have.
func more(b []byte, limit int) Refusal {
	if len(b) >= limit {
		return HeadTooLarge
	}
	return 0
}

// frameRequest decides what the head as a whole says: body, host, persistence.
func frameRequest(h *httpmsg.Head) Refusal {
	switch {
	case h.Has(httpmsg.FieldTransferEncoding):
		// RFC 9112 section 6.1 lets a server process the first two by closing
		// after the response; both are how requests are smuggled.
		if h.HTTP10 {
			return UndefinedTransferEncoding
		}
		if h.ContentLength >= 0 {
			return BothTeClPresent
		}
		h.Body = httpmsg.BodyChunked
	case h.ContentLength > 0:
		h.Body = httpmsg.BodyLength
	}

	if i := h.First(httpmsg.FieldHost); i >= 0 {
		h.Host = h.Fields[i].Value
	} else if !h.HTTP10 {
		return MissingHost
	}
	if h.Form == httpmsg.AbsoluteForm {
		// RFC 9112 section 3.2.2: what the Host field says is ignored, and it
		// must be replaced when the request is forwarded.
		if string(h.Bytes(h.Host)) != string(h.Bytes(h.Authority)) {
			h.DropAll(httpmsg.FieldHost)
			h.RewriteHost = true
		}
		h.Host = h.Authority
	}

	if r := persistence(h); r != 0 {
		return r
	}
	if i := h.First(httpmsg.FieldExpect); i >= 0 {
		h.ExpectContinue = !h.HTTP10 && h.Body != httpmsg.BodyNone &&
			httpmsg.EqualFold(h.Bytes(h.Fields[i].Value), "100-continue")
	}
	return 0
}

// requestLine parses the request line at b[start:]. It returns the index after it,
// or 0 if it is not complete.
func requestLine(b []byte, start int, h *httpmsg.Head, limit int) (next int, r Refusal) {
	if len(b)-start < limit+len("\r\n") {
		return requestLineIn(b, start, h)
	}
	next, r = requestLineIn(b[:start+limit+len("\r\n")], start, h)
	if next == 0 && r == 0 {
		r = UriTooLong
	}
	return next, r
}

func requestLineIn(b []byte, start int, h *httpmsg.Head) (next int, r Refusal) {
	// method SP
	i := start
	var w uint32 // stays 0 where there is too little to tell by words
	if len(b)-start >= 8 {
		w = binary.LittleEndian.Uint32(b[start:])
	}
	switch {
	case w == wordGet:
		i, h.MethodID = start+3, httpmsg.MethodGet
	case w == wordPost && b[start+4] == ' ':
		i, h.MethodID = start+4, httpmsg.MethodPost
	default:
		i = tokenEnd(b, start, len(b))
		if i == len(b) {
			return 0, 0
		}
		if i == start || b[i] != ' ' {
			return 0, startRefusal(b, i)
		}
		h.MethodID = httpmsg.LookupMethod(b[start:i])
	}
	h.Method = span(start, i)

	// request-target SP
	i++
	target, mark := i, -1
	for {
		i = targetEnd(b, i)
		if i == len(b) {
			return 0, 0
		}
		if b[i] != '?' {
			break
		}
		if mark < 0 {
			mark = i
		}
		i++
	}
	switch {
	case b[i] == '\n':
		return 0, BadLineEnding
	case b[i] == '\r' && i+1 == len(b):
		return 0, 0
	case b[i] == '\r' && b[i+1] != '\n':
		return 0, BadLineEnding
	case b[i] == '\r':
		return 0, BadVersion // HTTP/0.9 had none
	case b[i] != ' ':
		return 0, BadUri
	}
	h.Target = span(target, i)
	if r = parseTarget(h, b, target, i, mark); r != 0 {
		return 0, r
	}

	// HTTP-version CRLF
	i++
	if len(b)-i >= 10 && b[i+8] == '\r' && b[i+9] == '\n' {
		switch binary.LittleEndian.Uint64(b[i:]) {
		case wordHTTP11:
			return i + 10, 0
		case wordHTTP10:
			h.HTTP10 = true
			return i + 10, 0
		}
	}
	return 0, versionRefusal(b[i:])
}

// startRefusal says what is wrong with byte i, which ends neither a method nor
// its line.
func startRefusal(b []byte, i int) Refusal {
	switch {
	case b[i] == '\n', b[i] == '\r' && i+1 < len(b) && b[i+1] != '\n':
		return BadLineEnding
	case b[i] == '\r' && i+1 == len(b):
		return 0
	}
	return BadMethod
}

// versionRefusal says what is wrong with b, the rest of a request line that does not
// begin with a version that we speak, or 0 if it is not complete.
func versionRefusal(b []byte) Refusal {
	i := 0
	for i < len(b) && b[i] != '\r' && b[i] != '\n' {
		i++
	}
	switch {
	case i == len(b), b[i] == '\r' && i+1 == len(b):
		return 0
	case b[i] == '\n', b[i+1] != '\n':
		return BadLineEnding
	}
	if isVersion(b[:i]) {
		return UnsupportedVersion
	}
	return BadVersion
}

// isVersion reports whether v is "HTTP/" DIGIT, perhaps with "." DIGIT.
func isVersion(v []byte) bool {
	if len(v) != 6 && len(v) != 8 || string(v[:5]) != "HTTP/" || class[v[5]]&digitByte == 0 {
		return false
	}
	return len(v) == 6 || v[6] == '.' && class[v[7]]&digitByte != 0
}

func span(from, to int) httpmsg.Span {
	return httpmsg.Span{Off: uint32(from), Len: uint32(to - from)}
}
