package netio

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Engine.Close ends connections in whatever state they are, and with them the
// workers. (newEngine's cleanup closes, and checks that nothing is left.)
func TestEngineClose(t *testing.T) {
	hole := blackHole(t)
	big := make([]byte, 64<<20)
	f := func(name string, do func(t *testing.T, w *Worker, c *Conn) Status) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Options{Loops: 2})
			c, peer := ownPair(t, e.Loop(0))
			var s Status
			done := start(e.Loop(1), func(w *Worker) {
				s = do(t, w, c)
				c.Close()
			})
			await(t, "a worker that sleeps", func() bool {
				waiting := false
				e.table.each(func(c *Conn) { waiting = waiting || hasWaiter(c.r.Load()) || hasWaiter(c.w.Load()) })
				return waiting
			})
			closeEngine(t, e)
			within(t, "the task", done)
			if s != Reset {
				t.Errorf("got %v, want reset", s)
			}
			if _, err := io.Copy(io.Discard, peer); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the peer's connection is still open")
			}
		})
	}
	f("Read", func(_ *testing.T, w *Worker, c *Conn) Status {
		_, s := w.Read(c, make([]byte, 1), 0)
		return s
	})
	f("Write", func(_ *testing.T, w *Worker, c *Conn) Status { return w.Write(c, big, time.Hour) })
	f("Writev", func(_ *testing.T, w *Worker, c *Conn) Status { return w.Writev(c, [][]byte{big, big}, time.Hour) })
	f("WaitAny", func(_ *testing.T, w *Worker, c *Conn) Status {
		for {
			w.WaitAny(Want{Conn: c})
			if _, s := c.TryRead(make([]byte, 1)); s != Again {
				return s
			}
		}
	})
	f("Dial", func(_ *testing.T, w *Worker, c *Conn) Status {
		d := new(Conn)
		return w.Dial(d, hole, aloof{}, time.Hour)
	})
	f("Splice, waiting to read", func(t *testing.T, w *Worker, c *Conn) Status {
		d, _ := ownPair(t, c.Loop())
		defer d.Close()
		_, s, _, _ := w.Splice(d, c, 1, time.Hour, patient())
		return s
	})
	f("Splice, waiting to write", func(t *testing.T, w *Worker, c *Conn) Status {
		d, peer := ownPair(t, c.Loop())
		defer d.Close()
		go peer.Write(big)
		_, s, _, _ := w.Splice(c, d, 1<<40, time.Hour, patient())
		return s
	})
	f("a worker that insists", func(_ *testing.T, w *Worker, c *Conn) Status {
		for range 20 {
			w.WaitRead(c)
		}
		_, s := c.TryRead(make([]byte, 1))
		return s
	})
}

// Workers that never sleep, because their peer keeps them busy, end too.
func TestEngineCloseBusy(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	var peers sync.WaitGroup
	busy := func(c *Conn, peer *net.TCPConn) {
		peers.Go(func() { io.Copy(peer, zeros{}) })
		peers.Go(func() { io.Copy(io.Discard, peer) })
	}
	a, ap := ownPair(t, e.Loop(0))
	busy(a, ap)
	start(e.Loop(0), func(w *Worker) {
		b := GetBuf()
		defer PutBuf(b)
		for s := OK; s == OK; {
			_, s = w.Read(a, b[:], time.Hour)
		}
		a.Close()
	})
	b, bp := ownPair(t, e.Loop(1))
	busy(b, bp)
	start(e.Loop(1), func(w *Worker) {
		for s := OK; s == OK; {
			s = w.Write(b, make([]byte, 1000), time.Hour)
		}
		b.Close()
	})
	c, cp := ownPair(t, e.Loop(0))
	d, dp := ownPair(t, e.Loop(1))
	busy(c, cp)
	busy(d, dp)
	start(e.Loop(1), func(w *Worker) {
		w.Splice(d, c, 1<<60, time.Hour, patient())
		c.Close()
		d.Close()
	})
	await(t, "work", func() bool { return e.Busy() == 3 })
	closeEngine(t, e)
	done := make(chan struct{})
	go func() { peers.Wait(); close(done) }()
	within(t, "peers", done)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// Closing while connections are accepted, used, dialled and given up: every
// descriptor is closed once, by its owner. A second close, or a shutdown of a
// descriptor that is somebody else's by then, would hit the bystander.
func TestEngineCloseRace(t *testing.T) {
	by, byPeer := tcpPair(t) // made first, and never closed by an engine
	defer CloseDescriptor(by)
	for i := range 60 {
		e, err := New(Options{Loops: 2})
		if err != nil {
			t.Fatal(err)
		}
		fd, addr := listen(t, 64)
		s := &echoServer{Engine: e, addr: addr, idle: time.Minute, writeTimeout: time.Minute}
		a, err := e.Accept(fd, func(l *Loop, fd int, remote netip.AddrPort) {
			c := &echo{server: s}
			l.RegisterAccepted(&c.Conn, fd, remote, c, s.idle)
		})
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		var stop atomic.Bool
		for j := range 4 {
			clients.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				for !stop.Load() {
					c, err := s.dial()
					if err != nil {
						continue
					}
					v := &visit{r: r, seed: r.Uint64(), total: 1 + r.IntN(3000)}
					manners["pipelined"](v, c)
					c.Close()
				}
			})
		}
		for range 2 {
			var again taskFunc
			again = func(w *Worker) {
				c := new(Conn)
				switch w.Dial(c, addr, aloof{}, time.Minute) {
				case OK:
					w.Write(c, []byte("x"), time.Minute)
					w.Read(c, make([]byte, 1), time.Minute)
					c.CloseReset()
				case Reset:
					return
				}
				if !e.closing.Load() {
					w.Loop().Go(again)
				}
			}
			e.Loop(0).Go(again)
		}
		await(t, "some work", func() bool { return s.served.Load() > int64(i) })
		if i%2 == 0 {
			a.Close() // the other half closes the engine under its acceptor
		}
		closeEngine(t, e)
		stop.Store(true)
		a.Close()
		unix.Shutdown(fd, unix.SHUT_RDWR) // resets what is in the backlog
		done := make(chan struct{})
		go func() { clients.Wait(); close(done) }()
		within(t, "clients", done)
	}
	if _, err := byPeer.Write([]byte("x")); err != nil {
		t.Errorf("the bystander: %v", err)
	}
	byPeer.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := byPeer.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the bystander: got %v, want nothing to read", err)
	}
}

// What is registered too late is refused, and closed.
func TestRegisterAfterClose(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	closeEngine(t, e)
	fd, peer := tcpPair(t)
	c := new(Conn)
	if s := e.Loop(0).Register(c, fd, aloof{}, 0); s != Reset || !c.Closed() {
		t.Errorf("got %v, closed %v; want reset, closed", s, c.Closed())
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer read: %v, want EOF", err)
	}
}
