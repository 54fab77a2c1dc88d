package listener

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/netio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// accepted is one call of the AcceptFunc.
type accepted struct {
	slot   int
	remote netip.AddrPort
}

type rig struct {
	*testing.T
	engine *netio.Engine
	set    *Set
	calls  chan accepted
	enter  func() // called by the AcceptFunc
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, calls: make(chan accepted, 100), enter: func() {}}
	var err error
	if r.engine, err = netio.New(netio.Options{Loops: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.engine.Close)
	r.set = NewSet(r.engine, func(slot int, _ *netio.Loop, fd int, remote netip.AddrPort) {
		r.enter()
		netio.CloseDescriptor(fd)
		r.calls <- accepted{slot, remote}
	})
	t.Cleanup(r.set.Close)
	return r
}

// free returns an address that nobody listens on. The port is one from which the
// kernel draws none by itself while the test runs, or nearly.
func (r *rig) free(ip string) netip.AddrPort {
	r.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		r.Skipf("cannot listen on %s here: %v", ip, err)
	}
	defer l.Close()
	return netip.AddrPortFrom(netip.MustParseAddr(ip), netip.MustParseAddrPort(l.Addr().String()).Port())
}

// bind is what the compiler makes of a listener.
func bind(slot int, addr netip.AddrPort) *balancer.Bind {
	return &balancer.Bind{
		Slot: slot, Addr: addr,
		Listener: &balancer.Listener{
			Name:   "web/HTTP:" + addr.String(),
			Config: &config.Listener{Port: addr.Port(), Position: config.Position{File: "elbow.yaml", Line: 12, Column: 9}},
		},
	}
}

func (r *rig) apply(binds ...*balancer.Bind) {
	r.Helper()
	c, err := r.set.Prepare(binds)
	if err != nil {
		r.Fatal(err)
	}
	if err := c.Commit(); err != nil {
		r.Fatal(err)
	}
}

// connect connects to addr and waits for the AcceptFunc to say at which slot.
func (r *rig) connect(addr netip.AddrPort, slot int) {
	r.Helper()
	c, err := net.DialTimeout("tcp", addr.String(), patience)
	if err != nil {
		r.Error(err)
		return
	}
	defer c.Close()
	select {
	case a := <-r.calls:
		if a.slot != slot || a.remote.String() != c.LocalAddr().String() {
			r.Errorf("accepted %v from %v, want slot %d from %v", a.slot, a.remote, slot, c.LocalAddr())
		}
	case <-time.After(patience):
		r.Errorf("nobody accepts on %v", addr)
	}
}

func (r *rig) refused(addr netip.AddrPort) {
	r.Helper()
	if c, err := net.DialTimeout("tcp", addr.String(), patience); err == nil {
		c.Close()
		r.Errorf("%v is listened on", addr)
	}
}

func (r *rig) wantAddrs(want map[int]netip.AddrPort) {
	r.Helper()
	got := r.set.Addrs()
	if len(got) != len(want) {
		r.Errorf("listens on %v, want %v", got, want)
	}
	for slot, a := range want {
		if got[slot] != a {
			r.Errorf("slot %d is %v, want %v", slot, got[slot], a)
		}
	}
}

// TestAcceptFailures: the sum does not fall when a socket goes.
func TestAcceptFailures(t *testing.T) {
	r := newRig(t)
	a, b := r.free("127.0.0.1"), r.free("127.0.0.1")
	r.apply(bind(0, a), bind(1, b))
	r.set.sockets[a].acceptor.Failures.Add(2)
	r.set.sockets[b].acceptor.Failures.Add(3)
	if n := r.set.AcceptFailures(); n != 5 {
		t.Errorf("%d, want 5", n)
	}
	r.apply(bind(1, b))
	if n := r.set.AcceptFailures(); n != 5 {
		t.Errorf("%d after a socket was closed, want 5", n)
	}
}

func TestChange(t *testing.T) {
	r := newRig(t)
	a, b, c := r.free("127.0.0.1"), r.free("127.0.0.1"), r.free("127.0.0.1")
	r.apply(bind(0, a), bind(1, b))
	r.connect(a, 0)
	r.connect(b, 1)
	r.wantAddrs(map[int]netip.AddrPort{0: a, 1: b})
	kept := r.set.sockets[b].fd

	// a goes, b stays, c comes; a slot without a bind is nil.
	r.apply(nil, bind(1, b), bind(2, c))
	r.refused(a)
	r.connect(b, 1)
	r.connect(c, 2)
	r.wantAddrs(map[int]netip.AddrPort{1: b, 2: c})
	if r.set.sockets[b].fd != kept {
		t.Error("the socket that stays is another one")
	}

	r.apply(nil, bind(1, b), bind(2, c)) // the same again
	r.connect(b, 1)
	if r.set.sockets[b].fd != kept {
		t.Error("the socket that stays is another one")
	}

	r.apply(nil, nil, bind(2, c), bind(3, a)) // a is back, with another slot
	r.connect(a, 3)
	r.refused(b)

	r.apply()
	r.wantAddrs(nil)
	r.refused(a)
	r.refused(c)
}

// TestPrepared says what holds between Prepare and its end: connections queue.
func TestPrepared(t *testing.T) {
	r := newRig(t)
	a, b := r.free("127.0.0.1"), r.free("127.0.0.1")
	r.apply(bind(0, a))
	change, err := r.set.Prepare([]*balancer.Bind{nil, bind(1, b)})
	if err != nil {
		t.Fatal(err)
	}
	r.connect(a, 0) // still there
	early, err := net.DialTimeout("tcp", b.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if len(r.calls) != 0 {
		t.Error("accepted before Commit")
	}
	if err := change.Commit(); err != nil {
		t.Fatal(err)
	}
	if call := <-r.calls; call.slot != 1 {
		t.Errorf("slot %d", call.slot)
	}
	change.Abort() // too late
	r.connect(b, 1)
	r.refused(a)
}

func TestAbort(t *testing.T) {
	r := newRig(t)
	a, b := r.free("127.0.0.1"), r.free("127.0.0.1")
	r.apply(bind(0, a))
	change, err := r.set.Prepare([]*balancer.Bind{nil, bind(1, b)})
	if err != nil {
		t.Fatal(err)
	}
	change.Abort()
	change.Abort()
	r.refused(b)
	r.connect(a, 0)
	r.wantAddrs(map[int]netip.AddrPort{0: a})
}

// TestPrepareFails has some addresses that cannot be bound: nothing changes, and
// every one is named.
func TestPrepareFails(t *testing.T) {
	r := newRig(t)
	a, b := r.free("127.0.0.1"), r.free("127.0.0.1")
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := netip.MustParseAddrPort(other.Addr().String())
	foreign := netip.MustParseAddrPort("192.0.2.1:8080") // TEST-NET-1: nobody's
	r.apply(bind(0, a))

	change, err := r.set.Prepare([]*balancer.Bind{bind(0, a), bind(1, b), bind(2, taken), bind(3, foreign)})
	if err == nil {
		change.Abort()
		t.Fatal("no error")
	}
	for _, want := range []string{
		"elbow.yaml:12:9: listener web/HTTP:" + taken.String() + ": cannot listen on " + taken.String() + ": address already in use",
		"ss -ltnp 'sport = :",
		"cannot listen on 192.0.2.1:8080: ",
		"not on any interface",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %q", want, err)
		}
	}
	if !errors.Is(err, unix.EADDRINUSE) || !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("the causes are lost: %v", err)
	}
	r.refused(b)
	r.connect(a, 0)
	r.wantAddrs(map[int]netip.AddrPort{0: a})
}

// TestWildcardToAddress moves a listener from all addresses to one, or back: the
// kernel does not let both be listened on, and the message says what to do.
func TestWildcardToAddress(t *testing.T) {
	one := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port())
	}
	for _, ip := range []string{"::", "0.0.0.0"} {
		t.Run(ip, func(t *testing.T) {
			r := newRig(t)
			all := r.free(ip)
			for _, d := range []struct{ from, to netip.AddrPort }{{all, one(all)}, {one(all), all}} {
				r.apply(bind(0, d.from))
				_, err := r.set.Prepare([]*balancer.Bind{bind(1, d.to)})
				if err == nil || !strings.Contains(err.Error(), "this process listens on "+d.from.String()) ||
					!strings.Contains(err.Error(), "first reload") {
					t.Errorf("from %v to %v: %v", d.from, d.to, err)
				}
				r.connect(one(all), 0) // still served
				r.apply()
				r.apply(bind(1, d.to)) // the way that the message shows
				r.connect(one(all), 1)
				r.apply()
			}
		})
	}
}

// TestAllAddresses: "::" stands for both families.
func TestAllAddresses(t *testing.T) {
	r := newRig(t)
	all := r.free("::")
	r.apply(bind(0, all))
	r.connect(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), all.Port()), 0)
	r.connect(netip.AddrPortFrom(netip.MustParseAddr("::1"), all.Port()), 0)
}

// TestCloseTakesTheRest closes the sockets while connections that the kernel has
// made wait to be accepted: they are, rather than reset.
func TestCloseTakesTheRest(t *testing.T) {
	r := newRig(t)
	a := r.free("127.0.0.1")
	entered, goOn := make(chan struct{}, 100), make(chan struct{})
	r.enter = func() {
		entered <- struct{}{}
		<-goOn // keeps the loop from accepting more
	}
	r.apply(bind(7, a))
	const n = 20
	for i := range n {
		c, err := net.DialTimeout("tcp", a.String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i == 0 {
			<-entered
		}
	}
	var closing sync.WaitGroup
	closing.Go(r.set.Close)
	close(goOn)
	closing.Wait()
	if len(r.calls) != n {
		t.Errorf("%d of %d connections were accepted", len(r.calls), n)
	}
	for range len(r.calls) {
		if call := <-r.calls; call.slot != 7 || !call.remote.Addr().IsLoopback() {
			t.Errorf("%+v", call)
		}
	}
	r.refused(a)
	r.set.Close()
}

func TestExplainPermission(t *testing.T) {
	r := newRig(t)
	for _, err := range []error{unix.EACCES, unix.EPERM} {
		if got := r.set.explain(bind(0, netip.MustParseAddrPort("127.0.0.1:80")), err).Error(); !strings.Contains(got, "CAP_NET_BIND_SERVICE") {
			t.Error(got)
		}
	}
	if got := r.set.explain(bind(0, netip.MustParseAddrPort("127.0.0.1:80")), unix.EBADF).Error(); !strings.HasSuffix(got, "bad file descriptor") {
		t.Error(got)
	}
}
