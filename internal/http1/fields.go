package http1

import "github.com/elbow-lb/elbow/internal/httpmsg"

// fieldLines parses field lines from b[p:] to the empty line. It returns the index
// after that, or 0 if it has not arrived.
//
// A line is scanned twice at eight bytes a step: to the colon, and from there to
// the first control byte, which must be the CR of its CRLF. A name is looked up
// before it is checked: one that is known needs no check.
func fieldLines(b []byte, p int, h *httpmsg.Head, limit int, request bool) (n int, r Refusal) {
	for {
		if p+1 >= len(b) {
			if p < len(b) && b[p] == '\n' {
				return 0, BadLineEnding
			}
			return 0, 0
		}
		if b[p] == '\r' {
			if b[p+1] != '\n' {
				return 0, BadLineEnding
			}
			return p + 2, 0
		}
		// The line is looked at only as far as it may go, so that what is refused
		// does not depend on how much has arrived.
		line, short := b, Accepted
		if max := p + limit + len("\r\n"); max <= len(b) {
			line, short = b[:max], HeaderTooLarge
		}
		k := colon(line, p)
		id := httpmsg.OtherField
		if k < len(line) {
			id = httpmsg.Identify(line[p:k])
		}
		if id == httpmsg.OtherField {
			if i := tokenEnd(line, p, k); i < k || i == p {
				return 0, nameRefusal(line, p, i, short)
			}
			if k == len(line) {
				return 0, short
			}
		}
		e := valueEnd(line, k+1)
		if e+1 >= len(line) && (e == len(line) || line[e] == '\r') {
			return 0, short
		}
		if line[e] != '\r' || line[e+1] != '\n' {
			if line[e] == '\r' || line[e] == '\n' {
				return 0, BadLineEnding
			}
			return 0, BadHeader
		}
		v, ve := k+1, e
		for v < ve && (line[v] == ' ' || line[v] == '\t') {
			v++
		}
		for v < ve && (line[ve-1] == ' ' || line[ve-1] == '\t') {
			ve--
		}
		f := h.Extend(id)
		if f == nil {
			return 0, TooManyHeaders
		}
		// One by one: a composite literal goes through the stack and costs 5 ns a line.
		f.Name.Off, f.Name.Len = uint32(p), uint32(k-p)
		f.Value.Off, f.Value.Len = uint32(v), uint32(ve-v)
		f.End, f.ID, f.Drop = uint32(e+2), id, false
		if id-1 < httpmsg.FieldHTTP2Settings {
			if r = actOn(h, f, request); r != 0 {
				return 0, r
			}
		}
		p = e + 2
	}
}

// nameRefusal says what is wrong with byte i of the line at p, which is not of a
// name. short is what to say if only more bytes can tell.
func nameRefusal(line []byte, p, i int, short Refusal) Refusal {
	if i == len(line) {
		return short
	}
	switch line[i] {
	case '\n':
		return BadLineEnding
	case '\r':
		if i+1 == len(line) {
			return short
		}
		if line[i+1] != '\n' {
			return BadLineEnding
		}
	case ' ', '\t':
		if i == p {
			return MultilineHeader
		}
	}
	return BadHeader
}

// actOn checks and marks f, the latest field and one of those that the parser itself
// acts on.
func actOn(h *httpmsg.Head, f *httpmsg.Field, request bool) Refusal {
	first := h.First(f.ID) == len(h.Fields)-1
	switch f.ID {
	case httpmsg.FieldHost:
		if !request {
			return 0 // means nothing in a response
		}
		if !first {
			return MultipleHost
		}
		if ok, _ := hostPort(h.Bytes(f.Value)); !ok {
			return BadHost
		}
	case httpmsg.FieldContentLength:
		if !first {
			return MultipleContentLength
		}
		n, ok := parseLength(h.Bytes(f.Value))
		if !ok {
			return BadContentLength
		}
		h.ContentLength = n
		// Canonical is "Name: digits": one space before, nothing after, no
		// leading zero.
		v := f.Value
		if v.Off != f.Name.Off+f.Name.Len+2 || h.Buf[v.Off-1] != ' ' || v.Off+v.Len+2 != f.End ||
			v.Len > 1 && h.Buf[v.Off] == '0' {
			f.Drop = true
			h.RewriteLength = true
		}
	case httpmsg.FieldTransferEncoding:
		f.Drop = true
		if !first {
			return BadTransferEncoding
		}
		return transferEncoding(h.Bytes(f.Value))
	default:
		f.Drop = f.ID.HopByHop()
	}
	return 0
}
