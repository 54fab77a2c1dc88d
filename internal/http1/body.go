package http1

import (
	"bytes"
	"math"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

const (
	// LastChunk is the chunk of size 0. The trailer section follows it, or
	// ChunkEnd if there is none.
	LastChunk = "0\r\n"
	// ChunkEnd follows a chunk's data, and ends a chunked body.
	ChunkEnd = "\r\n"
)

// AppendChunkHeader appends the line that precedes size bytes of chunk data. size
// must be positive: a chunk of size 0 ends the body.
func AppendChunkHeader(dst []byte, size int) []byte {
	const digits = "0123456789abcdef"
	shift := 0
	for size>>shift > 15 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, digits[size>>shift&15])
	}
	return append(dst, '\r', '\n')
}

// Where a Body is. From stateLine on it is in the trailer section.
type bodyState uint8

const (
	stateDone    bodyState = iota
	stateRaw               // BodyLength
	stateClose             // BodyClose
	stateData              // in chunk data, remaining > 0
	stateDataCR            // the CR after chunk data
	stateDataLF            // the LF after it
	stateSize              // the first digit of a chunk size
	stateDigits            // more digits
	stateExt               // in a chunk extension
	stateSizeLF            // the LF of the chunk-size line
	stateLine              // the beginning of a trailer line
	stateTrailer           // within a trailer line
	stateEndLF             // the LF of the empty line at the end
	stateRefused
)

// Body decodes one message body after another, each arriving in any pieces. Its
// zero value is a body that has ended; Reset begins one.
type Body struct {
	remaining int64 // bytes of payload to come: of the body, or of the chunk
	trailers  []byte
	line      int // where in trailers the line that is arriving begins
	section   int // bytes of trailer section so far
	ext       int // bytes of chunk extensions so far
	state     bodyState
	digits    uint8
	refusal   Refusal
}

// Reset begins a body of the given kind; length is Content-Length for BodyLength and
// means nothing otherwise. What Trailers returned before is overwritten.
func (b *Body) Reset(kind httpmsg.BodyKind, length int64) {
	b.trailers = b.trailers[:0]
	b.line, b.section, b.ext = 0, 0, 0
	b.digits, b.refusal = 0, 0
	b.remaining = 0
	switch kind {
	case httpmsg.BodyLength:
		b.state = stateRaw
		if b.remaining = length; length <= 0 {
			b.remaining, b.state = 0, stateDone
		}
	case httpmsg.BodyClose:
		b.state, b.remaining = stateClose, math.MaxInt64
	case httpmsg.BodyChunked:
		b.state = stateSize
	default:
		b.state = stateDone
	}
}

// Done reports whether the body has ended. A BodyClose body never does: the end
// of the connection ends it.
func (b *Body) Done() bool { return b.state == stateDone }

// Remaining returns how many payload bytes come next without framing between
// them: what is left of a BodyLength body or of the current chunk (0 between
// chunks), math.MaxInt64 for BodyClose.
func (b *Body) Remaining() int64 {
	switch b.state {
	case stateRaw, stateClose, stateData:
		return b.remaining
	}
	return 0 // remaining may hold a chunk size that is still arriving
}

// Skip accounts for n payload bytes that were moved without Decode. n must not be
// negative nor exceed Remaining.
func (b *Body) Skip(n int64) {
	if n < 0 || n > b.Remaining() {
		panic("http1: Body.Skip beyond Remaining")
	}
	if n > 0 {
		b.took(n)
	}
}

// took accounts for n > 0 payload bytes.
func (b *Body) took(n int64) {
	switch b.state {
	case stateRaw:
		if b.remaining -= n; b.remaining == 0 {
			b.state = stateDone
		}
	case stateData:
		if b.remaining -= n; b.remaining == 0 {
			b.state = stateDataCR
		}
	}
}

// Decode consumes bytes of the message from p and moves the payload among them to
// the front of p, in place: payload is p[:payload]. p[consumed:] was not touched
// and belongs to what follows the message; consumed is len(p) unless done or
// refused. done tells that the body has ended, and stays true. Bytes of a BodyLength
// or BodyClose body do not move. A refusal stays too; the payload before it is
// still returned.
func (b *Body) Decode(p []byte) (payload, consumed int, done bool, r Refusal) {
	switch b.state {
	case stateDone:
		return 0, 0, true, 0
	case stateRefused:
		return 0, 0, false, b.refusal
	case stateClose:
		return len(p), len(p), false, 0
	case stateRaw:
		n := len(p)
		if int64(n) > b.remaining {
			n = int(b.remaining)
		}
		b.took(int64(n))
		return n, n, b.state == stateDone, 0
	}
	return b.decodeChunked(p)
}

func (b *Body) decodeChunked(p []byte) (payload, consumed int, done bool, r Refusal) {
	w, i := 0, 0
	for i < len(p) {
		if b.state == stateData {
			n := len(p) - i
			if int64(n) > b.remaining {
				n = int(b.remaining)
			}
			if w != i {
				copy(p[w:], p[i:i+n])
			}
			w += n
			i += n
			b.took(int64(n))
			continue
		}
		if b.state >= stateLine {
			i += b.trailerBytes(p[i:])
		} else {
			b.chunkByte(p[i])
			i++
		}
		switch b.state {
		case stateDone:
			return w, i, true, 0
		case stateRefused:
			return w, i, false, b.refusal
		}
	}
	return w, i, false, 0
}

// chunkByte takes one byte of a chunk's framing (RFC 9112 section 7.1).
func (b *Body) chunkByte(c byte) {
	switch b.state {
	case stateSize, stateDigits:
		d := hexDigit[c]
		if d < 16 {
			b.digits++
			if b.digits > MaxChunkDigits || b.remaining > math.MaxInt64>>4 {
				b.refuse(ChunkTooLarge)
				return
			}
			b.remaining = b.remaining<<4 | int64(d)
			b.state = stateDigits
			return
		}
		switch {
		case b.state == stateSize:
			b.refuse(BadChunkSize)
		case c == '\r':
			b.state = stateSizeLF
		case c == ';':
			b.state = stateExt
			b.extByte()
		default:
			b.refuse(BadChunkSize)
		}
	case stateExt:
		switch {
		case c == '\r':
			b.state = stateSizeLF
		case c < 0x20 && c != '\t' || c == 0x7f:
			b.refuse(BadChunkExt)
		default:
			b.extByte()
		}
	case stateSizeLF:
		switch {
		case c != '\n':
			b.refuse(BadChunkEnd)
		case b.remaining > 0:
			b.state = stateData
		default:
			b.state = stateLine
		}
		b.digits = 0
	case stateDataCR:
		if c != '\r' {
			b.refuse(BadChunkEnd)
			return
		}
		b.state = stateDataLF
	case stateDataLF:
		if c != '\n' {
			b.refuse(BadChunkEnd)
			return
		}
		b.state = stateSize
	}
}

func (b *Body) extByte() {
	if b.ext++; b.ext > MaxChunkExt {
		b.refuse(ChunkExtTooLong)
	}
}

func (b *Body) refuse(r Refusal) {
	b.state, b.refusal, b.remaining = stateRefused, r, 0
}

var hexDigit = func() (t [256]uint8) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = uint8(i)
		t[bytes.ToUpper([]byte{c})[0]] = uint8(i)
	}
	return t
}()
