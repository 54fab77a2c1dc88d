package netio

import (
	"golang.org/x/sys/unix"
	"sync"
	"sync/atomic"
)

// waiter stands in a Conn's ownership word for an owner that sleeps.
type waiter struct {
	worker *Worker
	tag    uint8
}

// The states of an ownership word that are not a sleeping owner.
var (
	stReady  = &waiter{}
	stParked = &waiter{}
	stArmed  = &waiter{}
	stClosed = &waiter{}
)

// wakeTimeout marks a token that the timer wheel sent.
const wakeTimeout = 0x80

// maxWait is how many words one owner can wait for at once: both directions of
// two connections.
const maxWait = 4

// Worker is a goroutine that runs Tasks, warm between them. A Task gets one
// and uses it for everything that may wait. It belongs to the goroutine that
// runs it.
type Worker struct {
	// Now is the time in nanoseconds since the engine started, as of the last
	// wake-up (coarse) or Refresh (exact).
	Now int64
	// Local is scratch space that the tasks of this worker share, one after
	// the other; nil at first.
	Local any

	loop    *Loop
	tokens  chan uint8
	iov     [maxVectors]unix.Iovec
	waiters [maxWait]waiter
	task    Task
}

// Loop returns the loop that the worker belongs to.
func (w *Worker) Loop() *Loop { return w.loop }

// Refresh reads the clock into w.Now and returns it.
func (w *Worker) Refresh() int64 {
	w.Now = w.loop.engine.Nanotime()
	return w.Now
}

func newWorker(l *Loop) *Worker {
	w := &Worker{loop: l, tokens: make(chan uint8, maxWait)}
	for i := range w.waiters {
		w.waiters[i] = waiter{worker: w, tag: uint8(i)}
	}
	return w
}

// run is the goroutine of a worker. It ends when the free list is full, when
// it is trimmed, or when the engine closes.
func (w *Worker) run() {
	defer w.loop.engine.running.Done()
	for {
		w.loop.runTask(w)
		w.task = nil
		if !w.loop.workers.put(w) {
			return
		}
		<-w.tokens
		if w.task == nil {
			return
		}
	}
}

// workers is a loop's free list of warm workers: last in, first out, so that
// the warmest stack and scratch space serve next.
type workers struct {
	mu     sync.Mutex // leaf lock
	idle   []*Worker
	low    int // fewest idle since the last trim
	closed bool

	busy atomic.Int64
}

// put returns a worker to the list; false when it should end.
func (s *workers) put(w *Worker) bool {
	s.busy.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) >= maxIdleWorkers {
		return false
	}
	s.idle = append(s.idle, w)
	return true
}

func (s *workers) get() *Worker {
	s.busy.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		s.low = 0
		return nil
	}
	w := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	s.low = min(s.low, n-1)
	return w
}

// trim ends half of the workers that were idle all the time since it was last
// called, coldest first, or all of them.
func (s *workers) trim(all bool) {
	s.mu.Lock()
	n := (s.low + 1) / 2
	if all {
		n, s.closed = len(s.idle), true
	}
	out := append([]*Worker(nil), s.idle[:n]...)
	s.idle = append(s.idle[:0], s.idle[n:]...)
	clear(s.idle[len(s.idle):cap(s.idle)])
	s.low = len(s.idle)
	s.mu.Unlock()
	for _, w := range out {
		w.tokens <- 0
	}
}

// Go runs t on a warm worker of l. The caller must own the Conn that t is
// about, and gives it to t.
func (l *Loop) Go(t Task) {
	w := l.workers.get()
	if w != nil {
		w.task, w.Now = t, l.Now()
		w.tokens <- 0
		return
	}
	w = newWorker(l)
	w.task, w.Now = t, l.Now()
	l.engine.running.Add(1)
	go w.run()
}

// runTask runs the worker's task. A panic costs the task's connection only:
// the handler closes it.
func (l *Loop) runTask(w *Worker) {
	if h := l.engine.onPanic; h != nil {
		defer func() {
			if p := recover(); p != nil {
				h(w, w.task, p)
				// Whatever was half done with the scratch space is not reused.
				w.Local = nil
			}
		}()
	}
	w.task.Serve(w)
}

// ---- waiting ----------------------------------------------------------------

// WaitRead sleeps until c is readable or hung up; false means that its
// deadline passed first.
func (w *Worker) WaitRead(c *Conn) bool {
	for {
		if c.r.CompareAndSwap(nil, &w.waiters[0]) {
			return w.sleep(c)
		}
		if c.r.CompareAndSwap(stReady, nil) || c.r.Load() == stClosed {
			return true
		}
	}
}

// waitWrite sleeps until c is writable or dead; false means that its deadline
// passed first. c.w must have been armed, and a write tried since.
func (w *Worker) waitWrite(c *Conn) bool {
	for {
		if c.w.CompareAndSwap(stArmed, &w.waiters[0]) {
			return w.sleep(c)
		}
		if s := c.w.Load(); s == stReady || s == stClosed {
			c.w.CompareAndSwap(stReady, stArmed)
			return true
		}
	}
}

func (w *Worker) sleep(c *Conn) bool {
	t := <-w.tokens
	w.Now = max(w.Now, c.loop.Now())
	return t&wakeTimeout == 0
}

// Want is one thing to wait for.
type Want struct {
	Conn  *Conn
	Write bool // wait for writability instead of readability
}

// WaitAny sleeps until at least one of wants (at most 4) is ready or expired.
// It returns two bit sets, by index: what is ready, and what timed out. For a
// writable Want the last write must have ended with Again.
func (w *Worker) WaitAny(wants ...Want) (ready, expired uint8) {
	var in uint8 // registered
	for i := range wants {
		word, rest := wants[i].word()
		for {
			if word.CompareAndSwap(rest, &w.waiters[i]) {
				in |= 1 << i
				break
			}
			if word.CompareAndSwap(stReady, rest) || word.Load() == stClosed {
				ready |= 1 << i
				break
			}
		}
	}
	take := func() {
		t := <-w.tokens
		i := t &^ wakeTimeout
		w.Now = max(w.Now, wants[i].Conn.loop.Now())
		in &^= 1 << i
		if t&wakeTimeout != 0 {
			expired |= 1 << i
		} else {
			ready |= 1 << i
		}
	}
	if ready == 0 {
		take()
	}
	for i := range wants {
		if in&(1<<i) == 0 {
			continue
		}
		word, rest := wants[i].word()
		if !word.CompareAndSwap(&w.waiters[i], rest) {
			// Swapped out by the loop or the wheel: its token is on its way,
			// though perhaps behind another's.
			for in&(1<<i) != 0 {
				take()
			}
		}
	}
	return ready, expired
}

// word returns the ownership word that a Want is about and what stands there
// while its owner is awake.
func (q *Want) word() (word *atomic.Pointer[waiter], rest *waiter) {
	if q.Write {
		return &q.Conn.w, stArmed
	}
	return &q.Conn.r, nil
}
