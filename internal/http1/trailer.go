package http1

import (
	"bytes"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// Trailers returns the trailer section's lines that may be forwarded, each
// "Name: value\r\n", empty if there are none. It is complete when the body is
// done, and valid until Reset. Lines whose name httpmsg.TrailerForbidden knows are
// not in it.
func (b *Body) Trailers() []byte {
	if b.state != stateDone {
		return nil
	}
	return b.trailers
}

// trailerBytes takes bytes of the trailer section from p, at most one line, and
// returns how many.
func (b *Body) trailerBytes(p []byte) int {
	switch b.state {
	case stateEndLF:
		b.state = stateDone
		if p[0] != '\n' {
			b.refuse(BadTrailer)
		}
		return 1
	case stateLine:
		if p[0] == '\r' {
			b.state = stateEndLF
			return 1
		}
		b.line = len(b.trailers)
		b.state = stateTrailer
	}
	n := bytes.IndexByte(p, '\n') + 1
	ended := n > 0
	if !ended {
		n = len(p)
	}
	if n > MaxTrailers-b.section {
		b.refuse(TrailersTooLarge)
		return MaxTrailers - b.section
	}
	b.section += n
	b.trailers = append(b.trailers, p[:n]...)
	if ended {
		b.endTrailer()
	}
	return n
}

// endTrailer checks the line that arrived and keeps it, in its one form, or not.
func (b *Body) endTrailer() {
	line := b.trailers[b.line:]
	k := bytes.IndexByte(line, ':')
	e := len(line) - len("\r\n")
	if k <= 0 || tokenEnd(line, 0, k) < k || e <= k || valueEnd(line, k+1) != e || line[e] != '\r' {
		b.refuse(BadTrailer)
		return
	}
	b.state = stateLine
	name, value := line[:k], trim(line[k+1:e])
	if httpmsg.TrailerForbidden(httpmsg.Identify(name), name) {
		b.trailers = b.trailers[:b.line]
		return
	}
	// "Name:value" grows by a byte, so make room before moving the value.
	from, n := b.line+k+1, len(value)
	b.trailers = append(b.trailers, 0)
	copy(b.trailers[from+1:], value)
	b.trailers[from] = ' '
	b.trailers = append(b.trailers[:from+1+n], '\r', '\n')
}
