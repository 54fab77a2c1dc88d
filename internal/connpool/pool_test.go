package connpool

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elbow-lb/elbow/internal/clock"
	"github.com/elbow-lb/elbow/internal/netio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// rig is an engine, a target that accepts, and a pool of connections to it.
type rig struct {
	*testing.T
	engine   *netio.Engine
	clock    *clock.Fake
	pool     *Pool
	accepted chan *net.TCPConn // the target's ends, in the order of dialing
}

func newRig(t *testing.T, loops int, o Options) *rig {
	t.Helper()
	r := &rig{T: t, clock: clock.NewFake(time.Unix(1_800_000_000, 0)), accepted: make(chan *net.TCPConn, 1000)}
	var err error
	if r.engine, err = netio.New(netio.Options{Loops: loops, Clock: r.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.engine.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.accepted <- c.(*net.TCPConn)
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepting.Wait()
		close(r.accepted)
		for c := range r.accepted {
			c.Close()
		}
	})
	r.pool = New(netip.MustParseAddrPort(l.Addr().String()), loops, o)
	t.Cleanup(r.pool.Close)
	return r
}

// task runs on a worker.
type task func(w *netio.Worker)

func (f task) Serve(w *netio.Worker) { f(w) }

// on runs f on a worker of a loop and waits for it.
func (r *rig) on(loop int, f func(w *netio.Worker)) {
	r.Helper()
	done := make(chan struct{})
	r.engine.Loop(loop).Go(task(func(w *netio.Worker) {
		defer close(done)
		w.Refresh()
		f(w)
	}))
	select {
	case <-done:
	case <-time.After(patience):
		r.Fatal("the worker does not end")
	}
}

// dial opens n connections on a loop, all at the same time.
func (r *rig) dial(loop, n int) (conns []*Conn, targets []*net.TCPConn) {
	r.Helper()
	r.on(loop, func(w *netio.Worker) {
		for range n {
			c, s := r.pool.Dial(w, patience)
			if s != netio.OK {
				r.Errorf("dial: %v", s)
				return
			}
			conns = append(conns, c)
			targets = append(targets, <-r.accepted)
		}
	})
	for _, t := range targets {
		r.Cleanup(func() { t.Close() })
	}
	return conns, targets
}

func (r *rig) put(conns ...*Conn) {
	r.Helper()
	for _, c := range conns {
		r.on(c.Loop().Index, func(w *netio.Worker) { r.pool.Put(w, c) })
	}
}

func (r *rig) get(loop int) (c *Conn) {
	r.Helper()
	r.on(loop, func(w *netio.Worker) { c = r.pool.Get(w) })
	return c
}

// await polls until cond holds.
func (r *rig) await(what string, cond func() bool) {
	r.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			r.Fatalf("gave up waiting: %s; %d idle, %d open", what, r.pool.Idle(), r.engine.Conns())
		}
	}
}

// want checks how many connections are idle and open.
func (r *rig) want(idle, open int) {
	r.Helper()
	if i, o := r.pool.Idle(), r.engine.Conns(); i != idle || o != open {
		r.Errorf("%d idle of %d open, want %d of %d", i, o, idle, open)
	}
}

// closed expects that a connection was closed, as its target sees it.
func (r *rig) closed(target *net.TCPConn) {
	r.Helper()
	target.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, target); err != nil && !isReset(err) {
		r.Errorf("the target's end: %v", err)
	}
}

func isReset(err error) bool {
	ne, ok := err.(net.Error)
	return ok && !ne.Timeout()
}

func TestLastInFirstOut(t *testing.T) {
	r := newRig(t, 1, Options{MaxIdle: 10})
	conns, _ := r.dial(0, 3)
	for _, c := range conns {
		if c.Uses != 0 {
			t.Errorf("a fresh connection has %d uses", c.Uses)
		}
	}
	r.put(conns...)
	r.want(3, 3)
	for i := 2; i >= 0; i-- {
		if c := r.get(0); c != conns[i] || c.Uses != 1 {
			t.Fatalf("got %p with %d uses, want %p with 1", c, c.Uses, conns[i])
		}
	}
	if c := r.get(0); c != nil {
		t.Errorf("got %p from an empty pool", c)
	}
	r.want(0, 3)
	// The order is that of giving back, not of dialing.
	r.put(conns[1], conns[2], conns[0])
	if c := r.get(0); c != conns[0] || c.Uses != 2 {
		t.Error("not the last one")
	}
	conns[0].Close()
	r.want(2, 2)
}

func TestOldestMakesRoom(t *testing.T) {
	r := newRig(t, 1, Options{MaxIdle: 2})
	conns, targets := r.dial(0, 4)
	r.put(conns...)
	r.want(2, 2)
	r.closed(targets[0])
	r.closed(targets[1])
	if a, b := r.get(0), r.get(0); a != conns[3] || b != conns[2] {
		t.Error("not the youngest are left")
	}
	// A smaller bound holds from the next Put on.
	r.pool.Configure(Options{MaxIdle: 1})
	r.put(conns[3], conns[2])
	r.want(1, 1)
	r.closed(targets[3])
}

func TestEachLoopKeepsItsShare(t *testing.T) {
	r := newRig(t, 2, Options{MaxIdle: 4})
	a, _ := r.dial(0, 3)
	b, _ := r.dial(1, 3)
	r.put(append(a, b...)...)
	r.want(4, 4)
	r.pool.Configure(Options{MaxIdle: 1}) // at least one each
	r.put(r.get(0), r.get(1))
	r.want(2, 2)
}

func TestStealing(t *testing.T) {
	r := newRig(t, 3, Options{MaxIdle: 30})
	zero, _ := r.dial(0, 1)
	two, _ := r.dial(2, 2)
	r.put(append(zero, two...)...)
	if c := r.get(2); c != two[1] {
		t.Error("not the last of its own loop")
	}
	if c := r.get(0); c != zero[0] {
		t.Error("not its own loop first")
	}
	c := r.get(1)
	if c != two[0] {
		t.Fatal("not what another loop has")
	}
	// It goes back to the loop that it is registered in.
	r.on(1, func(w *netio.Worker) { r.pool.Put(w, c) })
	if got := r.get(2); got != c {
		t.Error("lost to its loop")
	}
	for _, c := range []*Conn{zero[0], two[0], two[1]} {
		c.Close()
	}
	r.want(0, 0)
}

// TestThrownOut has the target do what makes an idle connection useless.
func TestThrownOut(t *testing.T) {
	f := func(name string, do func(r *rig, target *net.TCPConn)) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2, Options{MaxIdle: 10, IdleTimeout: time.Minute})
			conns, targets := r.dial(0, 3)
			r.put(conns...)
			do(r, targets[1]) // neither end of the list
			r.await("the connection is thrown out", func() bool { return r.pool.Idle() == 2 && r.engine.Conns() == 2 })
			r.closed(targets[1])
			if a, b, c := r.get(1), r.get(1), r.get(1); a != conns[2] || b != conns[0] || c != nil {
				t.Error("not the other two are left")
			}
			r.put(conns[0], conns[2])
			r.want(2, 2)
		})
	}
	f("FIN", func(r *rig, target *net.TCPConn) { target.CloseWrite() })
	f("RST", func(r *rig, target *net.TCPConn) {
		target.SetLinger(0)
		target.Close()
	})
	f("bytes", func(r *rig, target *net.TCPConn) { io.WriteString(target, "HTTP/1.1 408 Request Timeout\r\n\r\n") })
}

// TestNotTaken gives back what is of no use already: Put sees it.
func TestNotTaken(t *testing.T) {
	f := func(name string, do func(target *net.TCPConn)) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, Options{MaxIdle: 10})
			conns, targets := r.dial(0, 1)
			do(targets[0])
			// Loopback delivers within the call, so that Put or else the loop
			// finds it.
			r.put(conns...)
			r.await("the connection is closed", func() bool { return r.pool.Idle() == 0 && r.engine.Conns() == 0 })
			if c := r.get(0); c != nil {
				t.Error("it was kept")
			}
		})
	}
	f("FIN", func(target *net.TCPConn) { target.Close() })
	f("bytes", func(target *net.TCPConn) { io.WriteString(target, "x") })
}

func TestExpiry(t *testing.T) {
	r := newRig(t, 1, Options{MaxIdle: 10, IdleTimeout: 10 * time.Second})
	conns, targets := r.dial(0, 2)
	r.put(conns[0])
	r.clock.Advance(6 * time.Second)
	r.put(conns[1])
	r.want(2, 2)
	r.clock.Advance(6 * time.Second)
	r.want(1, 1)
	r.closed(targets[0])

	// One that is in use does not expire, and then has its full time again.
	c := r.get(0)
	r.clock.Advance(time.Hour)
	r.want(0, 1)
	r.put(c)
	r.clock.Advance(9 * time.Second)
	r.want(1, 1)
	r.clock.Advance(2 * time.Second)
	r.want(0, 0)

	// A new time holds for what is given back from then on; 0 is for ever.
	conns, _ = r.dial(0, 1)
	r.pool.Configure(Options{MaxIdle: 10})
	r.put(conns...)
	r.clock.Advance(24 * time.Hour)
	r.want(1, 1)
}

func TestClose(t *testing.T) {
	r := newRig(t, 2, Options{MaxIdle: 10})
	a, _ := r.dial(0, 3)
	b, targets := r.dial(1, 2)
	r.put(a...)
	r.put(b[0])
	r.pool.Close()
	r.want(0, 1)
	r.put(b[1]) // it was in use
	r.want(0, 0)
	r.closed(targets[1])
	r.pool.Close()
	// What is under way may still dial.
	c, _ := r.dial(0, 1)
	r.put(c...)
	r.want(0, 0)
}

func TestDialRefused(t *testing.T) {
	r := newRig(t, 1, Options{MaxIdle: 10})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	p := New(addr, 1, Options{MaxIdle: 1})
	r.on(0, func(w *netio.Worker) {
		if c, s := p.Dial(w, patience); c != nil || s != netio.Refused {
			t.Errorf("got %v, %v", c, s)
		}
	})
	r.want(0, 0)
	if p.Addr() != addr {
		t.Error(p.Addr())
	}
}

// TestChurn has workers take and give back while the target hangs up, speaks
// out of turn and connections expire, and in the end the pool is closed under
// them. Nobody must get a connection that somebody else has, and none may leak.
func TestChurn(t *testing.T) {
	const loops, workers, rounds = 2, 8, 200
	r := newRig(t, loops, Options{MaxIdle: 6, IdleTimeout: time.Second})
	var held sync.Map // *Conn: who has it
	var busy, target sync.WaitGroup
	stop := make(chan struct{})
	target.Go(func() {
		var open []*net.TCPConn
		defer func() {
			for _, c := range open {
				c.Close()
			}
		}()
		for {
			if len(open) > 3 {
				i := rand.IntN(len(open))
				switch c := open[i]; rand.IntN(3) {
				case 0:
					c.Close()
				case 1:
					c.SetLinger(0)
					c.Close()
				case 2:
					io.WriteString(c, "x")
					c.Close()
				}
				open = append(open[:i], open[i+1:]...)
			}
			select {
			case c := <-r.accepted:
				open = append(open, c)
			case <-stop:
				return
			}
			if rand.IntN(50) == 0 {
				r.clock.Advance(2 * time.Second)
			}
		}
	})
	for i := range workers {
		busy.Add(1)
		r.engine.Loop(i % loops).Go(task(func(w *netio.Worker) {
			defer busy.Done()
			for n := range rounds {
				if i == 0 && n == rounds/2 {
					r.pool.Close()
				}
				w.Refresh()
				c := r.pool.Get(w)
				if c == nil {
					var s netio.Status
					if c, s = r.pool.Dial(w, patience); s != netio.OK {
						continue // reset at once
					}
				}
				if other, taken := held.LoadOrStore(c, i); taken {
					t.Errorf("worker %d got what worker %v has", i, other)
					return
				}
				runtime.Gosched()
				held.Delete(c)
				if rand.IntN(10) == 0 {
					c.Close()
				} else {
					r.pool.Put(w, c)
				}
			}
		}))
	}
	busy.Wait()
	r.pool.Close()
	close(stop)
	target.Wait()
	r.await("all connections are closed", func() bool { return r.engine.Conns() == 0 })
	r.want(0, 0)
}

func TestNoAllocations(t *testing.T) {
	r := newRig(t, 2, Options{MaxIdle: 10, IdleTimeout: time.Minute})
	conns, _ := r.dial(1, 2)
	r.put(conns...)
	var n float64
	r.on(0, func(w *netio.Worker) {
		n = testing.AllocsPerRun(100, func() { r.pool.Put(w, r.pool.Get(w)) })
	})
	if n != 0 {
		t.Errorf("%v allocations to take and give back", n)
	}
}
