package desync

import (
	"bytes"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// lengths gathers what the Transfer-Encoding and Content-Length fields of a head
// say, those that only look like them included.
type lengths struct {
	te, cl  bool   // there is one
	chunked bool   // the latest transfer coding is chunked
	known   bool   // length is set
	length  uint64 // the first that is a number

	codings, numbers Reason // what is wrong with them
}

// addCodings takes the value of a Transfer-Encoding field.
func (l *lengths) addCodings(v []byte) {
	l.te = true
	for more := true; more; {
		var item []byte
		item, v, more = bytes.Cut(v, comma)
		item, _, _ = bytes.Cut(item, semicolon)
		item = trim(item)
		chunked := httpmsg.EqualFold(item, "chunked")
		switch {
		case chunked && l.chunked:
			l.codings.raise(MultipleTransferEncodingChunked)
		case chunked, httpmsg.EqualFold(item, "gzip"), httpmsg.EqualFold(item, "deflate"),
			httpmsg.EqualFold(item, "compress"), httpmsg.EqualFold(item, "identity"):
		default:
			// What is no coding does not come between two that are.
			l.codings.raise(BadTransferEncoding)
			continue
		}
		l.chunked = chunked
	}
}

var (
	comma     = []byte(",")
	semicolon = []byte(";")
)

// addNumber takes the value of a Content-Length field.
func (l *lengths) addNumber(v []byte) {
	l.cl = true
	n, ok := number(trim(v))
	switch {
	case !ok:
		l.numbers.raise(BadContentLength)
	case !l.known:
		l.known, l.length = true, n
	case n == l.length:
		l.numbers.raise(DuplicateContentLength)
	default:
		l.numbers.raise(MultipleContentLength)
	}
}

// number reads digits, perhaps none, up to 2^64-1.
func number(v []byte) (n uint64, ok bool) {
	const max = 1<<64 - 1
	for _, c := range v {
		d := uint64(c - '0')
		if d > 9 || n > (max-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// judge adds what the fields together mean for this method and version.
func (l *lengths) judge(verdict *Reason, method, version []byte) {
	switch {
	case l.te && string(version) <= "HTTP/1.0":
		verdict.raise(UndefinedTransferEncodingSemantics)
		return
	case l.cl && string(version) < "HTTP/1.0":
		verdict.raise(UndefinedContentLengthSemantics)
		return
	}
	verdict.raise(l.codings)
	verdict.raise(l.numbers)
	if string(method) == "GET" || string(method) == "HEAD" {
		if l.te {
			verdict.raise(UndefinedTransferEncodingSemantics)
		}
		if l.known && l.length == 0 {
			verdict.raise(GetHeadZeroContentLength)
		} else if l.known {
			verdict.raise(UndefinedContentLengthSemantics)
		}
	}
	if l.te && l.known {
		verdict.raise(BothTeClPresent)
	}
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
