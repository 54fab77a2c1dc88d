package netio

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// frugal echoes from its worker's scratch space.
type frugal struct{ Conn }

func (c *frugal) Ready(*Conn) {
	if c.Claim() {
		c.Loop().Go(c)
	}
}

func (c *frugal) Expired(*Conn) {
	if c.Claim() {
		c.Close()
	}
}

func (c *frugal) Serve(w *Worker) {
	b, _ := w.Local.(*Buf)
	if b == nil {
		b = new(Buf)
		w.Local = b
	}
	for {
		n, s := c.TryRead(b[:])
		if s == Again || n > 0 && n < len(b) && !c.Hangup() {
			if n > 0 && w.Writev(&c.Conn, [][]byte{b[:n/2], b[n/2 : n]}, time.Minute) != OK {
				c.Close()
				return
			}
			if c.Park(w.Now, time.Minute) {
				return
			}
			continue
		}
		if s != OK || w.Write(&c.Conn, b[:n], time.Minute) != OK {
			c.Close()
			return
		}
	}
}

// newFrugal returns a blocking client of a parked connection that echoes.
func newFrugal(t testing.TB, e *Engine) (client int) {
	t.Helper()
	fd, addr := listen(t, 10)
	a, err := e.Accept(fd, func(l *Loop, fd int, remote netip.AddrPort) {
		c := new(frugal)
		l.RegisterAccepted(&c.Conn, fd, remote, c, time.Minute)
	})
	if err != nil {
		t.Fatal(err)
	}
	client = rawClient(t)
	connect(t, client, addr)
	roundTrip(t, client, make([]byte, 128))
	a.Close()
	return client
}

func roundTrip(t testing.TB, client int, b []byte) {
	if n, err := unix.Write(client, b); n != len(b) || err != nil {
		t.Fatalf("write: %d %v", n, err)
	}
	for left := b; len(left) > 0; {
		n, err := unix.Read(client, left)
		if n <= 0 || err != nil {
			t.Fatalf("read: %d %v", n, err)
		}
		left = left[n:]
	}
}

// A message costs nothing on the heap: wake-up, claim, worker, read, writev,
// deadline, park. Nor do waiting for one side or two, a full socket, or splice.
func TestAllocs(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	l := e.Loop(0)
	f := func(name string, op func()) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			op()
			if n := testing.AllocsPerRun(100, op); n != 0 {
				t.Errorf("%v allocations, want 0", n)
			}
		})
	}
	client := newFrugal(t, e)
	defer unix.Close(client)
	msg := make([]byte, 128)
	f("echo", func() { roundTrip(t, client, msg) })

	// The rest runs on one worker that is told when to do its thing again.
	step := func(name string, do func(w *Worker)) {
		t.Helper()
		again, over := make(chan struct{}), make(chan struct{})
		done := start(l, func(w *Worker) {
			for range again {
				do(w)
				over <- struct{}{}
			}
		})
		f(name, func() { again <- struct{}{}; <-over })
		close(again)
		within(t, name, done)
	}
	a, ap := ownPair(t, l)
	b, bp := ownPair(t, l)
	defer a.Close()
	defer b.Close()
	apc, _ := ap.SyscallConn()
	send := func(fd uintptr) bool { unix.Write(int(fd), msg); return true }
	step("WaitAny", func(w *Worker) {
		readAll(a, msg)
		a.SetDeadline(w.Now, time.Hour)
		apc.Write(send)
		w.WaitAny(Want{Conn: a}, Want{Conn: b})
	})
	step("Read", func(w *Worker) {
		apc.Write(send)
		if _, s := w.Read(a, msg, time.Hour); s != OK {
			t.Error(s)
		}
	})
	big, in := make([]byte, 64<<10), make([]byte, 64<<10)
	unix.SetsockoptInt(b.FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 256<<10)
	bpc, _ := bp.SyscallConn()
	got := 0
	recv := func(fd uintptr) bool { got, _ = unix.Read(int(fd), in); return true }
	step("a full socket", func(w *Worker) {
		for {
			if _, s := b.TryWrite(big); s == Again {
				break
			}
		}
		bpc.Read(recv)
		for got > 0 {
			bpc.Read(recv)
		}
		w.WaitAny(Want{b, true})
		b.Disarm()
	})
	pace := patient()
	step("Splice", func(w *Worker) {
		readAll(a, msg)
		apc.Write(send)
		if n, s, _, _ := w.Splice(b, a, int64(len(msg)), time.Hour, pace); n != int64(len(msg)) {
			t.Error(n, s)
		}
		bpc.Read(recv)
	})
}

// readAll reads c until there is nothing.
func readAll(c *Conn, b []byte) {
	for {
		if _, s := c.TryRead(b); s != OK {
			return
		}
	}
}

// One message on one connection that is parked in between: the cost of a
// wake-up, against which everything above this package is measured.
func BenchmarkEcho(b *testing.B) {
	e := newEngine(b, Options{Loops: 1})
	client := newFrugal(b, e)
	defer unix.Close(client)
	msg := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(b, client, msg)
	}
}

// Claim and park again: what a pool pays.
func BenchmarkClaimPark(b *testing.B) {
	e := newEngine(b, Options{Loops: 1})
	c, _ := ownPair(b, e.Loop(0))
	now := e.Nanotime()
	b.ReportAllocs()
	for b.Loop() {
		c.Park(now, time.Minute)
		c.Claim()
	}
	c.Close()
}

// 1 MiB through the kernel.
func BenchmarkSplice(b *testing.B) {
	const size = 1 << 20
	e := newEngine(b, Options{Loops: 1})
	x := newSplice(b, e)
	block, sink := make([]byte, size), make([]byte, 256<<10)
	go func() {
		for {
			if _, err := x.srcPeer.Write(block); err != nil {
				return
			}
		}
	}()
	go func() {
		for {
			if _, err := x.dstPeer.Read(sink); err != nil {
				return
			}
		}
	}()
	b.SetBytes(size)
	b.ReportAllocs()
	pace := patient()
	run(b, e.Loop(0), func(w *Worker) {
		for b.Loop() {
			if _, s, _, _ := w.Splice(x.dst, x.src, size, time.Minute, pace); s != OK {
				b.Error(s)
				return
			}
		}
	})
}
