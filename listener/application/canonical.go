package application

import "bytes"

// canonicalPath is the form of a path that rules see: parameters (";…") taken
// off each segment, percent-encoded characters decoded where they are printable
// ASCII, what stays encoded in upper case, backslashes taken for slashes,
// repeated slashes merged, and dot segments resolved (RFC 3986 sections 5.2.4 and
// 6.2.2). What is forwarded is the path as received.
//
// It is decoded once, as a target would: an encoded '%' stays encoded, and so
// does one that encodes nothing, and so does ';', which is no parameter then.
// The canonical form of a canonical form is itself.
//
// It is one of several ways to read a path; see view for the others.
//
// path begins with a slash. One that is canonical already, as nearly all are, is
// returned as it is; else the result is appended to dst, which is empty.
func canonicalPath(dst, path []byte) []byte {
	if !needsCanonical(path) {
		return path
	}
	return appendView(dst, path, 0, dotsResolved)
}

// unusual marks the bytes that make a path another than its canonical form, or
// may. Slashes and dots are looked at in pairs.
var unusual = [256]bool{'%': true, '\\': true, ';': true}

func needsCanonical(path []byte) bool {
	after := byte(0)
	for _, c := range path {
		if unusual[c] || after == '/' && (c == '/' || c == '.') {
			return true
		}
		after = c
	}
	return false
}

// appendPlain appends path without parameters, decoded once, as v reads it.
func appendPlain(dst, path []byte, v view) []byte {
	for i := 0; i < len(path); i++ {
		switch b := path[i]; {
		case b == ';' && v&viewEncodedParams != 0:
			i = segmentEnd(path, i+1, v) - 1
		case b == ';' && v&viewParams == 0:
			n := bytes.IndexByte(path[i:], '/')
			if n < 0 {
				return dst
			}
			i += n - 1
		case b == '\\' && v&viewBackslash == 0:
			dst = append(dst, '/')
		case b != '%':
			dst = append(dst, b)
		default:
			c, ok := byte(0), false
			if i+2 < len(path) {
				c, ok = unhex(path[i+1], path[i+2])
			}
			if !ok { // a '%' that is not followed by what could be decoded next time
				dst = append(dst, "%25"...)
				continue
			}
			if c == ';' && v&viewEncodedParams != 0 {
				i = segmentEnd(path, i+3, v) - 1
				continue
			}
			dst = appendDecoded(dst, c, v)
			i += 2
		}
	}
	return dst
}

// segmentEnd is where the segment ends that path[i] is in, for who decodes first.
func segmentEnd(path []byte, i int, v view) int {
	for ; i < len(path); i++ {
		switch path[i] {
		case '/':
			return i
		case '\\':
			if v&viewBackslash == 0 {
				return i
			}
		case '%':
			if v&viewSlash == 0 && i+2 < len(path) && path[i+1] == '2' && path[i+2]|0x20 == 'f' {
				return i
			}
		}
	}
	return i
}

// decodeAgain decodes what appendPlain made of path a second time, in place.
func decodeAgain(path []byte, v view) []byte {
	out := path[:0]
	for i := 0; i < len(path); i++ {
		if i+4 < len(path) && string(path[i:i+3]) == "%25" {
			if c, ok := unhex(path[i+3], path[i+4]); ok {
				out = appendDecoded(out, c, v)
				i += 4
				continue
			}
		}
		out = append(out, path[i])
	}
	return out
}

// appendDecoded appends the character that %XX stands for, or %XX where it stays
// encoded.
func appendDecoded(dst []byte, c byte, v view) []byte {
	switch {
	case c == '/' && v&viewSlash == 0, c == '\\' && v&viewEncodedBackslash == 0:
		return append(dst, '/')
	case c <= ' ', c >= 0x7f, c == '%', c == ';', c == '/', c == '\\', c == '.' && v&viewDots != 0:
		const digits = "0123456789ABCDEF"
		return append(dst, '%', digits[c>>4], digits[c&15])
	}
	return append(dst, c)
}

// resolveDots resolves "." and "..", in place. With merge, empty segments count
// for nothing; without, "/a//.." is "/a/", as RFC 3986 section 5.2.4 has it.
func resolveDots(p []byte, merge bool) []byte {
	out := p[:0]
	for i := 0; i < len(p); {
		// p[i] is a slash; find the segment behind it.
		i++
		for merge && i < len(p) && p[i] == '/' {
			i++
		}
		j := i
		for j < len(p) && p[j] != '/' {
			j++
		}
		seg := p[i:j]
		last := j == len(p)
		switch {
		case len(seg) == 0 && merge, len(seg) == 1 && seg[0] == '.':
			if last {
				out = append(out, '/')
			}
		case len(seg) == 2 && seg[0] == '.' && seg[1] == '.':
			if k := bytes.LastIndexByte(out, '/'); k >= 0 {
				out = out[:k]
			}
			if last {
				out = append(out, '/')
			}
		default:
			out = append(out, '/')
			out = append(out, seg...)
		}
		i = j
	}
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out
}

// mergeSlashes merges repeated slashes, in place.
func mergeSlashes(p []byte) []byte {
	out := p[:0]
	for i, c := range p {
		if c != '/' || i == 0 || p[i-1] != '/' {
			out = append(out, c)
		}
	}
	return out
}

// hasDotSegment tells whether a segment of p is "." or "..".
func hasDotSegment(p []byte) bool {
	for i := 0; i+1 < len(p); i++ {
		if p[i] != '/' || p[i+1] != '.' {
			continue
		}
		j := i + 2
		if j < len(p) && p[j] == '.' {
			j++
		}
		if j == len(p) || p[j] == '/' {
			return true
		}
	}
	return false
}

func unhex(a, b byte) (byte, bool) {
	h, ok1 := hexDigit(a)
	l, ok2 := hexDigit(b)
	return h<<4 | l, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
