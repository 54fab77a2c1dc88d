package control

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/elbow-lb/elbow/internal/clock"
	"github.com/elbow-lb/elbow/internal/resolve"
)

// zone is a DNS server that knows IPv4 addresses of names.
type zone struct {
	addr netip.AddrPort
	conn net.PacketConn

	mu      sync.Mutex
	records map[string][]string // addresses by name with a dot at its end
	asked   map[string]int
}

func newZone(t *testing.T) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{
		addr: netip.MustParseAddrPort(conn.LocalAddr().String()), conn: conn,
		records: map[string][]string{}, asked: map[string]int{},
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 1024)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) == nil && len(m.Questions) == 1 {
				conn.WriteTo(z.answer(&m), from)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
	return z
}

func (z *zone) answer(m *dnsmessage.Message) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.RecursionAvailable = true, true
	m.Additionals = nil
	z.asked[q.Name.String()]++
	addrs, known := z.records[q.Name.String()]
	if !known {
		m.RCode = dnsmessage.RCodeServerFailure
	}
	if q.Type == dnsmessage.TypeA {
		for _, a := range addrs {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 5},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
			})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return reply
}

// set changes the addresses of a name; none means that the server fails.
func (z *zone) set(name string, addrs ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if addrs == nil {
		delete(z.records, name+".")
		return
	}
	z.records[name+"."] = addrs
}

func (z *zone) questions(name string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[name+"."]
}

// newNamesLab is a lab whose time stands still and whose names zone knows.
func newNamesLab(t *testing.T) (*lab, *zone, *clock.Fake) {
	z := newZone(t)
	now := clock.NewFake(time.Unix(1_800_000_000, 0))
	l := newLab(t, Options{Clock: now, Resolver: resolve.Options{Servers: []netip.AddrPort{z.addr}}})
	return l, z, now
}

// advance moves the time in steps until cond holds. Nothing else makes it pass.
func (l *lab) advance(now *clock.Fake, what string, cond func() bool) {
	l.Helper()
	l.await(what, func() bool {
		if cond() {
			return true
		}
		now.Advance(time.Second)
		return false
	})
}

// TestTargetName follows a target whose name moves from one address to another.
func TestTargetName(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(a.addr)
	b := newTarget(t, "b", "127.0.0.2:"+port)
	l, z, now := newNamesLab(t)
	z.set("web.example", "127.0.0.1")
	l.must(l.forward("web.example:" + port))
	if n := l.Status().Config.Generation; n != 1 {
		t.Errorf("generation %d", n)
	}
	c := l.dial()
	c.get("/", 200, "a")
	busy := l.dial()
	busy.send("/hold")
	<-a.held
	state := l.Snapshot().Groups[0].Targets[0].State

	z.set("web.example", "127.0.0.2")
	l.advance(now, "the target is where its name says", func() bool {
		s := l.state()
		return len(s) == 2 && s[b.addr] != "" && s[a.addr] == "draining"
	})
	c.get("/", 200, "b")
	close(a.release)
	busy.want(200, "a") // it was with the old address
	busy.get("/", 200, "b")
	if state.Conns.Idle() != 0 {
		t.Error("connections to the old address are kept")
	}

	// Both; then none, which changes nothing; nor does a failure.
	z.set("web.example", "127.0.0.1", "127.0.0.2")
	l.advance(now, "both addresses are targets", func() bool {
		s := l.state()
		return len(s) == 2 && s[a.addr] != "draining"
	})
	generation := l.Status().Config.Generation
	for _, addrs := range [][]string{{}, nil} {
		z.set("web.example", addrs...)
		asked := z.questions("web.example")
		l.advance(now, "the name is asked for again", func() bool { return z.questions("web.example") >= asked+4 })
	}
	if n := len(l.state()); n != 2 {
		t.Errorf("%d targets", n)
	}
	if n := l.Status().Config.Generation; n != generation {
		t.Errorf("generation %d after %d, though nothing changed", n, generation)
	}
}

// TestNameNotKnown: a name without an address is no reason to refuse, and has its
// target as soon as it has one.
func TestNameNotKnown(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(a.addr)
	l, z, now := newNamesLab(t)
	l.must(l.forward("late.example:" + port))
	l.dial().get("/", 503, "*")
	z.set("late.example", "127.0.0.1")
	l.advance(now, "the target is there", func() bool { return len(l.state()) == 1 })
	l.dial().get("/", 200, "a")
}

// TestNameOfRefused: the names of a configuration that cannot take effect are
// not asked for any more.
func TestNameOfRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	l, z, now := newNamesLab(t)
	z.set("old.example", "127.0.0.1")
	z.set("new.example", "127.0.0.1")
	l.must(l.forward("old.example:9"))
	port := taken.Addr().(*net.TCPAddr).Port
	if err := l.reload(listenerOn(port, "{type: forward, target_group: web}") + group("web", "new.example:9")); err == nil {
		t.Fatal("accepted")
	}
	if z.questions("new.example") == 0 {
		t.Fatal("never asked for, so nothing is tested")
	}
	// A question that was on its way when the name was let go may come late.
	l.advance(now, "the old name is asked for again", func() bool { return z.questions("old.example") >= 6 })
	asked, old := z.questions("new.example"), z.questions("old.example")
	l.advance(now, "the old name is asked for again", func() bool { return z.questions("old.example") >= old+6 })
	if n := z.questions("new.example"); n != asked {
		t.Errorf("asked for %d times more", n-asked)
	}
	if n := l.Status().Config.Generation; n != 1 {
		t.Errorf("generation %d", n)
	}
}
