package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestNetworks(t *testing.T) {
	f := func(text string, ok bool, in, out string) {
		t.Helper()
		n, got := parseNetworks(text)
		if got != ok {
			t.Fatalf("%s: %v, want %v", text, got, ok)
		}
		for a := range strings.FieldsSeq(in) {
			if !n.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%s: %s is not in it", text, a)
			}
		}
		for a := range strings.FieldsSeq(out) {
			if n.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%s: %s is in it", text, a)
			}
		}
	}
	f("none", true, "", "127.0.0.1 ::")
	f("10.0.0.0/8", true, "10.0.0.0 10.255.255.255", "11.0.0.0 ::ffff:10.0.0.1 ::")
	f("10.0.0.0/8, 2001:db8::/32,192.0.2.7/32", true, "10.1.1.1 2001:db8::1 192.0.2.7", "192.0.2.8 2001:db9::")
	f("::ffff:10.0.0.0/104", true, "10.1.1.1", "11.0.0.0")
	f("0.0.0.0/0,::/0", true, "1.2.3.4 ::1", "")
	for _, bad := range []string{"", ",", "10.0.0.0/8,", "10.0.0.1", "10.0.0.0/33", "any", "none,10.0.0.0/8", "10.0.0.0/8 11.0.0.0/8", "fe80::%eth0/64"} {
		f(bad, false, "", "")
	}
	list := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf("10.0.%d.0/24", i))
		}
		return strings.Join(parts, ",")
	}
	f(list(maxNetworks), true, "10.0.63.1", "10.0.64.1")
	f(list(maxNetworks+1), false, "", "")

	const text = `version: 1
load_balancers: [{name: a, attributes: {elbow.trusted_proxies: "VALUE"}, listeners: [{port: 80, default_actions: [{type: forward, target_group: g}]}]}]
target_groups: [{name: g, port: 80}]
`
	m, errs := Parse("lb.yaml", []byte(strings.Replace(text, "VALUE", "10.0.0.0/8", 1)), nil)
	if errs != nil || fmt.Sprint(m.LoadBalancers[0].Attributes.TrustedProxies.Prefixes()) != "[10.0.0.0/8]" {
		t.Errorf("got %v", errs)
	}
	_, errs = Parse("lb.yaml", []byte(strings.Replace(text, "VALUE", "10.0.0.1", 1)), nil)
	if len(errs) != 1 || !strings.Contains(errs[0].String(), "none or networks in CIDR notation, separated by commas, at most 64") {
		t.Errorf("got %v", errs)
	}
}
