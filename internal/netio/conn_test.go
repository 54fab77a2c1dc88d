package netio

import (
	"io"
	"net/netip"
	"testing"
	"unsafe"
)

// A parked connection is this and nothing else: no goroutine, no buffer.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 80 {
		t.Errorf("a Conn takes %d bytes, want at most 80", n)
	}
}

func TestRemote(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var c Conn
		a := netip.AddrPort{}
		if in != "" {
			a = netip.MustParseAddrPort(in)
		}
		c.setRemote(a)
		got := ""
		if c.Remote().IsValid() {
			got = c.Remote().String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("192.0.2.1:80", "192.0.2.1:80")
	f("[::ffff:192.0.2.1]:80", "192.0.2.1:80")
	f("[2001:db8::1]:65535", "[2001:db8::1]:65535")
	f("[::]:0", "[::]:0")
	f("[fe80::1%eth0]:80", "[fe80::1]:80")
	f("", "")
}

func TestAddresses(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	c, peer := ownPair(t, e.Loop(0))
	defer c.Close()
	if got, want := c.Local().String(), peer.RemoteAddr().String(); got != want {
		t.Errorf("Local: got %s, want %s", got, want)
	}
	if c.Loop() != e.Loop(0) || c.FD() <= 2 {
		t.Errorf("got loop %v and descriptor %d", c.Loop(), c.FD())
	}
}

// What an owner reads, and what it must still expect when it would park.
func TestParkSeesWhatIsUnread(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	type act func(t *testing.T, c *Conn, send func(string), fin func())
	read := func(t *testing.T, c *Conn, n int, want string, status Status) {
		t.Helper()
		b := make([]byte, n)
		got, s := c.TryRead(b)
		if string(b[:got]) != want || s != status {
			t.Errorf("read %d: got %q %v, want %q %v", n, b[:got], s, want, status)
		}
	}
	f := func(name string, park bool, do act) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, peer := ownPair(t, e.Loop(0))
			// Sends come with their event, unless the test looks earlier.
			do(t, c, func(s string) { io.WriteString(peer, s) }, func() { peer.CloseWrite() })
			if pending := c.Pending(); pending == park {
				t.Errorf("Pending: got %v, want %v", pending, !park)
			}
			if got := c.Park(0, 0); got != park {
				t.Errorf("Park: got %v, want %v", got, park)
			}
			if park && !c.Claim() {
				t.Errorf("Claim: false")
			}
			c.Close()
		})
	}
	f("nothing came", true, func(t *testing.T, c *Conn, send func(string), fin func()) {
		read(t, c, 10, "", Again)
	})
	f("all was read", true, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		received(t, c)
		read(t, c, 10, "abc", OK)
	})
	f("nothing was read", false, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		received(t, c)
	})
	f("the buffer was too small", false, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		received(t, c)
		read(t, c, 2, "ab", OK)
	})
	f("the buffer was just large enough", true, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		received(t, c)
		read(t, c, 3, "abc", OK)
	})
	f("more came after the read", false, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		received(t, c)
		read(t, c, 10, "abc", OK)
		send("d")
		received(t, c)
	})
	f("the event came after the read that it was about", true, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		received(t, c)
		read(t, c, 10, "abc", OK)
		c.wakeRead()
	})
	f("FIN behind the bytes", false, func(t *testing.T, c *Conn, send func(string), fin func()) {
		send("abc")
		fin()
		await(t, "FIN", c.Hangup)
		received(t, c)
		read(t, c, 10, "abc", OK)
	})
	f("FIN was read", true, func(t *testing.T, c *Conn, send func(string), fin func()) {
		fin()
		await(t, "FIN", c.Hangup)
		received(t, c)
		read(t, c, 10, "", EOF)
		if c.Broken() {
			t.Errorf("Broken after FIN from the peer alone")
		}
	})
}

// FIN that comes with bytes has no edge of its own: a wait after the short read
// must not sleep over it.
func TestWaitSeesFINBehindShortRead(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	f := func(name string, wait func(w *Worker, c *Conn)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, peer := ownPair(t, e.Loop(0))
			defer c.Close()
			io.WriteString(peer, "abc")
			peer.CloseWrite()
			await(t, "FIN", c.Hangup)
			received(t, c)
			run(t, e.Loop(0), func(w *Worker) {
				b := make([]byte, 10)
				if n, s := c.TryRead(b); n != 3 || s != OK {
					t.Errorf("got %d %v, want 3 ok", n, s)
				}
				wait(w, c)
				if _, s := c.TryRead(b); s != EOF {
					t.Errorf("got %v, want eof", s)
				}
			})
		})
	}
	f("WaitRead", func(w *Worker, c *Conn) { w.WaitRead(c) })
	f("WaitAny", func(w *Worker, c *Conn) { w.WaitAny(Want{Conn: c}) })
}

func TestClaim(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	fd, peer := tcpPair(t)
	p := newTold()
	c := new(Conn)
	if s := e.Loop(0).Register(c, fd, p, 0); s != OK {
		t.Fatal(s)
	}
	if !c.Claim() || c.Claim() {
		t.Fatal("Claim must succeed once")
	}
	if !c.Park(0, 0) {
		t.Fatal("Park: false")
	}
	io.WriteString(peer, "x")
	if got := <-p.ready; got != c {
		t.Fatal("Ready was told of another connection")
	}
	// The Parker did not claim it. Whoever does learns of the event.
	if !c.Claim() || c.Claim() {
		t.Fatal("Claim after Ready must succeed once")
	}
	if !c.Pending() {
		t.Error("the event that the Parker was told of is lost to who claims")
	}
	c.Close()
	if c.Claim() || !c.Closed() {
		t.Error("a closed connection was claimed")
	}
}

func TestPeek(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	c, peer := ownPair(t, e.Loop(0))
	reset, peer2 := ownPair(t, e.Loop(0))
	f := func(c *Conn, want Status) {
		t.Helper()
		if s := c.Peek(); s != want {
			t.Errorf("got %v, want %v", s, want)
		}
	}
	f(c, Again)
	io.WriteString(peer, "x")
	received(t, c)
	f(c, OK)
	f(c, OK)
	c.TryRead(make([]byte, 10))
	f(c, Again)
	peer.CloseWrite()
	await(t, "FIN", c.Hangup)
	f(c, EOF)
	c.Close()
	peer2.SetLinger(0)
	peer2.Close()
	await(t, "RST", reset.Broken)
	f(reset, Reset)
	reset.Close()
}

func TestClose(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	f := func(name string, do func(c *Conn), want error, open bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, peer := ownPair(t, e.Loop(0))
			do(c)
			_, err := peer.Read(make([]byte, 1))
			if (want == io.EOF) != (err == io.EOF) || err == nil {
				t.Errorf("the peer read: %v, want %v", err, want)
			}
			if open {
				io.WriteString(peer, "x")
				received(t, c)
				c.Close()
			}
		})
	}
	f("Close sends FIN", func(c *Conn) { c.Close() }, io.EOF, false)
	f("CloseReset sends RST", func(c *Conn) { c.CloseReset() }, io.ErrClosedPipe, false)
	f("CloseWrite sends FIN and goes on reading", func(c *Conn) { c.CloseWrite() }, io.EOF, true)
}

func TestStatusString(t *testing.T) {
	for s := OK; s <= NoDescriptors; s++ {
		if s.String() == "" {
			t.Errorf("status %d has no name", s)
		}
	}
	if len(statusNames) != int(NoDescriptors)+1 {
		t.Errorf("%d names for %d statuses", len(statusNames), NoDescriptors+1)
	}
}

// Under -race, or with the invariants tag, misuse panics.
func TestMisuse(t *testing.T) {
	if !invariants {
		t.Skip("invariants are not compiled in")
	}
	e := newEngine(t, Options{Loops: 1})
	f := func(name string, do func(c *Conn)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, _ := ownPair(t, e.Loop(0))
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				if c.Claim(); !c.Closed() {
					c.Close()
				}
			}()
			do(c)
		})
	}
	f("closed twice", func(c *Conn) { c.Close(); c.Close() })
	f("closed while parked", func(c *Conn) { c.Park(0, 0); c.Close() })
	f("parked while parked", func(c *Conn) { c.Park(0, 0); c.Park(0, 0) })
	f("read into nothing", func(c *Conn) { c.TryRead(nil) })
	f("same want twice", func(c *Conn) { new(Worker).WaitAny(Want{Conn: c}, Want{Conn: c}) })
}
