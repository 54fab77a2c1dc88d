package sticky

import (
	"sync/atomic"
	"time"
)

// lifetime is how long user agents keep our cookies. It is ELB's, whatever the
// stickiness duration: that is checked here.
const lifetime = 7 * 24 * time.Hour

// expiresLayout is the date format of RFC 9110 section 5.6.7.
const expiresLayout = "Mon, 02 Jan 2006 15:04:05 GMT"

// Issuer writes the Set-Cookie lines that bind clients to one thing, as they are
// to be sent. What they say changes once a second, so they are made once a
// second and shared by all responses in it: that two clients of the same second
// hold equal cookies tells them only that they share a target. Methods may be
// called by any goroutine.
type Issuer struct {
	keys  *Keys
	token Token // Issued is set for each second
	now   atomic.Pointer[issued]
}

type issued struct {
	second int64
	lines  []byte
}

// NewIssuer returns an Issuer of cookies that say t.
func NewIssuer(k *Keys, t Token) *Issuer { return &Issuer{keys: k, token: t} }

// Lines returns the Set-Cookie lines for the Unix time now, in seconds, each
// with its CRLF. The caller must not change them.
func (s *Issuer) Lines(now int64) []byte {
	if i := s.now.Load(); i != nil && i.second == now {
		return i.lines
	}
	t := s.token
	t.Issued = now
	value := s.keys.Seal(t)
	end := "; Expires=" + time.Unix(now, 0).Add(lifetime).UTC().Format(expiresLayout) + "; Path=/"
	var lines []byte
	line := func(name, attributes string) {
		lines = append(lines, "Set-Cookie: "+name+"="+value+end+attributes+"\r\n"...)
	}
	const crossOrigin = "; SameSite=None; Secure"
	switch t.Kind {
	case Target:
		line(TargetCookie, "")
		line(TargetCORSCookie, crossOrigin)
	case Group:
		line(GroupCookie, "")
		line(GroupCORSCookie, crossOrigin)
	case Application:
		line(ApplicationCookie, "")
	}
	s.now.Store(&issued{now, lines})
	return lines
}
