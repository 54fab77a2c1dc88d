package netio

import (
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// silence is when a wheel's timer is not set: nothing is to be done, ever.
func silence(e *Engine) bool { return fakeOf(e).Waiting() == 0 }

// A deadline is never early, and at most two ticks late, whatever its distance.
func TestDeadline(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	f := func(timeout, step time.Duration) {
		t.Helper()
		fd, _ := tcpPair(t)
		c, p := new(Conn), newTold()
		if s := e.Loop(0).Register(c, fd, p, timeout); s != OK {
			t.Fatal(s)
		}
		began := e.Nanotime()
		for len(p.expired) == 0 {
			passed := time.Duration(e.Nanotime() - began)
			if passed > timeout+2*tick {
				t.Errorf("timeout %v: not expired after %v", timeout, passed)
				break
			}
			fake.Advance(min(step, timeout+2*tick+1-passed))
		}
		if passed := time.Duration(e.Nanotime() - began); passed < timeout {
			t.Errorf("timeout %v: expired after %v", timeout, passed)
		}
		if c.Claim() {
			c.Close()
		}
	}
	for _, timeout := range []time.Duration{
		1, time.Millisecond, tick - 1, tick, tick + 1, time.Second, 10 * time.Second, time.Minute,
		wheelSlots*tick - 1, wheelSlots * tick, wheelSlots*tick + tick, 350 * time.Second, time.Hour, 4000 * time.Second,
	} {
		f(timeout, time.Millisecond+timeout/50)
		f(timeout, 10*time.Hour)
		f(timeout, tick)
	}
	// With the connections gone, the wheel comes to rest.
	fake.Advance(2 * wheelSlots * tick)
	if !silence(e) {
		t.Error("the timer runs though nothing is registered")
	}
}

func TestTickAfter(t *testing.T) {
	f := func(timeout time.Duration, want uint32) {
		t.Helper()
		if got := tickAfter(int64(tick), timeout); got != want {
			t.Errorf("%v: got %d, want %d", timeout, got, want)
		}
	}
	f(0, noDeadline)
	f(-1, noDeadline)
	f(1, 2)
	f(tick, 3)
	f(maxTimeout, tickOf(int64(maxTimeout+tick))+1)
	f(maxTimeout+1, noDeadline)
	f(1<<63-1, noDeadline)
}

// Moving a deadline later costs no wheel entry; moving it earlier one; and an
// entry that is no longer the soonest is dropped when it comes up.
func TestDeadlineMoves(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	entries := func() (n int) {
		for _, s := range e.Loop(0).wheel.slots {
			n += len(s)
		}
		return n
	}
	f := func(what string, want int) {
		t.Helper()
		if n := entries(); n != want {
			t.Errorf("%s: %d entries, want %d", what, n, want)
		}
	}
	fd, _ := tcpPair(t)
	c, p := new(Conn), newTold()
	e.Loop(0).Register(c, fd, p, 10*time.Second)
	f("registered", 1)
	c.Claim()
	for range 100 {
		fake.Advance(time.Millisecond)
		c.SetDeadline(e.Nanotime(), 10*time.Second)
	}
	f("moved later", 1)
	c.SetDeadline(e.Nanotime(), 5*time.Second)
	f("moved earlier", 2)
	c.SetDeadline(e.Nanotime(), 0)
	fake.Advance(20 * time.Second)
	f("no deadline, and both entries came up", 1)
	c.Park(e.Nanotime(), 5*time.Second)
	f("parked", 2)
	fake.Advance(5*time.Second - tick)
	if len(p.expired) != 0 {
		t.Error("expired too early")
	}
	fake.Advance(3 * tick)
	if len(p.expired) != 1 {
		t.Errorf("expired %d times, want once", len(p.expired))
	}
	// Who does nothing about it is told again.
	fake.Advance(20 * tick)
	if n := len(p.expired); n < 2 || n > 4 {
		t.Errorf("expired %d times, want about every 8 ticks", n)
	}
	c.Claim()
	if c.deadline.Load() != noDeadline {
		t.Error("a claimed connection has a deadline")
	}
	c.Close()
	fake.Advance(2 * wheelSlots * tick)
	f("closed", 0)
}

// The wheel files a connection again for long, while its owner gives it a short
// deadline: one of the two sees the other, and it is filed in time.
func TestDeadlineRace(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	fake.Advance(time.Hour)
	c, _ := ownPair(t, e.Loop(0))
	defer c.Close()
	w := &e.Loop(0).wheel
	now := tickOf(e.Nanotime())
	var turn atomic.Int32 // odd: the owner's; even: ours
	const rounds = 20000
	late := 0
	owner := start(e.Loop(0), func(*Worker) {
		for i := int32(1); i < 2*rounds; i += 2 {
			for turn.Load() != i {
				runtime.Gosched()
			}
			c.SetDeadline(e.Nanotime(), time.Second)
			turn.Add(1)
		}
	})
	for i := range int32(rounds) {
		c.deadline.Store(noDeadline)
		c.filed.Store(now) // its entry is due
		turn.Add(1)
		w.check(entry{c.fd, c.gen}, now)
		for turn.Load() != 2*i+2 {
			runtime.Gosched()
		}
		if c.filed.Load() > c.deadline.Load() {
			late++
		}
		if i%1000 == 0 { // keep the wheel small
			w.mu.Lock()
			clear(w.slots[:])
			w.mu.Unlock()
		}
	}
	within(t, "the owner", owner)
	if late > 0 {
		t.Errorf("%d times of %d filed after its deadline", late, rounds)
	}
}

// Many connections with deadlines that move all the time, against a model that
// knows each one's time.
func TestWheelModel(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 2, Clock: fake})
	type model struct {
		c   *Conn
		p   told
		due int64 // 0: never
	}
	r := rand.New(rand.NewPCG(3, 3))
	all := make([]*model, 40)
	for i := range all {
		fd, _ := tcpPair(t)
		m := &model{c: new(Conn), p: newTold()}
		if s := e.Loop(i%2).Register(m.c, fd, m.p, 0); s != OK {
			t.Fatal(s)
		}
		all[i] = m
	}
	timeouts := []time.Duration{0, 1, tick, time.Second, 10 * time.Second, time.Minute, 100 * time.Second, time.Hour}
	for range 20000 {
		m := all[r.IntN(len(all))]
		switch r.IntN(3) {
		case 0: // use it: claim, and park with another timeout
			if !m.c.Claim() {
				t.Fatal("Claim: false")
			}
			timeout := timeouts[r.IntN(len(timeouts))]
			m.due = 0
			if timeout > 0 {
				m.due = e.Nanotime() + int64(timeout)
			}
			if !m.c.Park(e.Nanotime(), timeout) {
				t.Fatal("Park: false")
			}
		case 1:
			fake.Advance(time.Duration(r.Int64N(int64(2 * tick))))
		case 2:
			if r.IntN(100) == 0 {
				fake.Advance(time.Duration(r.Int64N(int64(3 * time.Minute))))
			}
		}
		now := e.Nanotime()
		for i, m := range all {
			expired := false
			for len(m.p.expired) > 0 {
				<-m.p.expired
				expired = true
			}
			switch {
			case expired && (m.due == 0 || now < m.due):
				t.Fatalf("connection %d expired %v early", i, time.Duration(m.due-now))
			case expired:
				m.due = 0
				m.c.Claim()
				m.c.Park(now, 0)
			case m.due != 0 && now > m.due+int64(2*tick):
				t.Fatalf("connection %d is %v late", i, time.Duration(now-m.due))
			}
		}
	}
}

// With the real clock, too, and for each kind of wait.
func TestRealTimeouts(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	l := e.Loop(0)
	const short = time.Millisecond
	f := func(name string, do func(w *Worker, c *Conn) bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := ownPair(t, l)
			run(t, l, func(w *Worker) {
				began := w.Refresh()
				if !do(w, c) {
					t.Error("did not time out")
				}
				if passed := w.Refresh() - began; passed < int64(short) {
					t.Errorf("timed out after %v, want at least %v", time.Duration(passed), short)
				}
				c.Close()
			})
		})
	}
	f("Read", func(w *Worker, c *Conn) bool {
		_, s := w.Read(c, make([]byte, 1), short)
		return s == TimedOut
	})
	f("Write", func(w *Worker, c *Conn) bool { return w.Write(c, make([]byte, 64<<20), short) == TimedOut })
	f("Writev", func(w *Worker, c *Conn) bool {
		return w.Writev(c, [][]byte{make([]byte, 1<<20), make([]byte, 63<<20)}, short) == TimedOut
	})
	f("WaitAny", func(w *Worker, c *Conn) bool {
		c.SetDeadline(w.Now, short)
		ready, expired := w.WaitAny(Want{Conn: c})
		return ready == 0 && expired == 1
	})
	t.Run("Park", func(t *testing.T) {
		t.Parallel()
		fd, _ := tcpPair(t)
		c, p := new(Conn), newTold()
		l.Register(c, fd, p, short)
		if <-p.expired; c.Claim() {
			c.Close()
		}
	})
}

// A worker woken by a timeout knows the time, on a loop without events.
func TestTimeOfTimeout(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	c, _ := ownPair(t, e.Loop(0))
	var now int64
	done := start(e.Loop(0), func(w *Worker) {
		c.SetDeadline(w.Now, time.Minute)
		w.WaitRead(c)
		now = w.Now
		c.Close()
	})
	sleeping(t, c)
	fake.Advance(2 * time.Minute)
	within(t, "timeout", done)
	if now < int64(time.Minute) {
		t.Errorf("the worker thinks it is %v, want after 1m", time.Duration(now))
	}
}

// ExpireParked ends what is idle, and only that.
func TestExpireParked(t *testing.T) {
	s := newEcho(t, newEngine(t, Options{Loops: 2}), time.Minute)
	for range 10 {
		c, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	busy, _ := ownPair(t, s.Loop(0))
	await(t, "idle connections", func() bool { return s.Conns() == 11 })
	s.ExpireParked()
	if n := s.Conns(); n != 1 || s.expired.Load() != 10 {
		t.Errorf("%d connections left, %d expired, want 1 and 10", n, s.expired.Load())
	}
	busy.Close()
}

// The clock of an idle loop is put right by the loop that accepts for it.
func TestTimeOfAccept(t *testing.T) {
	fake := newFake()
	s := newEcho(t, newEngine(t, Options{Loops: 4, Clock: fake}), time.Minute)
	fake.Advance(time.Hour)
	for range 8 {
		c, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "x")
		io.ReadFull(c, make([]byte, 1))
	}
	for i := range s.Loops() {
		if now := s.Loop(i).Now(); now < int64(time.Hour) {
			t.Errorf("loop %d thinks it is %v, want 1h", i, time.Duration(now))
		}
	}
}
