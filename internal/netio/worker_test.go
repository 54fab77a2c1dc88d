package netio

import (
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// goroutines waits until only want goroutines are left over those of before.
func goroutines(t *testing.T, what string, before, want int) {
	t.Helper()
	await(t, what, func() bool { return runtime.NumGoroutine() <= before+want })
}

// Idle connections hold no goroutine: 500 of them, each used once, leave only
// the warm workers that the most parallel moment needed, and these go too.
func TestIdleConnections(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 2, Clock: fake})
	s := newEcho(t, e, 1000*time.Hour)
	before := runtime.NumGoroutine()
	for range 500 {
		fd := rawClient(t)
		t.Cleanup(func() { unix.Close(fd) })
		connect(t, fd, s.addr)
		b := []byte("x")
		unix.Write(fd, b)
		if n, err := unix.Read(fd, b); n != 1 || err != nil {
			t.Fatalf("echo: got %d %v", n, err)
		}
	}
	await(t, "parked connections", func() bool { return e.Conns() == 500 && e.Busy() == 0 })
	goroutines(t, "few warm workers for connections used one by one", before, 8)
	fake.Advance(5 * time.Minute)
	goroutines(t, "no goroutine, with all connections idle", before, 0)
	if e.Conns() != 500 {
		t.Errorf("%d connections, want 500", e.Conns())
	}
}

// burst runs n tasks of l at the same time and waits until they are over.
func burst(t *testing.T, l *Loop, n int) {
	t.Helper()
	release := make(chan struct{})
	for range n {
		go l.Go(taskFunc(func(*Worker) { <-release })) // beside the loop, since it blocks
	}
	await(t, "all to run", func() bool { return l.engine.Busy() == n })
	close(release)
	await(t, "all to end", func() bool { return l.engine.Busy() == 0 })
}

// Warm workers are used again, last in first out; no more than maxIdleWorkers
// are kept; and those that are not needed are let go, half of them each time.
func TestWarmWorkers(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	l := e.Loop(0)
	idle := func() int {
		l.workers.mu.Lock()
		defer l.workers.mu.Unlock()
		return len(l.workers.idle)
	}
	var first *Worker
	for range 10 {
		run(t, l, func(w *Worker) {
			if first == nil {
				first = w
			}
			if w != first {
				t.Error("a new worker, though one is warm")
			}
			if w.Loop() != l || l.Engine() != e {
				t.Error("a worker of another loop")
			}
		})
		await(t, "the worker to rest", func() bool { return idle() == 1 })
	}
	burst(t, l, maxIdleWorkers+50)
	await(t, "workers to rest", func() bool { return idle() == maxIdleWorkers })

	// A connection keeps the wheel turning.
	fd, _ := tcpPair(t)
	c := new(Conn)
	l.Register(c, fd, aloof{}, 0)
	left := []int{}
	for range 40 {
		fake.Advance(trimInterval + tick)
		if n := idle(); len(left) == 0 || n != left[len(left)-1] {
			left = append(left, n)
		}
	}
	// Among them an interval in which some were in use.
	if len(left) < 8 || left[len(left)-1] != 0 {
		t.Errorf("idle workers went %v, want halves down to 0", left)
	}
	// With nothing registered, the timer runs on until the workers are gone.
	c.Claim()
	c.Close()
	burst(t, l, 20)
	fake.Advance(time.Hour)
	await(t, "no idle workers", func() bool { return idle() == 0 })
	if !silence(e) {
		t.Error("the timer runs, with no connections and no workers")
	}
}

// Workers that are in use at the time of every trim are kept.
func TestTrimKeepsWhatIsUsed(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	s := &e.Loop(0).workers
	for range 16 {
		s.idle = append(s.idle, &Worker{loop: e.Loop(0)})
	}
	s.trim(false) // begins an interval
	n := len(s.idle)
	var out []*Worker
	for range n - 2 {
		out = append(out, s.get())
	}
	for _, w := range out {
		s.put(w)
	}
	s.trim(false)
	if got := len(s.idle); got != n-1 {
		t.Errorf("%d idle workers of which 2 were spare: %d left, want %d", n, got, n-1)
	}
	s.idle = nil // they never ran
}

// A panic costs its task and the worker's scratch space, nothing else.
func TestPanic(t *testing.T) {
	type caught struct {
		w     *Worker
		task  Task
		value any
	}
	got := make(chan caught, 1)
	var c *Conn
	e := newEngine(t, Options{Loops: 1, OnPanic: func(w *Worker, task Task, value any) {
		c.Close()
		got <- caught{w, task, value}
	}})
	l := e.Loop(0)
	var peer io.Reader
	c, peer = ownPair(t, l)
	var worker *Worker
	task := &panics{w: &worker}
	l.Go(task)
	p := <-got
	if p.value != "oh" || p.task != Task(task) || p.w != worker {
		t.Errorf("OnPanic was told %v %v", p.task, p.value)
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer read: %v, want EOF", err)
	}
	await(t, "the worker to rest", func() bool { return e.Busy() == 0 })
	run(t, l, func(w *Worker) {
		if w != worker || w.Local != nil {
			t.Errorf("another worker, or scratch space left by a panic: %v", w.Local)
		}
	})
}

type panics struct{ w **Worker }

func (p *panics) Serve(w *Worker) {
	*p.w = w
	w.Local = "half done"
	panic("oh")
}

// Tasks start with the time of the event that started them.
func TestTaskTime(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	fd, peer := tcpPair(t)
	var now atomic.Int64
	c := &timed{now: &now}
	e.Loop(0).Register(&c.Conn, fd, c, 0)
	fake.Advance(time.Hour)
	io.WriteString(peer, "x")
	await(t, "the task", func() bool { return now.Load() != 0 })
	if now.Load() != int64(time.Hour) {
		t.Errorf("got %v, want 1h", time.Duration(now.Load()))
	}
	if got := e.Epoch() + now.Load(); got != fake.Now().UnixNano() {
		t.Errorf("Unix time %d, want %d", got, fake.Now().UnixNano())
	}
}

type timed struct {
	Conn
	now *atomic.Int64
}

func (c *timed) Ready(*Conn) {
	if c.Claim() {
		c.Loop().Go(c)
	}
}
func (c *timed) Expired(*Conn) {}
func (c *timed) Serve(w *Worker) {
	now := w.Now
	c.Close()
	c.now.Store(now)
}
