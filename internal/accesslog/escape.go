package accesslog

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789ABCDEF"

// view returns the bytes of s without copying; they must not be written.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// plain reports whether b stands for itself in every format: printable ASCII
// from low on, except the quote and the backslash.
func plain(b, low byte) bool { return b >= low && b < 0x7f && b != '"' && b != '\\' }

// plainPrefix returns how many bytes at the start of s are plain. It looks at
// eight bytes at a time, the last eight again where the length is no multiple of
// eight: in the common case, in which nothing needs escaping, no byte is looked
// at alone.
func plainPrefix(s []byte, low byte) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if !plainWord(binary.LittleEndian.Uint64(s[i:]), low) {
			break
		}
	}
	if n := len(s); n >= 8 && i+8 > n && plainWord(binary.LittleEndian.Uint64(s[n-8:]), low) {
		return n
	}
	for i < len(s) && plain(s[i], low) {
		i++
	}
	return i
}

// plainWord reports whether all eight bytes of x are plain.
func plainWord(x uint64, low byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	lows := ones * uint64(low)
	quote := x ^ ones*'"'
	slash := x ^ ones*'\\'
	del := x ^ ones*0x7f
	// For each byte, the high bit of v-n is set when v < n; a borrow from a
	// lower byte can set it wrongly, but only when that lower byte is one to
	// escape, so the word as a whole is judged rightly.
	bad := (x-lows)&^x | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del | x
	return bad&highs == 0
}

// appendEscaped appends s so that it cannot end its field or its line: every
// byte outside printable ASCII, the quote and the backslash become \xNN with
// upper-case digits; so does the space when low is '!'. ELB itself logs a quote
// as \x22. A backslash in the log is therefore always the start of an escape,
// and the text can be restored byte by byte. At most limit bytes are appended.
func appendEscaped(dst, s []byte, low byte, limit int) []byte {
	if len(s) > limit {
		s = s[:limit]
	}
	n := plainPrefix(s, low)
	end := len(dst) + limit
	dst = append(dst, s[:n]...)
	for _, b := range s[n:] {
		if plain(b, low) {
			if len(dst)+1 > end {
				break
			}
			dst = append(dst, b)
			continue
		}
		if len(dst)+4 > end {
			break
		}
		dst = append(dst, '\\', 'x', hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

// appendJSONString appends s as a JSON string of ASCII characters, so that the
// line is harmless on any terminal: control characters, the quote, the
// backslash and characters outside ASCII become \uNNNN. A byte that is not
// valid UTF-8 becomes \uFFFD. At most limit bytes are appended between the
// quotes.
func appendJSONString(dst, s []byte, limit int) []byte {
	if len(s) > limit {
		s = s[:limit]
	}
	dst = append(dst, '"')
	n := plainPrefix(s, ' ')
	end := len(dst) + limit
	dst = append(dst, s[:n]...)
	for s = s[n:]; len(s) > 0; {
		b := s[0]
		if plain(b, ' ') {
			if len(dst)+1 > end {
				break
			}
			dst = append(dst, b)
			s = s[1:]
			continue
		}
		r, size := rune(b), 1
		if b >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(s)
		}
		if len(dst)+12 > end {
			break
		}
		if r > 0xffff {
			r -= 0x10000
			dst = appendUnicode(dst, 0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		dst = appendUnicode(dst, r)
		s = s[size:]
	}
	return append(dst, '"')
}

func appendUnicode(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
