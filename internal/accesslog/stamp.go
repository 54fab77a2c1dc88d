package accesslog

import (
	"strconv"
	"time"
)

// stamper formats times. It keeps the text of recent seconds: a line has two
// times, and under load nearly all lines fall into the same few seconds. Sixteen
// of them, so that requests that take some seconds do not evict each other; with
// two, a steady duration of an even number of seconds missed on every line.
type stamper struct {
	recent [16]second
}

type second struct {
	unix  int64
	valid bool
	text  [len("2006-01-02T15:04:05")]byte
}

// appendTime appends ns, a Unix time in nanoseconds, as ISO 8601 in UTC with
// microseconds, such as 2018-07-02T22:23:00.186641Z.
func (s *stamper) appendTime(dst []byte, ns int64) []byte {
	sec := ns / 1e9
	rest := ns % 1e9
	if rest < 0 { // before 1970
		sec--
		rest += 1e9
	}
	c := &s.recent[sec&int64(len(s.recent)-1)]
	if c.unix != sec || !c.valid {
		time.Unix(sec, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05")
		c.unix, c.valid = sec, true
	}
	dst = append(dst, c.text[:]...)
	dst = append(dst, '.')
	dst = appendDigits(dst, uint64(rest/1000), 6)
	return append(dst, 'Z')
}

// appendDigits appends n with exactly width digits (at most eight), padded with zeros.
func appendDigits(dst []byte, n uint64, width int) []byte {
	const zeros = "00000000"
	dst = append(dst, zeros[:width]...)
	for i := len(dst) - 1; n > 0 && i >= len(dst)-width; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// appendSeconds appends a duration of ns nanoseconds as seconds with three
// decimals, rounded to the nearest, or -1 when it is negative.
func appendSeconds(dst []byte, ns int64) []byte {
	if ns < 0 {
		return append(dst, '-', '1')
	}
	ms := uint64(ns)/1e6 + (uint64(ns)%1e6)/5e5
	dst = strconv.AppendUint(dst, ms/1000, 10)
	dst = append(dst, '.')
	return appendDigits(dst, ms%1000, 3)
}
