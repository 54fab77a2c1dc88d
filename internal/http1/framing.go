package http1

import (
	"bytes"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// parseLength reads 1*DIGIT up to 2^63-1. Leading zeros are valid (RFC 9110
// section 8.6).
func parseLength(v []byte) (n int64, ok bool) {
	if len(v) == 0 {
		return 0, false
	}
	const max = 1<<63 - 1
	for _, c := range v {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (max-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// transferEncoding accepts exactly "chunked", in any case. Every other list of
// codings is refused: as unsupported where it is well formed and chunked, if
// present, comes once, last and without parameters (RFC 9112 section 6.1), else as
// malformed.
func transferEncoding(v []byte) Refusal {
	if httpmsg.EqualFold(v, "chunked") {
		return 0
	}
	for last := false; !last; {
		var coding []byte
		coding, v, last = nextElement(v)
		name, _, params := bytes.Cut(coding, []byte(";"))
		name = trim(name)
		if len(name) == 0 || tokenEnd(name, 0, len(name)) < len(name) {
			return BadTransferEncoding
		}
		if httpmsg.EqualFold(name, "chunked") && (params || !last) {
			return BadTransferEncoding
		}
	}
	return UnsupportedTransferEncoding
}

// nextElement cuts the first element, trimmed, off a comma-separated list.
func nextElement(v []byte) (element, rest []byte, last bool) {
	i := bytes.IndexByte(v, ',')
	if i < 0 {
		return trim(v), nil, true
	}
	return trim(v[:i]), v[i+1:], false
}

// persistence reads the Connection fields: it sets Close and Upgrade, and marks
// the fields listed there Drop (RFC 9110 section 7.6.1).
func persistence(h *httpmsg.Head) Refusal {
	h.Close = h.HTTP10
	if !h.Has(httpmsg.FieldConnection) {
		return 0
	}
	closes, keeps, options := false, false, 0
	for v, i := h.Next(httpmsg.FieldConnection, 0); i >= 0; v, i = h.Next(httpmsg.FieldConnection, i) {
		for last := false; !last; {
			var option []byte
			option, v, last = nextElement(v)
			if options++; options > MaxConnectionOptions {
				return TooManyConnectionOptions
			}
			switch {
			case httpmsg.EqualFold(option, "keep-alive"):
				keeps = true
			case httpmsg.EqualFold(option, "close"):
				closes = true
			case httpmsg.EqualFold(option, "upgrade"):
				// RFC 9110 section 7.8: HTTP/1.0 cannot upgrade.
				h.Upgrade = !h.HTTP10 && h.Has(httpmsg.FieldUpgrade)
			case len(option) > 0:
				dropNamed(h, option)
			}
		}
	}
	// RFC 9112 section 9.3: close wins; keep-alive lets HTTP/1.0 persist.
	h.Close = closes || h.HTTP10 && !keeps
	return 0
}

// dropNamed marks the fields with the given name Drop unless they are protected.
func dropNamed(h *httpmsg.Head, name []byte) {
	id := httpmsg.Identify(name)
	if httpmsg.Protected(id, name) {
		return
	}
	if id != httpmsg.OtherField {
		h.DropAll(id)
		return
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if int(f.Name.Len) == len(name) && equalNames(h.Bytes(f.Name), name) {
			f.Drop = true
		}
	}
}

// equalNames compares two names of equal length in any case.
func equalNames(a, b []byte) bool {
	for i, c := range a {
		d := b[i]
		if c != d && (c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
