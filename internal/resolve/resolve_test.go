package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/elbow-lb/elbow/internal/clock"
)

// stage is a Resolver that asks a zone, on a fake clock, with files of its own.
type stage struct {
	*Resolver
	t     *testing.T
	zone  *zone
	clock *clock.Fake
	dir   string

	mu      sync.Mutex
	changes []string // OnChange, "name addr,addr"
	errors  []string // OnError
}

func newStage(t *testing.T, resolvConf, hosts string) *stage {
	t.Helper()
	s := &stage{t: t, zone: newZone(t), clock: clock.NewFake(time.Unix(1_800_000_000, 0)), dir: t.TempDir()}
	s.write("resolv.conf", resolvConf)
	s.write("hosts", hosts)
	s.Resolver = New(Options{
		Clock:      s.clock,
		Servers:    []netip.AddrPort{s.zone.addr},
		ResolvConf: filepath.Join(s.dir, "resolv.conf"),
		Hosts:      filepath.Join(s.dir, "hosts"),
		OnChange: func(name string, addrs []netip.Addr) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changes = append(s.changes, name+" "+join(addrs))
		},
		OnError: func(name string, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errors = append(s.errors, name+": "+err.Error())
		},
	})
	t.Cleanup(s.Close)
	return s
}

func (s *stage) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) settle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Settle(ctx); err != nil {
		s.t.Fatalf("settle: %v", err)
	}
}

func (s *stage) advance(d time.Duration) {
	s.t.Helper()
	s.clock.Advance(d)
	s.settle()
}

func (s *stage) setNames(names ...string) {
	s.t.Helper()
	s.SetNames(names)
	s.settle()
}

func (s *stage) want(name, addrs, why string) {
	s.t.Helper()
	got, ok := s.Lookup(name)
	if join(got) != addrs || ok != (addrs != "") {
		s.t.Errorf("%s: %s is %q (%v), want %q", why, name, join(got), ok, addrs)
	}
}

func (s *stage) wantChanges(why string, want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.changes, want) {
		s.t.Errorf("%s: got changes %q, want %q", why, s.changes, want)
	}
	s.changes = nil
}

func join(addrs []netip.Addr) string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ",")
}

func TestResolve(t *testing.T) {
	s := newStage(t, "", "")
	s.zone.set("a", "web.test", "60 192.0.2.2", "60 192.0.2.1", "60 192.0.2.2")
	s.zone.set("aaaa", "web.test", "60 2001:db8::1")
	s.zone.set("a", "four.test", "60 192.0.2.4")
	s.zone.set("aaaa", "four.test")
	s.zone.set("a", "alias.test", "60 cname real.test.", "real.test. 60 192.0.2.9", "other.test. 60 192.0.2.66")

	if err := s.Resolve(t.Context(), []string{"Web.Test", "four.test", "alias.test"}); err != nil {
		t.Fatal(err)
	}
	s.want("web.test", "192.0.2.1,192.0.2.2,2001:db8::1", "sorted, without duplicates")
	s.want("WEB.test", "192.0.2.1,192.0.2.2,2001:db8::1", "case does not matter")
	s.want("four.test", "192.0.2.4", "no AAAA")
	s.want("alias.test", "192.0.2.9", "CNAME, and nothing of other names")
	s.want("unknown.test", "", "not in the set")

	err := s.Resolve(t.Context(), []string{"web.test", "nowhere.test"})
	if err == nil || !strings.Contains(err.Error(), "resolve nowhere.test: no such name") || strings.Contains(err.Error(), "web.test") {
		t.Errorf("got error %v, want one about nowhere.test", err)
	}
	s.settle()
	s.zone.questions()
	s.setNames("web.test", "four.test")
	if q := s.zone.questions(); len(q) != 0 {
		t.Errorf("asked %q for names that are known", q)
	}
	s.want("alias.test", "", "taken out")
}

func TestResolveWaitsNoLongerThanAsked(t *testing.T) {
	s := newStage(t, "", "")
	s.zone.set("a", "slow.test", "silence")
	s.zone.set("aaaa", "slow.test", "silence")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Resolve(ctx, []string{"slow.test"})
	if err == nil || !strings.Contains(err.Error(), "no answer yet") {
		t.Errorf("got %v, want no answer yet", err)
	}
	s.Close() // cuts the lookup off; goleak sees to it that it did
	if err := s.Resolve(t.Context(), []string{"slow.test"}); err == nil {
		t.Errorf("Resolve after Close must fail")
	}
}

func TestTTL(t *testing.T) {
	f := func(ttl string, want time.Duration) {
		t.Helper()
		s := newStage(t, "", "")
		s.zone.set("a", "web.test", ttl+" 192.0.2.1")
		s.zone.set("aaaa", "web.test")
		s.setNames("web.test")
		s.zone.questions()
		s.zone.set("a", "web.test", ttl+" 192.0.2.2")
		s.advance(want - time.Millisecond)
		if q := s.zone.questions(); len(q) != 0 {
			t.Errorf("TTL %s: asked again before %v", ttl, want)
		}
		s.advance(time.Millisecond)
		if q := s.zone.questions(); len(q) != 2 {
			t.Errorf("TTL %s: asked %q after %v, want A and AAAA", ttl, q, want)
		}
		s.wantChanges("TTL "+ttl, "web.test 192.0.2.1", "web.test 192.0.2.2")
		s.advance(want)
		s.wantChanges("same answer")
	}
	f("60", 60*time.Second)
	f("0", minTTL)
	f("86400", maxTTL)
	f("4294967295", maxTTL)
}

// The shortest TTL on the way counts.
func TestTTLOfChain(t *testing.T) {
	s := newStage(t, "", "")
	s.zone.set("a", "web.test", "7 cname real.test.", "real.test. 60 192.0.2.1")
	s.zone.set("aaaa", "web.test", "30 2001:db8::1")
	s.setNames("web.test")
	if next, _ := s.clock.Next(); next.Sub(s.clock.Now()) != 7*time.Second {
		t.Errorf("asks again after %v, want 7s", next.Sub(s.clock.Now()))
	}
}

// Whatever goes wrong, the addresses that are known stay (static stability).
func TestFailuresKeepAddresses(t *testing.T) {
	f := func(name string, a, aaaa []string, mangle func(string, []byte) [][]byte) {
		t.Helper()
		s := newStage(t, "options timeout:1 attempts:1", "")
		s.zone.set("a", "web.test", "60 192.0.2.1")
		s.zone.set("aaaa", "web.test", "60 2001:db8::1")
		s.setNames("web.test")
		s.wantChanges(name, "web.test 192.0.2.1,2001:db8::1")
		s.zone.set("a", "web.test", a...)
		s.zone.set("aaaa", "web.test", aaaa...)
		s.zone.setMangle(mangle)
		s.advance(time.Minute)
		s.want("web.test", "192.0.2.1,2001:db8::1", name)
		if len(s.errors) == 0 {
			t.Errorf("%s: OnError was not called", name)
		}
		s.zone.setMangle(nil)
		s.zone.set("a", "web.test", "60 192.0.2.7")
		s.zone.set("aaaa", "web.test")
		s.advance(minRetry)
		s.want("web.test", "192.0.2.7", name+", then well again")
	}
	one := func(s string) []string { return []string{s} }
	f("SERVFAIL", one("servfail"), one("servfail"), nil)
	f("NXDOMAIN", one("nxdomain"), one("nxdomain"), nil)
	f("no data", nil, nil, nil)
	f("no address that can be", one("60 0.0.0.0"), one("60 ff02::1"), nil)
	f("half an answer", one("60 192.0.2.1"), one("servfail"), nil)
	f("garbage", nil, nil, func(_ string, b []byte) [][]byte { return slices.Repeat([][]byte{{1, 2, 3}}, maxForeign) })
	f("cut short", one("60 192.0.2.9"), one("60 2001:db8::9"), func(_ string, b []byte) [][]byte { return [][]byte{b[:len(b)-1]} })
}

// Where IPv6 is never answered, IPv4 still follows its TTL, and one failure is
// told of, not each.
func TestHalfAnswersFollowTheirTTL(t *testing.T) {
	s := newStage(t, "", "")
	s.zone.set("a", "web.test", "5 192.0.2.0")
	s.zone.set("aaaa", "web.test", "servfail")
	s.setNames("web.test")
	for i := range 10 {
		s.zone.set("a", "web.test", fmt.Sprintf("5 192.0.2.%d", i))
		s.advance(5 * time.Second)
		s.want("web.test", fmt.Sprintf("192.0.2.%d", i), "after its TTL")
	}
	if len(s.errors) != 1 {
		t.Errorf("OnError: %q, want one", s.errors)
	}
	s.zone.set("a", "web.test", "servfail")
	for range 10 {
		s.advance(maxRetry)
	}
	if len(s.errors) != 2 {
		t.Errorf("OnError: %q, want a second for what failed in full", s.errors)
	}
}

func TestRetryBacksOff(t *testing.T) {
	s := newStage(t, "", "")
	s.zone.set("a", "web.test", "servfail")
	s.zone.set("aaaa", "web.test", "servfail")
	s.setNames("web.test")
	for n, most := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		most *= time.Second
		next, ok := s.clock.Next()
		if pause := next.Sub(s.clock.Now()); !ok || pause > most || pause < most*3/4 {
			t.Errorf("pause %d: %v, want %v less up to a quarter", n, pause, most)
		}
		s.advance(most)
	}
	s.zone.set("a", "web.test", "60 192.0.2.1")
	s.zone.set("aaaa", "web.test")
	s.advance(maxRetry)
	s.want("web.test", "192.0.2.1", "well at last")
	if next, _ := s.clock.Next(); next.Sub(s.clock.Now()) <= maxRetry-maxRetry/4 {
		t.Errorf("asks again after %v, want a TTL", next.Sub(s.clock.Now()))
	}
}

func TestTruncatedGoesToTCP(t *testing.T) {
	s := newStage(t, "", "")
	const n = 4000 // about what a message can hold
	var many []string
	for i := range n {
		many = append(many, fmt.Sprintf("60 198.18.%d.%d", i/250, i%250+1))
	}
	s.zone.set("a", "big.test", many...)
	s.zone.set("aaaa", "big.test")
	s.setNames("big.test")
	if got, _ := s.Lookup("big.test"); len(got) != n {
		t.Errorf("got %d addresses, want all %d", len(got), n)
	}
	q := s.zone.questions()
	slices.Sort(q)
	if want := []string{"tcp a big.test.", "udp a big.test.", "udp aaaa big.test."}; !slices.Equal(q, want) {
		t.Errorf("asked %q, want %q", q, want)
	}

	// Servers rotate what they answer; that changes nothing.
	slices.Reverse(many)
	s.zone.set("a", "big.test", many...)
	s.mu.Lock()
	s.changes = nil
	s.mu.Unlock()
	s.advance(time.Minute)
	s.wantChanges("another order")
}

// Forged and stray datagrams are passed over; the real answer is taken.
func TestForeignReplies(t *testing.T) {
	f := func(name string, forge func([]byte)) {
		t.Helper()
		s := newStage(t, "", "")
		s.zone.set("a", "web.test", "60 192.0.2.1")
		s.zone.set("aaaa", "web.test")
		s.zone.setMangle(func(_ string, reply []byte) [][]byte {
			forged := slices.Clone(reply)
			if n := len(forged); n > 40 { // the A answer: another address
				forged[n-1] = 66
			}
			forge(forged)
			return [][]byte{forged, {}, reply}
		})
		s.setNames("web.test")
		s.want("web.test", "192.0.2.1", name)
		if len(s.errors) > 0 {
			t.Errorf("%s: %q", name, s.errors)
		}
	}
	f("wrong id", func(b []byte) { b[1]++ })
	f("a query, not a reply", func(b []byte) { b[2] &^= 0x80 })
	f("another question", func(b []byte) { b[13] = 'x' })
	f("another type", func(b []byte) { b[12+10+1]++ })
	f("no question", func(b []byte) { b[5] = 0 })
}

func TestServerOrder(t *testing.T) {
	s := newStage(t, "", "")
	dead := newZone(t)
	dead.set("a", "web.test", "servfail")
	dead.set("aaaa", "web.test", "servfail")
	s.opt.Servers = []netip.AddrPort{dead.addr, s.zone.addr}
	s.zone.set("a", "web.test", "60 192.0.2.1")
	s.zone.set("aaaa", "web.test")
	s.setNames("web.test")
	s.want("web.test", "192.0.2.1", "the second server answers")
	if len(dead.questions()) != 2 {
		t.Errorf("the first server was not asked first")
	}
}

func TestSearch(t *testing.T) {
	s := newStage(t, "search ns.test  test.\noptions ndots:2", "")
	s.zone.set("a", "web.ns.test", "60 192.0.2.1")
	s.zone.set("a", "api.test", "60 192.0.2.2")
	s.zone.set("a", "api.ns.test", "servfail") // does not keep from the next
	s.zone.set("a", "a.b.c", "60 192.0.2.3")
	s.zone.set("a", "a.b.c.ns.test", "60 192.0.2.4")
	s.setNames("web", "api", "a.b.c", "web.")
	s.want("web", "192.0.2.1", "first search domain")
	s.want("api", "192.0.2.2", "second search domain")
	s.want("a.b.c", "192.0.2.3", "ndots or more: as it is first")
	s.want("web.", "", "rooted: as it is only")
}

// A name whose answer is lost is not looked for in the next domain, where it
// may be another machine's.
func TestSearchStopsWithoutAnAnswer(t *testing.T) {
	f := func(name string, lost []string, want string) {
		t.Helper()
		s := newStage(t, "search ns.test test\noptions attempts:1", "")
		s.zone.set("a", "web.test", "60 192.0.2.66")
		s.zone.set("aaaa", "web.test")
		s.zone.setMangle(func(_ string, reply []byte) [][]byte {
			var m dnsmessage.Message
			if err := m.Unpack(reply); err != nil {
				t.Error(err)
			}
			q := m.Questions[0]
			if slices.Contains(lost, q.Type.String()+" "+q.Name.String()) {
				return slices.Repeat([][]byte{{1}}, maxForeign) // as good as silence, without the wait
			}
			return [][]byte{reply}
		})
		s.setNames("web")
		s.want("web", want, name)
	}
	f("both lost", []string{"TypeA web.ns.test.", "TypeAAAA web.ns.test."}, "")
	f("not there, though not asked for IPv6", []string{"TypeAAAA web.ns.test."}, "192.0.2.66")
	f("nothing lost", nil, "192.0.2.66")
}

func TestHosts(t *testing.T) {
	s := newStage(t, "", "192.0.2.1 web.test Web # comment\n2001:db8::1 web.test\n# 192.0.2.9 web.test\nbogus web.test\n")
	s.setNames("web.test", "WEB", "localhost", "a.localhost", "192.0.2.77", "::1")
	s.want("web.test", "192.0.2.1,2001:db8::1", "hosts")
	s.want("web", "192.0.2.1", "alias in hosts")
	s.want("localhost", "127.0.0.1,::1", "not in hosts, never asked for")
	s.want("a.localhost", "127.0.0.1,::1", "RFC 6761")
	s.want("192.0.2.77", "192.0.2.77", "an address")
	s.want("::1", "::1", "an address")
	if q := s.zone.questions(); len(q) != 0 {
		t.Errorf("asked DNS for %q", q)
	}
	s.write("hosts", "192.0.2.22 web.test localhost # longer than before, or newer\n")
	s.advance(localTTL)
	s.want("web.test", "192.0.2.22", "hosts has changed")
	s.want("localhost", "192.0.2.22", "hosts comes first")
	if err := os.Remove(filepath.Join(s.dir, "hosts")); err != nil {
		t.Fatal(err)
	}
	s.advance(localTTL)
	s.want("web.test", "192.0.2.22", "hosts is gone: what it said stays")
}

func TestBadNames(t *testing.T) {
	s := newStage(t, "", "")
	names := []string{"", ".", "a..b", strings.Repeat("x", 64) + ".test", strings.Repeat("x.", 200) + "test"}
	s.setNames(names...)
	for _, n := range names {
		s.want(n, "", "not a name")
	}
	if q := s.zone.questions(); len(q) != 0 {
		t.Errorf("asked DNS for %q", q)
	}
}

// A name taken out while it is being resolved is told of no more.
func TestRemovedInFlight(t *testing.T) {
	s := newStage(t, "", "")
	asked := make(chan struct{}, 8)
	s.zone.set("a", "web.test", "60 192.0.2.1")
	s.zone.set("aaaa", "web.test", "60 2001:db8::1")
	s.zone.setMangle(func(string, []byte) [][]byte { asked <- struct{}{}; return nil })
	s.SetNames([]string{"web.test"})
	<-asked
	s.setNames()
	s.wantChanges("taken out")
	s.advance(time.Hour)
	if n := s.clock.Waiting(); n != 0 {
		t.Errorf("%d timers without names", n)
	}
}
