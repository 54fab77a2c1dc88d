package netio

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// fill writes to c until its socket takes no more, and leaves it armed.
func fill(t testing.TB, c *Conn) (sent int) {
	t.Helper()
	b := make([]byte, 64<<10)
	for {
		n, s := c.TryWrite(b)
		if s == Again {
			return sent
		}
		if s != OK {
			t.Fatalf("TryWrite: %v", s)
		}
		sent += n
	}
}

func TestWaitRead(t *testing.T) {
	e := newEngine(t, Options{Loops: 1, Clock: newFake()})
	l := e.Loop(0)
	f := func(name string, want bool, before, during func(c *Conn, peer io.WriteCloser)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, peer := ownPair(t, l)
			defer c.Close()
			if before != nil {
				before(c, peer)
			}
			got := false
			done := start(l, func(w *Worker) { got = w.WaitRead(c) })
			if during != nil {
				sleeping(t, c)
				during(c, peer)
			}
			within(t, "WaitRead", done)
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
			if s := c.r.Load(); s != nil && s != stReady {
				t.Errorf("the ownership word holds %v", s)
			}
		})
	}
	send := func(_ *Conn, peer io.WriteCloser) { io.WriteString(peer, "x") }
	hangUp := func(_ *Conn, peer io.WriteCloser) { peer.Close() }
	pass := func(d time.Duration) func(*Conn, io.WriteCloser) {
		return func(*Conn, io.WriteCloser) { fakeOf(e).Advance(d) }
	}
	limit := func(c *Conn, _ io.WriteCloser) { c.SetDeadline(e.Nanotime(), time.Second) }
	f("readable before", true, func(c *Conn, peer io.WriteCloser) { send(c, peer); received(t, c) }, nil)
	f("readable during", true, nil, send)
	f("hung up during", true, limit, hangUp)
	f("expired", false, limit, pass(time.Second+2*tick))
	f("readable in time", true, limit, func(c *Conn, peer io.WriteCloser) {
		pass(time.Second-tick)(c, peer)
		send(c, peer)
	})
}

func TestWaitAny(t *testing.T) {
	e := newEngine(t, Options{Loops: 2, Clock: newFake()})
	l := e.Loop(0)
	// Want 0: reading a, 1: reading b, 2: writing a, 3: writing b.
	type side struct {
		c    *Conn
		peer interface {
			io.ReadWriteCloser
			CloseWrite() error
		}
	}
	f := func(name string, wants string, ready, expired uint8, before, during func(a, b side)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			ac, ap := ownPair(t, l)
			bc, bp := ownPair(t, e.Loop(1))
			defer ac.Close()
			defer bc.Close()
			a, b := side{ac, ap}, side{bc, bp}
			all := map[rune]Want{'a': {Conn: ac}, 'b': {Conn: bc}, 'A': {ac, true}, 'B': {bc, true}}
			var w4 []Want
			for _, r := range wants {
				if all[r].Write {
					fill(t, all[r].Conn)
				}
				w4 = append(w4, all[r])
			}
			if before != nil {
				before(a, b)
			}
			var gotReady, gotExpired uint8
			done := start(l, func(w *Worker) { gotReady, gotExpired = w.WaitAny(w4...) })
			if during != nil {
				for _, q := range w4 {
					await(t, "a worker that sleeps", func() bool {
						return hasWaiter(q.Conn.r.Load()) || hasWaiter(q.Conn.w.Load())
					})
				}
				during(a, b)
			}
			within(t, "WaitAny", done)
			if gotReady&ready != ready || gotReady|ready != ready || gotExpired != expired {
				t.Errorf("got %04b %04b, want %04b %04b", gotReady, gotExpired, ready, expired)
			}
			for _, q := range w4 {
				if hasWaiter(q.Conn.r.Load()) || hasWaiter(q.Conn.w.Load()) {
					t.Error("a waiter was left behind")
				}
				q.Conn.Disarm()
			}
		})
	}
	send := func(s side) { io.WriteString(s.peer, "x") }
	drain := func(s side) { go io.Copy(io.Discard, s.peer) }
	limit := func(s side) { s.c.SetDeadline(e.Nanotime(), time.Second) }
	pass := func() { fakeOf(e).Advance(time.Second + 2*tick) }

	f("first is ready", "ab", 1, 0, func(a, b side) { send(a); received(t, a.c) }, nil)
	f("second is ready", "ab", 2, 0, func(a, b side) { send(b); received(t, b.c) }, nil)
	f("both are ready", "ab", 3, 0, func(a, b side) {
		send(a)
		send(b)
		received(t, a.c)
		received(t, b.c)
	}, nil)
	f("second becomes ready", "ab", 2, 0, nil, func(a, b side) { send(b) })
	f("hangs up", "abAB", 1, 0, nil, func(a, b side) { a.peer.CloseWrite() })
	f("becomes writable", "abAB", 4, 0, nil, func(a, b side) { drain(a) })
	f("only writing", "A", 1, 0, nil, func(a, b side) { drain(a) })
	f("first expires", "ab", 0, 1, func(a, b side) { limit(a) }, func(a, b side) { pass() })
	f("a writer expires", "aB", 0, 2, func(a, b side) { limit(b) }, func(a, b side) { pass() })
	f("expired long ago, but ready", "ab", 2, 0, func(a, b side) {
		limit(a)
		pass()
		send(b)
		received(t, b.c)
	}, nil)
}

// A direction that no write has armed is reported as ready, for the caller to
// try, rather than waited for.
func TestWaitAnyUnarmed(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	c, _ := ownPair(t, e.Loop(0))
	defer c.Close()
	run(t, e.Loop(0), func(w *Worker) {
		for range 2 {
			if ready, _ := w.WaitAny(Want{c, true}); ready != 1 {
				t.Errorf("got %b, want 1", ready)
			}
			c.Disarm()
		}
	})
	for _, n := range []int{0, 5} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("WaitAny of %d: no panic", n)
				}
			}()
			new(Worker).WaitAny(make([]Want, n)...)
		}()
	}
}

// The wheel saw an old deadline passed, then met an owner that had just set a
// new one: nothing has expired.
func TestExpiryOfOldDeadline(t *testing.T) {
	e := newEngine(t, Options{Loops: 1, Clock: newFake()})
	l := e.Loop(0)
	f := func(name string, wait func(w *Worker, c *Conn) bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, peer := ownPair(t, l)
			defer c.Close()
			fill(t, c)
			c.SetDeadline(e.Nanotime(), time.Minute)
			expired := false
			done := start(l, func(w *Worker) { expired = wait(w, c) })
			for range 10 {
				sleeping(t, c)
				expire(c, tickOf(e.Nanotime()))
			}
			sleeping(t, c)
			io.WriteString(peer, "x")
			go io.Copy(io.Discard, peer)
			within(t, "the wait", done)
			if expired {
				t.Error("expired before its deadline")
			}
			c.Disarm()
		})
	}
	f("WaitRead", func(w *Worker, c *Conn) bool { return !w.WaitRead(c) })
	f("waitWrite", func(w *Worker, c *Conn) bool { return !w.waitWrite(c) })
	f("WaitAny", func(w *Worker, c *Conn) bool {
		_, expired := w.WaitAny(Want{Conn: c}, Want{c, true})
		return expired != 0
	})
	fd, _ := tcpPair(t)
	c, p := new(Conn), newTold()
	l.Register(c, fd, p, time.Minute)
	if expire(c, tickOf(e.Nanotime())) || len(p.expired) != 0 {
		t.Error("a parked connection expired before its deadline")
	}
}

// Both sides fire at once, over and over: each wait ends, exactly its tokens
// are taken (the invariants of Worker.run check that), and no byte is slept
// over.
func TestWaitAnyRace(t *testing.T) {
	const rounds = 3000
	e := newEngine(t, Options{Loops: 2})
	a, ap := ownPair(t, e.Loop(0))
	b, bp := ownPair(t, e.Loop(1))
	acks := make(chan struct{}, 1)
	for i, peer := range []io.Writer{ap, bp} {
		go func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range rounds {
				for range r.IntN(200) {
					// a moment that differs from round to round
				}
				peer.Write([]byte{'x'})
				if i == 0 {
					<-acks
				}
			}
		}()
	}
	run(t, e.Loop(0), func(w *Worker) {
		var got [2]int
		buf := make([]byte, 64)
		for got[0] < rounds || got[1] < rounds {
			ready, _ := w.WaitAny(Want{Conn: a}, Want{Conn: b})
			for i, c := range []*Conn{a, b} {
				if ready&(1<<i) == 0 {
					continue
				}
				n, s := c.TryRead(buf)
				if s != OK && s != Again {
					t.Errorf("TryRead: %v", s)
					return
				}
				got[i] += n
				if i == 0 && n > 0 {
					acks <- struct{}{}
				}
			}
		}
		a.Close()
		b.Close()
	})
}
