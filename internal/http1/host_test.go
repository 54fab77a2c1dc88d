package http1

import (
	"net/netip"
	"strings"
	"testing"
)

func TestHostPort(t *testing.T) {
	f := func(in string, ok, port bool) {
		t.Helper()
		if gotOK, gotPort := hostPort([]byte(in)); gotOK != ok || gotPort != port {
			t.Errorf("hostPort(%q) = %v, %v, want %v, %v", in, gotOK, gotPort, ok, port)
		}
	}
	f("example.com", true, false)
	f("EXAMPLE.com.", true, false)
	f("example.com:80", true, true)
	f("example.com:", true, false) // port = *DIGIT
	f("a_b-c~d", true, false)
	f("a!$&'()*+;=b", true, false)
	f("%41%7ez", true, false)
	f("192.0.2.1:8080", true, true)
	f("1", true, false)
	f("h:0", true, true)
	f("h:65535", true, true)
	f("h:00080", true, true)
	f("[::1]", true, false)
	f("[::1]:443", true, true)
	f("[::ffff:192.0.2.1]:1", true, true)
	f("[2001:db8::a:b]:", true, false)

	for _, in := range []string{
		"", ":", ":80", "h:65536", "h:000080", "h:-1", "h:+1", "h: 80", "h:80:80", "h:8a", "::1",
		"a b", "a,b", "a/b", "a?b", "a@b", "user:pw@h", "a\\b", "a\"b", "a<b", "a#b", "a[b", "caf\xc3\xa9",
		"%", "%4", "%4g", "a%2", "a%", "%g1", "h%00%z",
		"[", "[]", "[::1", "[::1]a", "[::1]80", "[::1%25eth0]", "[::1%eth0]", "[v1.a]", "[1.2.3.4]", "[h]", "x[::1]",
	} {
		f(in, false, false)
	}
}

func FuzzIPv6(f *testing.F) {
	for _, s := range []string{
		"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
		"::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1::2::3", ":::", ":", "1:", ":1", "12345::", "::1.2.3", "::1.2.3.04",
		"::1.2.3.256", "::1.2.3.4:5", "1.2.3.4", "", "g::", "::1.2.3.4.5", "0000:0000:0000:0000:0000:0000:0000:0000",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		want := err == nil && a.Is6() && a.Zone() == "" && !strings.Contains(s, "%")
		if got := isIPv6([]byte(s)); got != want {
			t.Fatalf("isIPv6(%q) = %v, netip says %v (%v)", s, got, want, err)
		}
	})
}
