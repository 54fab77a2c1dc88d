package netio

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// dial dials addr on a worker of l and returns what came of it.
func dial(t *testing.T, l *Loop, addr netip.AddrPort, timeout time.Duration) (*Conn, Status) {
	t.Helper()
	c := new(Conn)
	var s Status
	run(t, l, func(w *Worker) { s = w.Dial(c, addr, aloof{}, timeout) })
	if got := c.Closed(); got != (s != OK) {
		t.Errorf("after %v: closed %v", s, got)
	}
	return c, s
}

func TestDial(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	f := func(name, network, on string, mapped bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen(network, on)
			if err != nil {
				t.Skipf("cannot listen: %v", err)
			}
			defer ln.Close()
			want := ln.Addr().(*net.TCPAddr).AddrPort()
			addr := want
			if mapped {
				addr = netip.AddrPortFrom(netip.AddrFrom16(addr.Addr().As16()), addr.Port())
			}
			c, s := dial(t, e.Loop(1), addr, time.Minute)
			if s != OK {
				t.Fatalf("got %v, want ok", s)
			}
			peer, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			if c.Remote() != want || c.Loop() != e.Loop(1) || peer.RemoteAddr().String() != c.Local().String() {
				t.Errorf("got remote %v, loop %d, local %v", c.Remote(), c.Loop().Index, c.Local())
			}
			if c.deadline.Load() != noDeadline {
				t.Error("the deadline of connecting was left")
			}
			// The owner can use it at once, and the loop knows it.
			run(t, e.Loop(1), func(w *Worker) {
				if s := w.Write(c, []byte("ping"), time.Minute); s != OK {
					t.Errorf("Write: %v", s)
				}
				b := make([]byte, 10)
				if n, err := peer.Read(b); string(b[:n]) != "ping" {
					t.Errorf("got %q %v", b[:n], err)
				}
				go peer.Write([]byte("pong"))
				if n, s := w.Read(c, b, time.Minute); string(b[:n]) != "pong" {
					t.Errorf("got %q %v", b[:n], s)
				}
			})
			c.Close()
		})
	}
	f("IPv4", "tcp4", "127.0.0.1:0", false)
	f("IPv4 mapped to IPv6", "tcp4", "127.0.0.1:0", true)
	f("IPv6", "tcp6", "[::1]:0", false)
}

func TestDialRefused(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	_, addr := listen(t, -1) // bound, so that nobody else listens there
	for range 100 {
		if _, s := dial(t, e.Loop(0), addr, time.Minute); s != Refused {
			t.Fatalf("got %v, want refused", s)
		}
	}
}

func TestDialNoRoute(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	if _, s := dial(t, e.Loop(0), netip.MustParseAddrPort("[2001:db8::1]:80"), time.Nanosecond); s != NoRoute && s != TimedOut {
		t.Errorf("got %v, want no-route, or timed-out on a machine with IPv6", s)
	}
}

// blackHole is an address that does not answer: its backlog is full, so SYNs
// are dropped.
func blackHole(t *testing.T) netip.AddrPort {
	t.Helper()
	_, addr := listen(t, 0)
	for {
		c, err := net.DialTimeout("tcp", addr.String(), 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestDialTimeout(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	addr := blackHole(t)
	c := new(Conn)
	var s Status
	done := start(e.Loop(0), func(w *Worker) { s = w.Dial(c, addr, aloof{}, 10*time.Second) })
	await(t, "a worker that sleeps", func() bool { return hasWaiter(c.w.Load()) })
	fake.Advance(10*time.Second - tick)
	if !hasWaiter(c.w.Load()) {
		t.Error("Dial gave up too early")
	}
	fake.Advance(3 * tick)
	within(t, "Dial", done)
	if s != TimedOut || !c.Closed() {
		t.Errorf("got %v, closed %v; want timed-out, closed", s, c.Closed())
	}
}

// Events that come before the connection is made are not taken for its being
// made.
func TestDialSpuriousEvents(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	addr := blackHole(t)
	c := new(Conn)
	var s Status
	done := start(e.Loop(0), func(w *Worker) { s = w.Dial(c, addr, aloof{}, 10*time.Second) })
	for range 20 {
		await(t, "a worker that sleeps", func() bool { return hasWaiter(c.w.Load()) })
		c.wakeWrite()
		c.wakeRead()
	}
	await(t, "a worker that sleeps", func() bool { return hasWaiter(c.w.Load()) })
	fake.Advance(11 * time.Second)
	within(t, "Dial", done)
	if s != TimedOut {
		t.Errorf("got %v, want timed-out", s)
	}
}

// The kernel draws our port from a range. When it draws the very port that we
// dial and nobody listens there, TCP connects the socket to itself.
func TestDialSelf(t *testing.T) {
	if testing.Short() {
		t.Skip("dials until the kernel has drawn every port")
	}
	e := newEngine(t, Options{Loops: 1})
	run(t, e.Loop(0), func(w *Worker) {
		// A port that the kernel drew for a connection, and is free again. It
		// draws every second port of its range, one after the other.
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		defer ln.Close()
		c := new(Conn)
		if s := w.Dial(c, ln.Addr().(*net.TCPAddr).AddrPort(), aloof{}, time.Minute); s != OK {
			t.Errorf("got %v, want ok", s)
			return
		}
		free := c.Local()
		c.CloseReset()
		for range 15000 {
			c := new(Conn)
			if s := w.Dial(c, free, aloof{}, time.Minute); s != Refused {
				t.Errorf("got %v, want refused", s)
				if s == OK {
					c.Close()
				}
				return
			}
		}
	})
}

func TestConnectStatus(t *testing.T) {
	f := func(e syscall.Errno, want Status) {
		t.Helper()
		if got := connectStatus(e); got != want {
			t.Errorf("%v: got %v, want %v", e, got, want)
		}
	}
	f(syscall.ECONNREFUSED, Refused)
	f(syscall.ETIMEDOUT, TimedOut)
	f(syscall.ENETUNREACH, NoRoute)
	f(syscall.EHOSTUNREACH, NoRoute)
	f(syscall.EADDRNOTAVAIL, NoDescriptors)
	f(syscall.EMFILE, NoDescriptors)
	f(syscall.ECONNRESET, Reset)
	f(0, Reset)
}
