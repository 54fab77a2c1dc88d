package desync

import (
	"bytes"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// Classify judges a request head: from its request line (without the empty line
// that may stand before it, RFC 9112 section 2.2) to its empty line. What follows
// the empty line is not looked at. A head that ends before it is judged as all
// there is.
func Classify(head []byte) (Tier, Reason) {
	r := classify(head, false)
	return r.Tier(), r
}

// ClassifyPart is Classify of a request that was refused while it arrived: that
// its end is not there is not held against it.
func ClassifyPart(head []byte) (Tier, Reason) {
	r := classify(head, true)
	return r.Tier(), r
}

func classify(b []byte, part bool) Reason {
	line, at, ended, crlf := nextLine(b, 0)
	var parsing, fields Reason
	if part && !ended {
		// The line may go on: where the URI ends is not known, so spaces say nothing.
		method, rest, _ := bytes.Cut(line, space)
		judgeMethod(&parsing, method)
		judgeURI(&parsing, rest)
		if parsing == SpaceInUri {
			return NoReason
		}
		return parsing
	}
	if !crlf {
		parsing.raise(NonCrLfLineTermination)
	}
	method, uri, version, whole := requestLine(line)
	if !whole {
		parsing.raise(MissingUri)
	}
	if string(version) >= "HTTP/2" {
		return NoReason
	}
	if len(trim(version)) == 0 {
		version = version09
	}

	var l lengths
	var name []byte      // of the latest field line
	named := false       // there was one
	contentType := false // it was Content-Type
	for at < len(b) || !part {
		if at >= len(b) {
			// Not even an empty line after the request line.
			parsing.raise(NonCrLfLineTermination)
			break
		}
		line, at, ended, crlf = nextLine(b, at)
		if part && !ended {
			// It may go on: only its bytes can be judged.
			name, value, _ := bytes.Cut(line, colonByte)
			judgeBytes(&fields, name, value)
			break
		}
		if !crlf {
			parsing.raise(NonCrLfLineTermination)
		}
		if len(line) == 0 {
			break
		}
		folded := line[0] == ' ' || line[0] == '\t'
		first, rest, colon := bytes.Cut(line, colonByte)
		if colon && !folded {
			name, named = first, true
			contentType = httpmsg.EqualFold(first, "content-type")
		}
		switch {
		case folded && named && (contentType || !colon):
			// It continues the field before it. Of Content-Type that is a media
			// type in a message (RFC 7230 section 3.2.4) even if it has a colon.
			judgeField(&fields, &l, name, first)
		default:
			// A field, or what one that begins with white space may be taken for.
			judgeField(&fields, &l, first, rest)
		}
		switch {
		case folded && !contentType:
			parsing.raise(MultilineHeader)
		case !folded && !colon:
			parsing.raise(MissingHeaderColon)
		}
		if !ended {
			parsing.raise(PartialHeaderLine)
			break
		}
		if at == len(b) && !part {
			parsing.raise(MissingLastEmptyLine)
			break
		}
	}

	verdict := parsing
	verdict.raise(fields)
	l.judge(&verdict, method, version)
	judgeMethod(&verdict, method)
	judgeVersion(&verdict, version)
	judgeURI(&verdict, uri)
	return verdict
}

var (
	space     = []byte(" ")
	colonByte = []byte(":")
	version09 = []byte("HTTP/0.9")
)

// nextLine cuts the line that begins at b[at], without its end. ended tells
// whether a LF ends it, and crlf whether a CR stands at its end.
func nextLine(b []byte, at int) (line []byte, next int, ended, crlf bool) {
	line, next = b[at:], len(b)
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line, next, ended = line[:i], at+i+1, true
	}
	if n := len(line) - 1; n >= 0 && line[n] == '\r' {
		line, crlf = line[:n], true
	}
	return line, next, ended, crlf
}

// requestLine cuts a request line: the method ends at the first space, the version
// begins after the last one that has a token byte after it. With one word after
// the method there is no version (HTTP/0.9), unless that word is one; whole is
// false when there is no URI.
func requestLine(line []byte) (method, uri, version []byte, whole bool) {
	method, rest, ok := bytes.Cut(line, space)
	if !ok || len(rest) == 0 {
		return method, nil, nil, false
	}
	k, token := len(rest)-1, false
	for k > 0 && (rest[k] != ' ' || !token) {
		token = token || class[rest[k]]&notToken == 0
		k--
	}
	switch {
	case rest[k] == ' ':
		return method, rest[:k], rest[k+1:], len(rest) > 1
	case bytes.HasPrefix(rest, version1):
		return method, nil, rest, false
	}
	return method, rest, nil, true
}

var version1 = []byte("HTTP/1.")

// judgeField judges one field, and hands its value to l if it is about
// the length of the body or looks as if it were.
func judgeField(verdict *Reason, l *lengths, name, value []byte) {
	bad := judgeBytes(verdict, name, value)
	te, like := framing(name)
	switch {
	case len(trim(name)) == 0:
		verdict.raise(EmptyHeader)
		return
	case like == distant:
		return
	case like == similar && bad:
		return // Severe already; its value is not what it would be read as
	case like == similar:
		verdict.raise(SuspiciousHeader)
	}
	if te {
		l.addCodings(value)
	} else {
		l.addNumber(value)
	}
}

// judgeBytes judges the bytes of a field; bad tells of CR, LF or NUL.
func judgeBytes(verdict *Reason, name, value []byte) (bad bool) {
	set := classes(name)&(notToken|badByte) | valueClasses(value)
	switch {
	case set&badByte != 0:
		verdict.raise(BadHeader)
		return true
	case set != 0:
		verdict.raise(NonCompliantHeader)
	}
	return false
}

func judgeMethod(verdict *Reason, method []byte) {
	if classes(method)&notToken != 0 {
		verdict.raise(BadMethod)
	}
}

func judgeVersion(verdict *Reason, version []byte) {
	v := trim(version)
	if string(v) == "HTTP/0.9" {
		verdict.raise(NonCompliantVersion)
		return
	}
	if len(v) != len("HTTP/1.1") || !bytes.HasPrefix(v, version1) || v[7]-'0' > 9 {
		verdict.raise(BadVersion)
		return
	}
	if len(v) != len(version) || v[7] > '1' {
		verdict.raise(NonCompliantVersion)
	}
}

func judgeURI(verdict *Reason, uri []byte) {
	set := classes(uri)
	switch {
	case set&badByte != 0:
		verdict.raise(BadUri)
	case set&notURI != 0:
		verdict.raise(AmbiguousUri)
	case set&spaceByte != 0:
		verdict.raise(SpaceInUri)
	}
}
