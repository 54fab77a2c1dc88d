package netio

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

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
		if invariants && len(w.tokens) != 0 {
			panic("netio: a worker was woken twice for one wait")
		}
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

// some tells whether there are workers, idle or busy.
func (s *workers) some() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.idle) > 0 || s.busy.Load() > 0
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
// about, and gives it to t. The worker starts with l's idea of the time, which
// is good when a Parker of l calls; a task started otherwise should Refresh.
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
