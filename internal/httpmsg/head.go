package httpmsg

import "encoding/binary"

// MaxFields is the most field lines a head may have. ELB publishes no count, only
// sizes; 128 is above what browsers, gateways and tracing add together and keeps
// a Head's storage inline (3 KiB).
const MaxFields = 128

// A Span is a range of bytes in Head.Buf. The zero Span is empty, and means
// "absent" where a Head's field says so.
type Span struct{ Off, Len uint32 }

// Field is one field line. The line begins at Name.Off.
type Field struct {
	Name  Span
	Value Span   // without the white space around it
	End   uint32 // offset after the line's CRLF
	ID    FieldID
	Drop  bool // the line is not forwarded; see Head.AppendKept
}

// BodyKind says how a message's body is delimited (RFC 9112 section 6.3).
type BodyKind uint8

const (
	BodyNone    BodyKind = iota // no body follows the head
	BodyLength                  // Content-Length bytes, at least 1
	BodyChunked                 // the chunked transfer coding
	BodyClose                   // until the connection closes; responses only
)

// TargetForm is the form of a request target (RFC 9112 section 3.2).
type TargetForm uint8

const (
	OriginForm    TargetForm = iota // /path?query
	AbsoluteForm                    // http://host/path?query
	AuthorityForm                   // host:port, CONNECT only
	AsteriskForm                    // *, OPTIONS only
)

// Head is a parsed message head. One Head is reused for message after message:
// parsing overwrites it and nothing in it is cleared that is not read again.
// A Head must not be copied (Fields points into it).
type Head struct {
	// Buf holds the head's bytes. It belongs to the caller; every Span is
	// an offset into it.
	Buf []byte

	// Size is how many bytes of Buf the head takes, from Buf's start, including
	// the empty line at its end (and a tolerated empty line before it).
	Size int

	// Requests.

	Method    Span
	Target    Span // as received
	Authority Span // of absolute-form and authority-form, else empty
	Path      Span // empty for asterisk-form, authority-form, and absolute-form without a path (which means "/")
	Query     Span // without the '?'

	// Host is the deciding host[:port]: the authority of an absolute-form
	// target, else the value of the Host field. Empty when there is none, which
	// only HTTP/1.0 allows.
	Host Span

	// Responses.

	Reason Span
	Status int // 100 to 999

	// ContentLength is the value of Content-Length, or -1 if the head has none.
	// It may be set while Body is BodyNone (a response to HEAD, a 304).
	ContentLength int64

	MethodID Method
	Form     TargetForm
	HasQuery bool // there was a '?', perhaps with nothing after it
	HTTP10   bool // HTTP/1.0, else HTTP/1.1
	Body     BodyKind

	// Close says that the sender's connection does not persist after this
	// message: by version, by Connection, or because the body ends with it.
	Close bool

	// ExpectContinue says that the sender may hold back the body until it gets
	// a 100 (Continue): HTTP/1.1, "Expect: 100-continue" and a body.
	ExpectContinue bool

	// Upgrade says that an HTTP/1.1 sender offers (request) or selects (101
	// response) another protocol: a field Upgrade, and Connection lists it. Both
	// lines are marked Drop; who lets the upgrade through must write them anew.
	Upgrade bool

	// RewriteLength says that Content-Length was valid but not in the one form
	// that every parser reads alike ("Name: digits" without leading zeros); its
	// line is marked Drop and must be written anew from ContentLength.
	RewriteLength bool

	// RewriteHost says that the Host line, if any, is not the deciding one
	// (absolute-form); it is marked Drop and "Host: " + Host must be written
	// instead (RFC 9112 section 3.2.2).
	RewriteHost bool

	// Fields are the field lines in the order received.
	Fields []Field

	first [NumFieldIDs]uint8 // index in Fields plus 1 of the first with this id; 0: none
	store [MaxFields]Field   // not cleared between messages
}

// Reset makes h an empty head over buf.
func (h *Head) Reset(buf []byte) {
	h.Buf = buf
	h.Size = 0
	h.Method, h.Target, h.Authority = Span{}, Span{}, Span{}
	h.Path, h.Query, h.Host, h.Reason = Span{}, Span{}, Span{}, Span{}
	h.Status = 0
	h.ContentLength = -1
	h.MethodID, h.Form, h.Body = MethodOther, OriginForm, BodyNone
	h.HasQuery, h.HTTP10, h.Close = false, false, false
	h.ExpectContinue, h.Upgrade, h.RewriteLength, h.RewriteHost = false, false, false, false
	h.Fields = h.store[:0]
	h.first = [NumFieldIDs]uint8{}
}

// Bytes returns the bytes of s. They are valid until the buffer is released or
// overwritten; appending to them copies.
func (h *Head) Bytes(s Span) []byte {
	end := s.Off + s.Len
	return h.Buf[s.Off:end:end]
}

// Extend adds a field with the given id and returns it for the codec to fill: it
// holds the values of an earlier message. It returns nil if there are
// already MaxFields.
func (h *Head) Extend(id FieldID) *Field {
	n := len(h.Fields)
	if n >= MaxFields {
		return nil
	}
	h.Fields = h.Fields[:n+1]
	if h.first[id] == 0 {
		h.first[id] = uint8(n + 1)
	}
	return &h.store[n]
}

// First returns the index in Fields of the first field with the given id, or -1.
func (h *Head) First(id FieldID) int { return int(h.first[id]) - 1 }

// Has reports whether there is a field with the given id.
func (h *Head) Has(id FieldID) bool { return h.first[id] != 0 }

// Get returns the value of the first field with the given id.
func (h *Head) Get(id FieldID) (value []byte, ok bool) {
	i := h.first[id]
	if i == 0 {
		return nil, false
	}
	return h.Bytes(h.store[i-1].Value), true
}

// Next returns the value of the first field with the given id at or after index
// from, and the index to go on with; next is -1 if there is none:
//
//	for v, i := h.Next(id, 0); i >= 0; v, i = h.Next(id, i) {
func (h *Head) Next(id FieldID, from int) (value []byte, next int) {
	if h.first[id] == 0 {
		return nil, -1
	}
	for i := max(from, int(h.first[id])-1); i < len(h.Fields); i++ {
		if f := &h.Fields[i]; f.ID == id {
			return h.Bytes(f.Value), i + 1
		}
	}
	return nil, -1
}

// NextNamed is Next for a field that has no id: name must be in lower case. Names
// that do have one are found as well, only slower.
func (h *Head) NextNamed(name string, from int) (value []byte, next int) {
	for i := max(from, 0); i < len(h.Fields); i++ {
		f := &h.Fields[i]
		if int(f.Name.Len) == len(name) && EqualFold(h.Bytes(f.Name), name) {
			return h.Bytes(f.Value), i + 1
		}
	}
	return nil, -1
}

// DropAll marks every field with the given id as not forwarded.
func (h *Head) DropAll(id FieldID) {
	i := int(h.first[id]) - 1
	if i < 0 {
		return
	}
	for ; i < len(h.Fields); i++ {
		if f := &h.Fields[i]; f.ID == id {
			f.Drop = true
		}
	}
}

// HideInvalidNames takes the fields out of the head whose names are not plain
// (see PlainName), and returns how many there were. They are
// marked Drop and lose their names, so that no look-up finds them; the lines of
// the others stay where they are.
func (h *Head) HideInvalidNames() int {
	n := 0
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID == OtherField && !PlainName(h.Bytes(f.Name)) { // all that are known are plain
			f.Name.Len, f.Drop = 0, true
			n++
		}
	}
	return n
}

// HasInvalidName reports whether the name of a field that is forwarded is not
// plain (see PlainName).
func (h *Head) HasInvalidName() bool {
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID == OtherField && !f.Drop && !PlainName(h.Bytes(f.Name)) {
			return true
		}
	}
	return false
}

// PlainName reports whether name, of at least one byte, is of ASCII letters,
// digits and hyphens alone, as routing.http.drop_invalid_header_fields.enabled
// demands.
func PlainName(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	for ; len(name) >= 8; name = name[8:] {
		if !plainWord(binary.LittleEndian.Uint64(name)) {
			break
		}
	}
	for _, c := range name {
		if notPlain[c] {
			return false
		}
	}
	return true
}

// plainWord reports whether all eight bytes are letters or hyphens, as they are
// in most names.
func plainWord(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	if x&highs != 0 {
		return false
	}
	lower := x | 0x20*ones
	letter := (lower + (0x80-'a')*ones) &^ (lower + (0x7f-'z')*ones)
	other := (x ^ '-'*ones) + 0x7f*ones // high bit: not a hyphen
	return (letter|^other)&highs == highs
}

var notPlain = func() (t [256]bool) {
	for i := range t {
		c := byte(i)
		t[i] = c-'0' > 9 && c|0x20-'a' > 25 && c != '-'
	}
	return t
}()

// AppendKept appends the field lines that are not marked Drop, without start
// line and empty line, as few slices of Buf: lines that touch become one.
// Every line in them ends with CRLF. The dropping of k fields gives at
// most k+1 slices.
func (h *Head) AppendKept(dst [][]byte) [][]byte {
	var start, end uint32
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Drop {
			continue
		}
		if f.Name.Off != end {
			if end > start {
				dst = append(dst, h.Buf[start:end:end])
			}
			start = f.Name.Off
		}
		end = f.End
	}
	if end > start {
		dst = append(dst, h.Buf[start:end:end])
	}
	return dst
}
