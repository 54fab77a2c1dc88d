package connpool

import (
	"testing"
	"time"

	"github.com/elbow-lb/elbow/internal/netio"
)

// Cutting a pool closes what is idle, wakes who waits for a connection of it and
// fails what is done with one, lets no new ones be made, and leaves the
// connections of other pools alone.
func TestCut(t *testing.T) {
	r := newRig(t, 2, Options{MaxIdle: 10, IdleTimeout: time.Minute})
	other := New(r.pool.Addr(), 2, Options{MaxIdle: 10, IdleTimeout: time.Minute})
	idle, idleEnds := r.dial(0, 2)
	r.put(idle...)
	waiting, _ := r.dial(0, 1)
	busy, _ := r.dial(1, 1)
	var theirs *Conn
	r.on(0, func(w *netio.Worker) {
		var s netio.Status
		if theirs, s = other.Dial(w, time.Minute); s != netio.OK {
			t.Errorf("dial: %v", s)
		}
	})

	var read netio.Status
	ended := make(chan struct{})
	r.engine.Loop(0).Go(task(func(w *netio.Worker) {
		defer close(ended)
		_, read = w.Read(&waiting[0].Conn, make([]byte, 1), 0)
	}))
	r.await("a worker to wait", func() bool { return r.engine.Busy() == 1 })

	if r.pool.Closed() || r.pool.WasCut() {
		t.Error("a new pool is closed")
	}
	Cut(r.engine, r.pool)
	<-ended
	if read != netio.Reset {
		t.Errorf("who waited was told %v, want reset", read)
	}
	for _, end := range idleEnds {
		r.closed(end)
	}
	r.on(1, func(w *netio.Worker) {
		if s := w.Write(&busy[0].Conn, []byte("x"), 0); s != netio.Reset {
			t.Errorf("a write after the cut: %v, want reset", s)
		}
		if c, s := r.pool.Dial(w, time.Minute); s != netio.Reset {
			t.Errorf("a dial after the cut: %v, %v, want reset", c, s)
		}
		if s := w.Write(&theirs.Conn, []byte("x"), 0); s != netio.OK {
			t.Errorf("a write on a connection of another pool: %v", s)
		}
	})
	r.put(busy...)
	if n := r.pool.Idle(); n != 0 {
		t.Errorf("%d connections were kept after the cut", n)
	}
	if !r.pool.Closed() || !r.pool.WasCut() || other.WasCut() {
		t.Error("not the one pool is cut")
	}
	waiting[0].Close()
	theirs.Close()
}

// A closed pool that is opened keeps connections again, those that were in use
// all along, too.
func TestOpen(t *testing.T) {
	r := newRig(t, 1, Options{MaxIdle: 10, IdleTimeout: time.Minute})
	conns, ends := r.dial(0, 3)
	r.put(conns[0])
	r.pool.Close()
	r.closed(ends[0])
	r.put(conns[1])
	r.closed(ends[1])
	r.pool.Open()
	r.put(conns[2])
	if n := r.pool.Idle(); n != 1 {
		t.Errorf("%d connections are idle, want 1", n)
	}
	if r.get(0) != conns[2] {
		t.Error("the connection is not given out again")
	}
	conns[2].Close()
}
