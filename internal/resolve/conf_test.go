package resolve

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestParseResolvConf(t *testing.T) {
	c := parseResolvConf([]byte(`# a comment
; another
domain old.test
search .Ns.Test. test .
nameserver 192.0.2.53
nameserver fe80::1%eth0
nameserver bogus
nameserver 192.0.2.54
nameserver 192.0.2.55
options ndots:99 timeout:0 attempts:9 rotate edns0 ndots:x
nonsense`))
	want := []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.53:53"),
		netip.MustParseAddrPort("[fe80::1%eth0]:53"),
		netip.MustParseAddrPort("192.0.2.54:53"),
	}
	if !slices.Equal(c.servers, want) {
		t.Errorf("servers: got %v, want %v", c.servers, want)
	}
	if !slices.Equal(c.search, []string{"ns.test", "test"}) {
		t.Errorf("search: got %q", c.search)
	}
	if c.ndots != maxNdots || c.timeout != time.Second || c.attempts != maxAttempts {
		t.Errorf("options: got %d %v %d", c.ndots, c.timeout, c.attempts)
	}
	c = parseResolvConf(nil)
	if len(c.servers) != 2 || c.ndots != 1 || c.timeout != 5*time.Second || c.attempts != 2 {
		t.Errorf("empty: got %+v, want the defaults of resolv.conf(5)", c)
	}
}

func TestCandidates(t *testing.T) {
	f := func(name string, ndots int, search []string, want ...string) {
		t.Helper()
		c := resolvConf{ndots: ndots, search: search}
		if got := c.candidates(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	search := []string{"ns.test", "test"}
	f("web", 1, nil, "web.")
	f("web", 1, search, "web.ns.test.", "web.test.", "web.")
	f("web.app", 1, search, "web.app.", "web.app.ns.test.", "web.app.test.")
	f("web.app", 5, search, "web.app.ns.test.", "web.app.test.", "web.app.")
	f("web.", 5, search, "web.")
	f("web", 0, search, "web.", "web.ns.test.", "web.test.")
}

// Files are the machine's, but bad ones must do no harm.
func FuzzFiles(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nsearch a b\noptions ndots:2 timeout:1")
	f.Add("127.0.0.1 localhost a b # c\n::1 localhost\n\r\x00 x")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseResolvConf([]byte(text))
		if len(c.servers) == 0 || len(c.servers) > maxServers || len(c.search) > maxSearch ||
			c.ndots < 0 || c.ndots > maxNdots || c.timeout < time.Second || c.timeout > maxTimeout ||
			c.attempts < 1 || c.attempts > maxAttempts {
			t.Errorf("out of bounds: %+v", c)
		}
		for _, n := range c.candidates("web") {
			if n != "web." && !validName(n) {
				t.Errorf("candidate %q cannot be asked for", n)
			}
		}
		for name, addrs := range parseHosts([]byte(text)) {
			if len(addrs) == 0 {
				t.Errorf("%q has no addresses", name)
			}
		}
	})
}
