package netio

import (
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// spinner is a Parker whose task works without ever waiting.
type spinner struct {
	Conn
	turns func(w *Worker) (more bool)
	ended chan struct{}
}

func (s *spinner) Ready(*Conn) {
	if s.Claim() {
		s.Loop().Go(s)
	}
}
func (s *spinner) Expired(*Conn) {}
func (s *spinner) Serve(w *Worker) {
	for s.turns(w) {
	}
	s.Close()
	close(s.ended)
}

// spin starts a task on l's own goroutine that calls turns until it returns
// false.
func spin(t *testing.T, l *Loop, turns func(w *Worker) bool) (ended <-chan struct{}) {
	t.Helper()
	fd, peer := tcpPair(t)
	s := &spinner{turns: turns, ended: make(chan struct{})}
	if got := l.Register(&s.Conn, fd, s, 0); got != OK {
		t.Fatalf("Register: %v", got)
	}
	io.WriteString(peer, "x")
	return s.ended
}

// A task that never waits does not keep its loop from others, as long as it says
// what it spends; and Engine.Close waits for it.
func TestYield(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	var stop, turns atomic.Int64
	ended := spin(t, e.Loop(0), func(w *Worker) bool {
		turns.Add(1)
		w.Spend(4 << 10)
		return stop.Load() == 0
	})
	await(t, "the task to run", func() bool { return turns.Load() > 0 })
	for range 20 {
		fd, peer := tcpPair(t)
		p := newTold()
		c := new(Conn)
		e.Loop(0).Register(c, fd, p, 0)
		io.WriteString(peer, "x")
		select {
		case <-p.ready:
		case <-time.After(patience):
			stop.Store(1)
			t.Fatal("the loop is held up by a task that yields")
		}
		c.Claim()
		c.Close()
	}
	if e.Busy() != 1 {
		t.Errorf("%d workers are busy, want 1", e.Busy())
	}
	closed := make(chan struct{})
	go func() {
		e.Close()
		close(closed)
	}()
	before := turns.Load()
	await(t, "the task to go on", func() bool { return turns.Load() > before+1000 })
	select {
	case <-closed:
		t.Error("Engine.Close did not wait for a worker that had yielded")
	default:
	}
	stop.Store(1)
	within(t, "the task", ended)
	within(t, "Engine.Close", closed)
}

// Whoever yields lets everybody run who can, even where only one can at a time:
// it does not have the rest of a time slice first, which is hundreds of times as
// long.
func TestYieldIsFair(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := newEngine(t, Options{Loops: 1})
	var yields, others atomic.Int64
	const turns = 200
	ended := spin(t, e.Loop(0), func(w *Worker) bool {
		w.Yield()
		yields.Add(1)
		return others.Load() < turns
	})
	await(t, "the task to yield", func() bool { return yields.Load() > 0 })
	first := yields.Load()
	for range turns {
		others.Add(1)
		runtime.Gosched()
	}
	last := yields.Load()
	within(t, "the task", ended)
	// The scheduler may let another goroutine, or the collector, come between.
	if n := last - first; n > 20*turns {
		t.Errorf("it yielded %d times while another goroutine had %d turns", n, turns)
	}
}

// A task that has not waited for an hour knows what time it is, so that the
// first time that it does wait is not over at once.
func TestYieldTellsTime(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	l := e.Loop(0)
	c, peer := ownPair(t, l)
	done := start(l, func(w *Worker) {
		fake.Advance(time.Hour)
		w.Spend(yieldAfter)
		if w.Now != int64(time.Hour) {
			t.Errorf("Now is %v after a Yield, want 1h", time.Duration(w.Now))
		}
		if n, s := w.Read(c, make([]byte, 1), time.Minute); n != 1 || s != OK {
			t.Errorf("Read: %d %v, want 1 ok", n, s)
		}
		c.Close()
	})
	sleeping(t, c)
	fake.Advance(30 * time.Second)
	io.WriteString(peer, "x")
	within(t, "the task", done)
}

// Workers that yield are told things meanwhile, by their loop and by the wheel,
// and no token is lost or counted twice (see the invariants in Worker.run).
func TestYieldWhileTold(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	const rounds = 3000
	var all []<-chan struct{}
	for i := range 4 {
		a, peerA := ownPair(t, e.Loop(i%2))
		b, peerB := ownPair(t, e.Loop((i+1)%2))
		for _, peer := range []io.ReadWriter{peerA, peerB} {
			go io.Copy(peer, peer) // echoes
		}
		all = append(all, start(e.Loop(i%2), func(w *Worker) {
			defer a.Close()
			defer b.Close()
			buf := make([]byte, 1)
			for k := range rounds {
				for _, c := range []*Conn{a, b} {
					if s := w.Write(c, []byte("x"), time.Minute); s != OK {
						t.Errorf("Write: %v", s)
						return
					}
				}
				for left := 2; left > 0; {
					a.SetDeadline(w.Now, time.Minute)
					b.SetDeadline(w.Now, time.Minute)
					ready, expired := w.WaitAny(Want{Conn: a}, Want{Conn: b})
					if expired != 0 {
						t.Error("a wait of a minute expired")
						return
					}
					if k%3 == 0 {
						w.Yield()
					}
					for i, c := range []*Conn{a, b} {
						if ready&(1<<i) == 0 {
							continue
						}
						if n, s := c.TryRead(buf); s == OK {
							left -= n
						} else if s != Again {
							t.Errorf("TryRead: %v", s)
							return
						}
					}
				}
				if k%5 == 0 {
					w.Yield()
				}
			}
		}))
	}
	for _, done := range all {
		within(t, "a task", done)
	}
}

// Cut reaches a connection whose owner is just about to find that it must wait
// until it can write.
func TestCutMeetsWrite(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	l := e.Loop(0)
	junk := make([]byte, 1<<16)
	for round := range 250 {
		c, _ := ownPair(t, l)
		small(c)
		for {
			if n, e := sysWrite(c.fd, junk, 0); n <= 0 || e != 0 {
				break
			}
		}
		var begun, pause atomic.Bool
		done := start(l, func(w *Worker) {
			begun.Store(true)
			if s := w.Write(c, junk, 0); s != Reset {
				t.Errorf("Write to what was cut: %v, want reset", s)
			}
			c.Close()
		})
		for !begun.Load() {
			runtime.Gosched()
		}
		for range round * 4 { // so that they meet everywhere
			pause.Store(true)
		}
		e.Cut(func(Parker) bool { return true })
		within(t, "the task", done)
	}
}
