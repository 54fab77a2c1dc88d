package http1

import (
	"encoding/binary"
	"math/bits"
)

// Scanning works on eight bytes at a time. For a word x, (x-ones*n)&^x has the
// high bit set in each byte below n (n <= 0x80); a borrow can set it wrongly,
// but only above a byte that is rightly set, so the lowest one is exact.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Classes of bytes.
const (
	tokenByte  = 1 << iota // RFC 9110 section 5.6.2
	targetByte             // allowed in a request target and not '?'
	hostByte               // allowed in a host name, see hostPort
	digitByte
	hexByte
)

var class = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] |= tokenByte | hostByte | digitByte | hexByte
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= tokenByte | hostByte
		t[c-0x20] |= tokenByte | hostByte
	}
	for _, c := range "abcdefABCDEF" {
		t[c] |= hexByte
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= tokenByte
	}
	for _, c := range "-._~!$&'()*+;=" {
		t[c] |= hostByte
	}
	for c := '!'; c <= '~'; c++ {
		t[c] |= targetByte
	}
	t['#'] &^= targetByte
	t['?'] &^= targetByte
	return t
}()

// valueEnd returns the index of the first byte at or after i that cannot be in a
// field value: a control byte other than HTAB (RFC 9110 section 5.5). It is len(b)
// if there is none.
func valueEnd(b []byte, i int) int {
	for {
		// The cheap test lets printable ASCII through, 16 bytes a turn: without
		// 0x20 or with 1 more, all others have or borrow the high bit.
		for i+16 <= len(b) {
			x, y := binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(b[i+8:])
			if ((x-0x20*ones)|(x+ones)|(y-0x20*ones)|(y+ones))&highs != 0 {
				break
			}
			i += 16
		}
		// The exact one, for what is left or was stopped at.
		for end := i + 16; i < end; {
			if i+8 > len(b) {
				for i < len(b) && (b[i] >= 0x20 && b[i] != 0x7f || b[i] == '\t') {
					i++
				}
				return i
			}
			x := binary.LittleEndian.Uint64(b[i:])
			del := x ^ 0x7f*ones
			if m := ((x-0x20*ones)&^x | (del-ones)&^del) & highs; m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				if b[i] != '\t' {
					return i
				}
				i++
				continue
			}
			i += 8
		}
	}
}

// targetEnd returns the index of the first byte at or after i that is not a
// targetByte: white space, control, not ASCII, '#' or '?'. It is len(b) if there
// is none.
func targetEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del, hash, mark := x^0x7f*ones, x^'#'*ones, x^'?'*ones
		if m := ((x-0x21*ones)&^x | x | (del-ones)&^del | (hash-ones)&^hash | (mark-ones)&^mark) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && class[b[i]]&targetByte != 0 {
		i++
	}
	return i
}

// colon returns the index of the first ':' at or after i, or len(b).
func colon(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:]) ^ ':'*ones
		if m := (x - ones) &^ x & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] != ':' {
		i++
	}
	return i
}

// tokenEnd returns the index of the first byte of b[i:end] that is not a token
// byte, or end.
func tokenEnd(b []byte, i, end int) int {
	b = b[:end]
	for i < len(b) && class[b[i]]&tokenByte != 0 {
		i++
	}
	return i
}

// trim returns v without white space (SP, HTAB) around it.
func trim(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	return v
}
