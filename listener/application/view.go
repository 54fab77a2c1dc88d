package application

import (
	"bytes"
	"math/bits"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/netio"
)

// Targets do not agree on what a path says. Tomcat reads "/a/..;/b" as /b, Go as a
// segment named "..;"; a mux that resolves dot segments sees /b in "/a/../b", a
// handler that does not sees something under /a. The path is forwarded as it
// came, so a rule that was applied to one reading may be got round by whoever
// knows that the target has another.
//
// So rules are asked for every reading that the path's spelling allows. The
// canonical one decides; when another one comes to a rule that says something
// else, the request is refused (AmbiguousPath). Paths without any of this, which
// is all that a browser makes, have one reading and are matched once.

// view says in which ways a reading of a path differs from the canonical one.
type view uint8

const (
	viewSlash            view = 1 << iota // %2F is no slash
	viewEncodedBackslash                  // %5C is no slash
	viewBackslash                         // '\' is no slash
	viewParams                            // what follows ';' belongs to the segment
	viewTwice                             // decoded once more
	viewAuthority                         // of "//host/path" only /path is the path (RFC 3986 section 4.2)
	viewDots                              // %2E makes no dot segment: decoded after those were resolved
	viewEncodedParams                     // decoded before parameters are taken off: %3B begins one, %2F ends it
)

// dotting says what a reading makes of dot segments and empty segments.
type dotting uint8

const (
	dotsResolved dotting = iota // slashes are merged, then dot segments resolved
	dotsFirst                   // resolved first: ".." takes an empty segment away
	dotsKept                    // slashes are merged, dot segments are names
	numDottings
)

// Bounds of what one request can make us do: how often the rules are asked, and
// how many bytes they are asked of in all. What has more readings has four oddities
// in one path; no client means that. A long path may have few: at 24, 16 KiB took
// 3 ms.
const (
	maxViews     = 24
	maxViewBytes = 32 << 10
)

// appendView appends path to dst, which is empty, as v and d read it.
func appendView(dst, path []byte, v view, d dotting) []byte {
	if v&viewAuthority != 0 {
		path = afterAuthority(path)
	}
	dst = appendPlain(dst, path, v)
	if v&viewTwice != 0 {
		dst = decodeAgain(dst, v)
	}
	switch d {
	case dotsFirst:
		return mergeSlashes(resolveDots(dst, false))
	case dotsKept:
		return mergeSlashes(dst)
	}
	return resolveDots(dst, true)
}

// afterAuthority is what follows the authority of a network-path reference.
func afterAuthority(path []byte) []byte {
	i := 0
	for i < len(path) && (path[i] == '/' || path[i] == '\\') {
		i++
	}
	for i < len(path) && path[i] != '/' && path[i] != '\\' {
		i++
	}
	if i == len(path) {
		return slash
	}
	return path[i:]
}

// viewsOf returns the ways in which path can be read otherwise.
func viewsOf(path []byte) (v view) {
	if len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		v |= viewAuthority
	}
	for i, c := range path {
		switch c {
		case '\\':
			v |= viewBackslash
		case ';':
			v |= viewParams
		case '%':
			if i+2 >= len(path) {
				continue
			}
			switch d, ok := unhex(path[i+1], path[i+2]); {
			case !ok:
				// "%%34%31" is "%41" and then "A".
				v |= viewTwice
			case d == '/':
				v |= viewSlash
				if v&viewParams != 0 {
					v |= viewEncodedParams
				}
			case d == '\\':
				v |= viewEncodedBackslash
			case d == '.':
				v |= viewDots
			case d == ';':
				v |= viewEncodedParams
			case d == '%':
				v |= viewTwice
			}
		}
	}
	return v
}

// match finds the rule that decides on the request; ok is false when readings of
// its path that are possible come to different ones.
func (x *exchange) match() (i int, ok bool) {
	l, path := x.bind.Listener, x.requestPath()
	if !needsCanonical(path) {
		x.ruleIn.Path = path
		return l.Rules.Match(&x.ruleIn), true
	}
	scratch := x.pathArr[:0]
	if 3*len(path) > len(x.pathArr) { // "%" becomes "%25"
		b := netio.GetBuf()
		defer netio.PutBuf(b)
		scratch = b[:0]
	}
	x.ruleIn.Path = appendView(scratch, path, 0, dotsResolved)
	i = l.Rules.Match(&x.ruleIn)
	// What no target gets, none can read in another way.
	ok = l.Action(i).Type != config.Forward ||
		agree(l.Rules, &x.ruleIn, path, scratch, i, l.Default.Type != config.Forward)
	x.ruleIn.Path = nil
	return i, ok
}

// agree tells whether no reading of path comes to a rule that the canonical one,
// which came to rule i, gets round. That no rule matches counts only if the default
// action guards: one that forwards says nothing about who may see what. scratch is
// empty and has room for three times the path.
func agree(rules *rule.Set, in *rule.Request, path, scratch []byte, i int, guards bool) bool {
	if !rules.ByPath() {
		return true
	}
	views, dottings := viewsOf(path), dotting(1)
	// The reading with the most slashes has all dot segments that any has.
	if hasDotSegment(appendView(scratch, path, views&viewTwice, dotsKept)) {
		dottings = numDottings
	} else {
		views &^= viewDots // it is a dot in a name, and no more
	}
	if n := int(dottings) << bits.OnesCount8(uint8(views)); n > maxViews || n > 1 && n*len(path) > maxViewBytes {
		return false
	}
	for v := views; ; v = (v - 1) & views { // all subsets, the empty one last
		for d := range dottings {
			if v == 0 && d == dotsResolved {
				continue // the canonical form
			}
			in.Path = appendView(scratch, path, v, d)
			if v&viewTwice != 0 && badPath(in.Path) {
				return false
			}
			if j := rules.Match(in); j != i && (j >= 0 || guards) {
				return false
			}
		}
		if v == 0 {
			return true
		}
	}
}

// badPath tells whether path has what only serves to mislead a decoder: an encoded
// NUL, at which some end the path, a character in UTF-8 that is longer than it
// may be (%C0%AF for '/', RFC 3629 section 3), or ASCII in the %uXXXX of old
// scripts. It does not refuse what else is not UTF-8: there are paths in Latin-1.
func badPath(path []byte) bool {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return false
		}
		path = path[i:]
		if len(path) >= 6 && path[1]|0x20 == 'u' {
			h, ok1 := unhex(path[2], path[3])
			l, ok2 := unhex(path[4], path[5])
			if ok1 && ok2 && h == 0 && l < 0x80 {
				return true
			}
		}
		switch c, ok := encodedByte(path, 0); {
		case !ok:
		case c == 0:
			return true
		case c >= 0xc0:
			// The second byte says whether it is too long; that it continues the
			// first and is no letter of its own, the two high bits.
			d, ok := encodedByte(path, 1)
			if !ok || d&0xc0 != 0x80 {
				break
			}
			switch c {
			case 0xc0, 0xc1:
				return true
			case 0xe0:
				e, ok := encodedByte(path, 2)
				if d < 0xa0 && ok && e&0xc0 == 0x80 {
					return true
				}
			case 0xf0:
				if d < 0x90 {
					return true
				}
			case 0xf8:
				if d < 0x88 {
					return true
				}
			case 0xfc:
				if d < 0x84 {
					return true
				}
			}
		}
		path = path[1:]
	}
}

// encodedByte is the n-th of the percent-encoded bytes that path begins with.
func encodedByte(path []byte, n int) (byte, bool) {
	if n *= 3; n+2 < len(path) && path[n] == '%' {
		return unhex(path[n+1], path[n+2])
	}
	return 0, false
}
