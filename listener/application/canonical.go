package application

import "bytes"

// canonicalPath is the form of a path that rules see: percent-encoded
// characters decoded where they are printable ASCII, backslashes taken for
// slashes, repeated slashes merged, and dot segments resolved (RFC 3986 sections
// 5.2.4 and 6.2.2). What is forwarded is the path as received.
//
// It is decoded once, as a target would: an encoded '%' stays encoded, and so
// does one that encodes nothing. The canonical form of a canonical form is
// itself.
//
// path begins with a slash. One that is canonical already, as nearly all are, is
// returned as it is; else the result is appended to dst, which is empty.
func canonicalPath(dst, path []byte) []byte {
	if !needsCanonical(path) {
		return path
	}
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b == '%' {
			v, ok := byte('%'), false
			if i+2 < len(path) {
				v, ok = unhex(path[i+1], path[i+2])
			}
			switch {
			case !ok: // a '%' that is not followed by what could be decoded next time
				dst = append(dst, "%25"...)
				continue
			case v > ' ' && v < 0x7f && v != '%':
				b = v
				i += 2
			}
		}
		if b == '\\' {
			b = '/'
		}
		dst = append(dst, b)
	}
	return resolveDots(dst)
}

func needsCanonical(path []byte) bool {
	if bytes.IndexByte(path, '%') >= 0 || bytes.IndexByte(path, '\\') >= 0 {
		return true
	}
	for i := 0; i+1 < len(path); i++ {
		if path[i] == '/' && (path[i+1] == '/' || path[i+1] == '.') {
			return true
		}
	}
	return false
}

// resolveDots merges slashes and resolves "." and "..", in place.
func resolveDots(p []byte) []byte {
	out := p[:0]
	for i := 0; i < len(p); {
		// p[i] is a slash; find the segment behind it.
		for i < len(p) && p[i] == '/' {
			i++
		}
		j := i
		for j < len(p) && p[j] != '/' {
			j++
		}
		seg := p[i:j]
		last := j == len(p)
		switch {
		case len(seg) == 0 || len(seg) == 1 && seg[0] == '.':
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
