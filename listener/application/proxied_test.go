package application

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/http1"
)

// trustedProxies parses a value of elbow.trusted_proxies.
func trustedProxies(t testing.TB, networks string) *config.Networks {
	t.Helper()
	m, errs := config.Parse("lb.yaml", fmt.Appendf(nil, `version: 1
load_balancers: [{name: a, attributes: {elbow.trusted_proxies: %q}, listeners: [{port: 80, default_actions: [{type: forward, target_group: g}]}]}]
target_groups: [{name: g, port: 80}]
`, networks), nil)
	if m == nil {
		t.Fatal(errs)
	}
	return m.LoadBalancers[0].Attributes.TrustedProxies
}

// behindProxy is an exchange whose peer is 10.0.0.1, with these field lines.
func behindProxy(t testing.TB, lines ...string) *exchange {
	t.Helper()
	x := &exchange{attr: &config.LoadBalancerAttributes{TrustedProxies: trustedProxies(t, "10.0.0.0/8, 2001:db8::/32")}}
	head := "GET / HTTP/1.1\r\nHost: h\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	if n, r := http1.ParseRequest([]byte(head+"\r\n"), &x.req, nil); n == 0 || r != 0 {
		t.Fatalf("%q: %v", head, r)
	}
	x.from = origin{client: netip.MustParseAddrPort("10.0.0.1:1234"), proto: protocolHTTP, port: 8080, trusted: true}
	return x
}

func TestBelieve(t *testing.T) {
	const peer, ours = "10.0.0.1:1234", "http 8080"
	f := func(lines, client, proto string, ok bool) {
		t.Helper()
		var split []string
		if lines != "" {
			split = strings.Split(lines, "\n")
		}
		x := behindProxy(t, split...)
		if got := x.believe(); got != ok {
			t.Errorf("%q: believed is %v, want %v", lines, got, ok)
		}
		if got := x.from.client.String(); got != client {
			t.Errorf("%q: client %s, want %s", lines, got, client)
		}
		if got := fmt.Sprintf("%s %d", x.from.proto, x.from.port); got != proto {
			t.Errorf("%q: %s, want %s", lines, got, proto)
		}
	}
	client := func(xff, want string) { t.Helper(); f("X-Forwarded-For: "+xff, want, ours, true) }
	malformed := func(xff string) { t.Helper(); f("X-Forwarded-For: "+xff, peer, ours, false) }
	proto := func(lines, want string) { t.Helper(); f(lines, peer, want, true) }
	badProto := func(lines string) { t.Helper(); f(lines, peer, ours, false) }

	f("", peer, ours, true)

	// The last that is not trusted.
	client("192.0.2.1", "192.0.2.1:0")
	client("192.0.2.9, 192.0.2.1", "192.0.2.1:0") // the first is what the client said itself
	client("192.0.2.1, 10.0.0.7", "192.0.2.1:0")
	client("192.0.2.9, 192.0.2.1, 10.0.0.7, 10.1.2.3", "192.0.2.1:0")
	client("10.9.9.9, 192.0.2.1, 10.0.0.7", "192.0.2.1:0")
	client("10.0.0.5, 10.0.0.6", "10.0.0.5:0") // all trusted: the farthest
	client("127.0.0.1, 192.0.2.1", "192.0.2.1:0")
	client("192.0.2.1,10.0.0.7", "192.0.2.1:0")
	client("192.0.2.1\t ,\t10.0.0.7", "192.0.2.1:0")
	client("192.0.2.1,, 10.0.0.7,", "192.0.2.1:0")
	client("garbage, 192.0.2.1", "192.0.2.1:0") // nobody looks there
	client("192.0.2.9, unknown, 192.0.2.1, 10.0.0.7", "192.0.2.1:0")
	client("", peer)
	client(",", peer)
	f("X-Forwarded-For: 192.0.2.9\nX-Forwarded-For: 192.0.2.1", "192.0.2.1:0", ours, true)
	f("X-Forwarded-For: 192.0.2.1\nx-forwarded-for: 10.0.0.7", "192.0.2.1:0", ours, true)
	f("X-Forwarded-For: 192.0.2.1\nX-Forwarded-For:", "192.0.2.1:0", ours, true)

	// The forms of an address.
	client("192.0.2.1:443", "192.0.2.1:443")
	client("2001:db9::1", "[2001:db9::1]:0")
	client("2001:DB9:0:0:0:0:0:1", "[2001:db9::1]:0")
	client("[2001:db9::1]", "[2001:db9::1]:0")
	client("[2001:db9::1]:65535", "[2001:db9::1]:65535")
	client("::1, 2001:db8::5", "[::1]:0")
	client("::ffff:192.0.2.1", "192.0.2.1:0")
	client("192.0.2.1, ::ffff:10.0.0.7", "192.0.2.1:0")

	// What cannot be read: the peer, never what stands left of it.
	malformed("192.0.2.1, unknown")
	malformed("192.0.2.1, _hidden, 10.0.0.7")
	malformed("localhost")
	malformed("192.0.2.1.")
	malformed("192.0.2")
	malformed("192.0.2.256")
	malformed("192.0.2.01")
	malformed("0x7f.0.0.1")
	malformed("3232235777")
	malformed("192.0.2.1:")
	malformed("192.0.2.1:0")
	malformed("192.0.2.1:65536")
	malformed("192.0.2.1:+80")
	malformed("192.0.2.1/32")
	malformed("192.0.2.1 192.0.2.2")
	malformed("192.0.2.1;10.0.0.7")
	malformed(`"192.0.2.1"`)
	malformed("[192.0.2.1]")
	malformed("[2001:db9::1")
	malformed("2001:db9::1]")
	malformed("[2001:db9::1]80")
	malformed("[]:80")
	malformed(":80")
	malformed(":")
	malformed("fe80::1%eth0")
	malformed("2001:db9:::1")
	malformed("for=192.0.2.1")
	malformed(strings.Repeat("1", 400))
	malformed(strings.Repeat("10.0.0.7,", maxHops+1) + "10.0.0.8")
	client("192.0.2.1"+strings.Repeat(",10.0.0.7", maxHops-1), "192.0.2.1:0")

	// Fields that nobody believes.
	client("192.0.2.1\nForwarded: for=192.0.2.9\nX-Real-IP: 192.0.2.9\nTrue-Client-IP: 192.0.2.9", "192.0.2.1:0")
	f("Forwarded: for=192.0.2.9;proto=https\nX-Real-IP: 192.0.2.9\nX-Forwarded-Host: h", peer, ours, true)

	proto("X-Forwarded-Proto: https", "https 443")
	proto("X-Forwarded-Proto: HTTP", "http 80")
	proto("X-Forwarded-Proto: https\nX-Forwarded-Port: 8443", "https 8443")
	proto("X-Forwarded-Port: 8443\nX-Forwarded-Proto: https", "https 8443")
	proto("X-Forwarded-Port: 81", "http 81")
	badProto("X-Forwarded-Proto: ftp")
	badProto("X-Forwarded-Proto: https, http")
	badProto("X-Forwarded-Proto: https\nX-Forwarded-Proto: https")
	badProto("X-Forwarded-Proto:")
	badProto("X-Forwarded-Proto: https\nX-Forwarded-Port: 0")
	badProto("X-Forwarded-Port: 65536")
	badProto("X-Forwarded-Port: 080")
	badProto("X-Forwarded-Port: 80, 443")
	badProto("X-Forwarded-Port: 80\nX-Forwarded-Port: 80")
	// One being malformed says nothing of the other.
	f("X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: x", "192.0.2.1:0", ours, false)
	f("X-Forwarded-For: x\nX-Forwarded-Proto: https", peer, "https 443", false)
}

func TestSpoofed(t *testing.T) {
	yes := []string{"X-Amzn-Mtls-Clientcert", "x-amzn-mtls-clientcert-leaf", "X-Amzn-Mtls-Clientcert-Serial-Number", "X-Amzn-Tls-Version", "X-AMZN-TLS-CIPHER-SUITE",
		"X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity", "x-amzn-oidc-accesstoken", "X_Amzn_Oidc_Data", "x-amzn_oidc-data", "X-Amzn-Oidc-" + strings.Repeat("a", 100),
		"X_Forwarded_For", "X-Forwarded_For", "x_forwarded-proto", "X_FORWARDED_PORT", "X_Amzn_Trace_Id"}
	for _, name := range yes {
		if !spoofed([]byte(name)) {
			t.Errorf("%s may be sent", name)
		}
	}
	no := []string{"", "X", "X-", "X-Forwarded-Host", "X_Forwarded_Host", "X-Forwarded-For-Real", "X-Real-IP", "X-Amzn-Requestid", "X-Amz-Date", "X-Amzn-Oidc", "X-Amzn-Tlsx-Y",
		"Xx-Amzn-Tls-Version", "Authorization", "X-Amzn.Tls-Version", "A-X-Amzn-Tls-Version", "X-Forwarded-Protocol"}
	for _, name := range no {
		if spoofed([]byte(name)) {
			t.Errorf("%s may not be sent", name)
		}
	}
}

func TestBelieveAllocations(t *testing.T) {
	x := behindProxy(t, "X-Forwarded-For: 192.0.2.1, [2001:db8::1]:443, 10.0.0.7", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443")
	if n := testing.AllocsPerRun(100, func() { x.believe() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	name := []byte("X-Amzn-Mtls-Clientcert-Serial-Number")
	if n := testing.AllocsPerRun(100, func() { spoofed(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParseHop: what is read is what netip reads.
func FuzzParseHop(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "192.0.2.1:80", "[::1]:80", "::1", "::ffff:1.2.3.4", "[::]", "1:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		a, ok := parseHop([]byte(s))
		if !ok {
			return
		}
		bare := strings.Trim(s, "[]")
		want, err := netip.ParseAddrPort(s)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(bare); err != nil {
				t.Fatalf("%q is %v", s, a)
			}
			want = netip.AddrPortFrom(addr, 0)
		}
		if want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port()); a != want {
			t.Fatalf("%q is %v, want %v", s, a, want)
		}
	})
}
