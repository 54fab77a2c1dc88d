package sticky

import "bytes"

// The names of our cookies (ALB user guide, "Sticky sessions"). Of each pair the
// second is for cross-origin requests, and wins when both come.
const (
	TargetCookie      = "AWSALB"
	TargetCORSCookie  = "AWSALBCORS"
	GroupCookie       = "AWSALBTG"
	GroupCORSCookie   = "AWSALBTGCORS"
	ApplicationCookie = "AWSALBAPP-0"
)

// ReservedPrefix begins the cookie names that applications must not use.
const ReservedPrefix = "AWSALB"

// Cookies goes through the name-value pairs of a Cookie field (RFC 6265 section
// 4.2.1), calling f for each until it returns false. It is as lenient as user
// agents and servers are: a pair without "=" is skipped, white space around names and
// values is not part of them, and a value's quotes stay.
func Cookies(field []byte, f func(name, value []byte) bool) {
	for len(field) > 0 {
		pair := field
		if i := bytes.IndexByte(field, ';'); i >= 0 {
			pair, field = field[:i], field[i+1:]
		} else {
			field = nil
		}
		i := bytes.IndexByte(pair, '=')
		if i < 0 {
			continue
		}
		if name := trim(pair[:i]); len(name) > 0 && !f(name, trim(pair[i+1:])) {
			return
		}
	}
}

// Sets tells whether a Set-Cookie field sets the cookie of the given name to a
// value, rather than to nothing.
func Sets(field []byte, name string) bool {
	i := bytes.IndexByte(field, '=')
	if i < 0 || string(trim(field[:i])) != name {
		return false
	}
	value := field[i+1:]
	if j := bytes.IndexByte(value, ';'); j >= 0 {
		value = value[:j]
	}
	return len(trim(value)) > 0
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
