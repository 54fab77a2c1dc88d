package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// inspection looks through a text before it is parsed, for what must not get as
// far as that: bytes that no YAML text may hold, which the library finds, too,
// but without saying where, and what would make it take more time and memory
// than the text is worth.
type inspection struct {
	data  []byte
	marks int // counted against MaxMarks; those of other files at the start

	// The first problem and its place; "" if there is none.
	problem      string
	line, column int
}

// byteOrderMark may stand at the start of a file.
const byteOrderMark = 0xfeff

// tagDirective starts a line that declares a short form of tags. The library
// compares each with all others, and tags have no meaning here.
const tagDirective = "%TAG"

func (in *inspection) run() {
	in.line, in.column = 1, 1
	blank := true // whether a blank, or nothing, is before i
	for i := 0; i < len(in.data); in.column++ {
		c := in.data[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(in.data[i:])
			if in.problem = badRune(r, size, c, i); in.problem != "" {
				return
			}
			i, blank = i+size, false
			continue
		}
		switch c {
		case ',', '[', '{':
			in.marks += 2
		case ':', '&', '!':
			in.marks++
		case '-', '?':
			if i+1 == len(in.data) || isBlank(in.data[i+1]) {
				in.marks++
			}
		case '#':
			if blank {
				in.marks++
			}
		case '%':
			if in.column == 1 && bytes.HasPrefix(in.data[i:], []byte(tagDirective)) {
				in.problem = "the YAML directive " + tagDirective + " has no meaning here; remove it"
				return
			}
		case '\r':
			if i+1 == len(in.data) || in.data[i+1] != '\n' {
				in.problem = "a carriage return without a line feed is a line break to some programs only; end lines with a line feed"
				return
			}
		case '\n':
			in.line, in.column = in.line+1, 0
		case '\t':
		default:
			if c < ' ' || c == 0x7f {
				in.problem = badControl(rune(c))
				return
			}
		}
		if in.marks > MaxMarks {
			in.problem = fmt.Sprintf("too many values: in all files together there may be %d of , [ { : - ? & ! and #, the first three counted twice", MaxMarks)
			return
		}
		i, blank = i+1, isBlank(c)
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func badControl(r rune) string {
	return fmt.Sprintf("the control character %U is not allowed in a configuration file", r)
}

// badRune says why a character beyond ASCII, whose first byte and place in the
// text are given, is not allowed; "" if it is.
func badRune(r rune, size int, first byte, at int) string {
	switch {
	case r == utf8.RuneError && size <= 1:
		return fmt.Sprintf("not UTF-8 text: byte 0x%02x", first)
	case r == 0x85, r == 0x2028, r == 0x2029:
		// The library counts them as line breaks, as YAML 1.1 did; editors
		// and YAML 1.2 do not.
		return fmt.Sprintf("%U is a line break to some programs only; end lines with a line feed", r)
	case r < 0xa0, r == 0xfffe, r == 0xffff:
		return badControl(r)
	case r == byteOrderMark && at > 0:
		return "a byte order mark (U+FEFF) may only stand at the start of a file"
	}
	return ""
}
