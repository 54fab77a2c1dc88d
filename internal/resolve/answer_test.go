package resolve

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func question(name string, typ dnsmessage.Type) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}
}

func message(t testing.TB, change func(*dnsmessage.Message), records ...string) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{question("web.test.", dnsmessage.TypeA)},
	}
	for _, r := range records {
		m.Answers = append(m.Answers, parseRecord(&testing.T{}, m.Questions[0].Name, r)...)
	}
	if change != nil {
		change(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseAnswer(t *testing.T) {
	f := func(name string, msg []byte, want string, ttl time.Duration, wantErr error) {
		t.Helper()
		a, err := parseAnswer(msg, 7, question("web.test.", dnsmessage.TypeA))
		if !errors.Is(err, wantErr) || err == nil && (join(a.addrs) != want || a.ttl != ttl) {
			t.Errorf("%s: got %q for %v, %v; want %q for %v, %v", name, join(a.addrs), a.ttl, err, want, ttl, wantErr)
		}
	}
	chain := func(n int) (list []string) {
		for i := range n {
			from, to := strings.Repeat("x", i)+"web.test.", strings.Repeat("x", i+1)+"web.test."
			list = append(list, from+" 60 cname "+to)
		}
		return append(list, strings.Repeat("x", n)+"web.test. 60 192.0.2.1")
	}
	backwards := chain(3)
	slices.Reverse(backwards)

	f("one", message(t, nil, "60 192.0.2.1"), "192.0.2.1", time.Minute, nil)
	f("case of names", message(t, nil, "WEB.Test. 60 192.0.2.1"), "192.0.2.1", time.Minute, nil)
	f("another name's address", message(t, nil, "evil.test. 60 192.0.2.1"), "", 0, nil)
	f("another type's address", message(t, nil, "60 2001:db8::1"), "", 0, nil)
	f("no target can be there", message(t, nil, "60 0.0.0.0", "60 224.0.0.1", "60 192.0.2.1"), "192.0.2.1", time.Minute, nil)
	f("longest chain", message(t, nil, chain(maxAliases)...), "192.0.2.1", time.Minute, nil)
	f("chain too long", message(t, nil, chain(maxAliases+1)...), "", 0, errAliases)
	f("chain in any order", message(t, nil, backwards...), "192.0.2.1", time.Minute, nil)
	f("loop", message(t, nil, "60 cname web.test."), "", 0, errAliases)
	f("chain to nothing", message(t, nil, "60 cname other.test."), "", 0, nil)
	f("truncated", message(t, func(m *dnsmessage.Message) { m.Truncated = true }), "", 0, errTruncated)
	f("not recursive", message(t, func(m *dnsmessage.Message) { m.RecursionAvailable = false }), "", 0, errLame)
	f("authoritative", message(t, func(m *dnsmessage.Message) { m.RecursionAvailable, m.Authoritative = false, true }), "", 0, nil)
	f("wrong id", message(t, func(m *dnsmessage.Message) { m.ID = 8 }), "", 0, errNotOurs)
	f("wrong opcode", message(t, func(m *dnsmessage.Message) { m.OpCode = 5 }), "", 0, errNotOurs)
	f("wrong class", message(t, func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }), "", 0, errNotOurs)
	f("empty", nil, "", 0, errNotOurs)
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(message(f, nil, "60 192.0.2.1", "web.test. 60 cname a.test."))
	f.Add(message(f, nil, "60 cname web.test."))
	f.Add(message(f, func(m *dnsmessage.Message) { m.Truncated = true }))
	f.Add([]byte{})
	q := question("web.test.", dnsmessage.TypeA)
	f.Fuzz(func(t *testing.T, msg []byte) {
		a, err := parseAnswer(msg, 7, q)
		if (a.outcome == found) != (len(a.addrs) > 0) {
			t.Errorf("outcome %d with %d addresses", a.outcome, len(a.addrs))
		}
		if err != nil && a.outcome != failed {
			t.Errorf("outcome %d with error %v", a.outcome, err)
		}
		if len(a.addrs) > len(msg)/15 || a.ttl < 0 || a.ttl > maxTTL { // an A record has 15 bytes at least
			t.Errorf("%d addresses for %v", len(a.addrs), a.ttl)
		}
		for _, addr := range a.addrs {
			if !addr.Is4() || addr.IsUnspecified() || addr.IsMulticast() {
				t.Errorf("got address %v", addr)
			}
		}
	})
}
