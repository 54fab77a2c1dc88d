package desync

import "encoding/binary"

// likeness says how near a field name comes to one that frames a message.
type likeness uint8

const (
	distant likeness = iota
	similar          // the same letters, with something else between or around them
	exact            // the same name in any case
)

const (
	transferEncoding = "transfer-encoding"
	contentLength    = "content-length"
)

// compare tells how near name comes to want, which is in lower case: whether an
// implementation that trims, skips or replaces bytes could take it for want.
//
// White space and control bytes between letters do not count, nor what is
// neither letter nor digit before the name, after it, and around the hyphen, for
// which any one byte may stand. Long s and dotless i are the letters that
// they become in upper case. What begins like want and has no letter or digit
// after that is near, too.
func compare(want string, name []byte) likeness {
	if len(name) < len(want) {
		return distant
	}
	i := alphanumeric(name, 0)
	same := i == 0 && len(name) == len(want)
	for k := 0; k < len(want); k++ {
		if i == len(name) {
			return distant
		}
		n, ok := letter(want[k], name, i)
		if want[k] == '-' {
			same = same && ok
			i = alphanumeric(name, n)
			continue
		}
		if !ok {
			break
		}
		for i = n; i < len(name) && name[i] <= ' '; i++ {
		}
	}
	switch {
	case i == len(name) && same:
		return exact
	case i == len(name) || alphanumeric(name, i) == len(name):
		return similar
	}
	return distant
}

// letter tells whether c, in lower case, stands at name[i] in any case, and the
// index after it.
func letter(c byte, name []byte, i int) (next int, ok bool) {
	b := name[i]
	if b-'A' < 26 {
		b |= 0x20
	}
	if b == c {
		return i + 1, true
	}
	if i+1 < len(name) {
		// U+017F and U+0131 in UTF-8.
		if c == 's' && b == 0xc5 && name[i+1] == 0xbf || c == 'i' && b == 0xc4 && name[i+1] == 0xb1 {
			return i + 2, true
		}
	}
	return i + 1, false
}

// alphanumeric returns the index of the first ASCII letter or digit at or after
// i, or len(b).
func alphanumeric(b []byte, i int) int {
	for i < len(b) && class[b[i]]&alphanumericByte == 0 {
		i++
	}
	return i
}

// framing tells which framing field a name is, or is near to; te false with a
// likeness means Content-Length.
func framing(name []byte) (te bool, l likeness) {
	// Both begin with a letter that nothing else is taken for, and are long: so
	// most names are sorted out here.
	if len(name) < len(contentLength) {
		return false, distant
	}
	switch c := name[0]; {
	case c|0x20 == 't' || c|0x20 == 'c':
	case class[c]&alphanumericByte != 0:
		return false, distant
	}
	if l = compare(transferEncoding, name); l != distant {
		return true, l
	}
	return false, compare(contentLength, name)
}

// Classes of bytes; a set bit is what a byte is not allowed as, but for the last.
const (
	notToken         = 1 << iota // in a name or method: RFC 9110 section 5.6.2
	notValue                     // in a value: control bytes other than HTAB
	notURI                       // in a URI: control bytes and SP
	badByte                      // CR, LF, NUL: in none of them
	spaceByte                    // SP, which in a URI is the lesser evil
	alphanumericByte             // ASCII letter or digit
)

var class = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		switch {
		case c-'0' < 10, c|0x20-'a' < 26:
			t[i] = alphanumericByte
		default:
			t[i] = notToken
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			t[i] |= notValue
		}
		if c < ' ' || c == 0x7f {
			t[i] |= notURI
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] &^= notToken
	}
	for _, c := range "\r\n\x00" {
		t[c] |= badByte
	}
	t[' '] |= spaceByte
	return t
}()

// valueClasses is the union of what of the classes concerns the bytes of a value.
func valueClasses(b []byte) (set uint8) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		// Of eight printable bytes none has or gets the high bit here; and those
		// have nothing to report.
		x := binary.LittleEndian.Uint64(b)
		if (x|(x-' '*ones)|(x+ones))&highs != 0 {
			set |= classes(b[:8])
		}
		b = b[8:]
	}
	return (set | classes(b)) & (notValue | badByte)
}

// classes is the union of the classes of the bytes of b.
func classes(b []byte) (set uint8) {
	for _, c := range b {
		set |= class[c]
	}
	return set
}
