package gate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxRepeat bounds one repetition in a case, in bytes.
const maxRepeat = 4 << 20

// unescape reads the notation in which testdata has raw bytes: \r \n \t \\ \{
// and \xHH, and {text*N} for N times text, which may have escapes itself. All
// other bytes stand for themselves.
func unescape(s string) ([]byte, error) {
	var out []byte
	for s != "" {
		switch s[0] {
		case '{':
			end := closing(s)
			if end < 0 {
				return nil, errors.New("{ without }: write \\{ for the byte")
			}
			b, err := repeat(s[1:end])
			if err != nil {
				return nil, err
			}
			out, s = append(out, b...), s[end+1:]
		case '\\':
			b, rest, err := escape(s)
			if err != nil {
				return nil, err
			}
			out, s = append(out, b), rest
		default:
			out, s = append(out, s[0]), s[1:]
		}
	}
	return out, nil
}

// closing is the index of the } that ends s, which begins with {; -1 if there is
// none. Repetitions do not nest.
func closing(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '}':
			return i
		}
	}
	return -1
}

// repeat expands the inside of {text*N}.
func repeat(s string) ([]byte, error) {
	i := strings.LastIndexByte(s, '*')
	if i <= 0 {
		return nil, fmt.Errorf("{%s}: want {text*N}", s)
	}
	n, err := strconv.Atoi(s[i+1:])
	if err != nil || n < 0 || n > maxRepeat {
		return nil, fmt.Errorf("{%s}: %q is no count", s, s[i+1:])
	}
	b, err := unescape(s[:i])
	if err != nil {
		return nil, err
	}
	if n*len(b) > maxRepeat {
		return nil, fmt.Errorf("{%s}: more than %d bytes", s, maxRepeat)
	}
	return []byte(strings.Repeat(string(b), n)), nil
}

// escape reads the escape that s begins with.
func escape(s string) (b byte, rest string, err error) {
	if len(s) < 2 {
		return 0, "", errors.New("\\ at the end")
	}
	switch s[1] {
	case 'r':
		return '\r', s[2:], nil
	case 'n':
		return '\n', s[2:], nil
	case 't':
		return '\t', s[2:], nil
	case '\\', '{', '}':
		return s[1], s[2:], nil
	case 'x':
		if len(s) >= 4 {
			if v, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				return byte(v), s[4:], nil
			}
		}
		return 0, "", fmt.Errorf("%.4s: want \\x and two hex digits", s)
	}
	return 0, "", fmt.Errorf("unknown escape %.2s", s)
}
