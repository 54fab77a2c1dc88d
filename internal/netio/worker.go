package netio

import (
	"iter"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Worker is a coroutine that runs Tasks, warm between them. A Task gets one
// and uses it for everything that may wait. It belongs to the task that it
// runs.
//
// A worker runs on the goroutine of whoever woke it, usually its loop, until it
// waits: then that goroutine goes on. So a wake-up is a switch of stacks, which
// costs a quarter of what waking a goroutine through a channel does (73 against
// 300 ns there and back), and a loop handles an event where it found it. The
// price is that a task holds up its loop while it runs: it must not block on
// anything but the worker's own waits, and calls Yield when it has been at it
// for long.
type Worker struct {
	// Now is the time in nanoseconds since the engine started, as of the last
	// wake-up (coarse), or of Refresh or Yield (exact).
	Now int64
	// Local is scratch space that the tasks of this worker share, one after
	// the other; nil at first.
	Local any

	loop *Loop
	task Task

	// state is what the worker was told and has not taken yet, one bit per
	// token, or asleep. Whoever swaps asleep out resumes the worker.
	state    atomic.Uint32
	next     func() (struct{}, bool) // runs the worker until it suspends or ends
	suspend  func(struct{}) bool     // back to who called next
	yielding bool                    // it suspends for Yield

	// budget is what the task may still do before it yields; see Spend.
	budget int

	joined  []byte // what Writev sends at once; its capacity is maxJoin
	iov     [maxVectors]unix.Iovec
	waiters [maxWait]waiter
}

// asleep is the state of a suspended worker that was told nothing.
const asleep = 1 << 31

// Loop returns the loop that the worker belongs to.
func (w *Worker) Loop() *Loop { return w.loop }

// Refresh reads the clock into w.Now and returns it.
func (w *Worker) Refresh() int64 {
	w.Now = w.loop.engine.Nanotime()
	return w.Now
}

func newWorker(l *Loop) *Worker {
	w := &Worker{loop: l, joined: make([]byte, 0, maxJoin)}
	for i := range w.waiters {
		w.waiters[i] = waiter{worker: w, tag: uint8(i)}
	}
	// It always ends by itself, so there is no use for stop.
	w.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		w.suspend = yield
		w.run()
	})
	return w
}

// run is what a worker does. It ends when the free list is full, when it is
// trimmed, or when the engine closes.
func (w *Worker) run() {
	defer w.loop.engine.running.Done()
	for {
		w.loop.runTask(w)
		w.task = nil
		if invariants && w.state.Load() != 0 {
			panic("netio: a worker was woken twice for one wait")
		}
		if !w.loop.workers.put(w) {
			return
		}
		w.token()
		if w.task == nil {
			return
		}
	}
}

// token takes one of the tokens that the worker was told, and sleeps until
// there is one.
func (w *Worker) token() uint8 {
	for {
		if s := w.state.Load(); s != 0 {
			t := bits.TrailingZeros32(s)
			w.state.And(^(uint32(1) << t))
			return uint8(t)
		}
		w.suspend(struct{}{})
	}
}

// tell gives the worker a token and, if it sleeps, runs it.
func (w *Worker) tell(t uint8) {
	for {
		s := w.state.Load()
		if s == asleep {
			if w.state.CompareAndSwap(asleep, 1<<t) {
				w.resume()
				return
			}
		} else if w.state.CompareAndSwap(s, s|1<<t) {
			return
		}
	}
}

// tellAside gives the worker a token like tell. If it sleeps it goes on as a
// goroutine of its own until it next waits: whoever tells has other things to do.
func (w *Worker) tellAside(t uint8) {
	for {
		s := w.state.Load()
		if s == asleep {
			if w.state.CompareAndSwap(asleep, 1<<t) {
				go w.aside()
				return
			}
		} else if w.state.CompareAndSwap(s, s|1<<t) {
			return
		}
	}
}

// resume runs the worker until it sleeps, ends or yields; then it goes on beside
// its loop.
func (w *Worker) resume() {
	if w.advance() {
		go w.aside()
	}
}

// aside runs a worker that has yielded until it sleeps or ends. Each time it
// yields again everybody else who can run has his turn: a new goroutine would be
// the next to run, and would have what is left of this one's 10 ms.
func (w *Worker) aside() {
	for w.advance() {
		runtime.Gosched()
	}
}

// advance runs the worker until it sleeps or ends, or until it yields: then it
// returns true. Nobody else runs it, and nobody can before it has left its stack:
// only then is it asleep.
func (w *Worker) advance() (yielded bool) {
	for {
		if _, ok := w.next(); !ok {
			return false
		}
		if w.yielding {
			w.yielding = false
			return true
		}
		if w.state.CompareAndSwap(0, asleep) {
			return false
		}
	}
}

// Yield lets the goroutine go on that the worker was woken by. The worker
// itself continues on another, beside its loop, until it waits for the next
// time, and with the exact time in Now. A task that computes for long calls it
// before; what moves bytes yields by itself, but for TryRead and TryWrite.
func (w *Worker) Yield() {
	w.budget = yieldAfter
	w.yielding = true
	w.suspend(struct{}{})
	// Who never has to wait is told the time by nobody else, and timeouts count
	// from it.
	w.Refresh()
}

const (
	// yieldAfter is how many bytes a worker may move without waiting: some
	// 100 µs of work, for which others in its loop wait.
	yieldAfter = 1 << 20
	// operationCost is what an operation counts besides its bytes.
	operationCost = 16 << 10
)

// Spend counts an operation on n bytes, and yields when the task has held up its
// loop for long enough. The worker's own operations count themselves. Who moves
// bytes with TryRead and TryWrite, which know of no worker, must say so: else a
// peer that is never slower than we are would have the loop to itself.
func (w *Worker) Spend(n int) {
	if w.budget -= n + operationCost; w.budget < 0 {
		w.Yield()
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
		w.tell(0)
	}
}

// Go runs t on a warm worker of l until it waits for the first time. The caller
// must own the Conn that t is about, gives it to t, and holds no lock that t
// takes. The worker starts with l's idea of the time, which is good when a
// Parker of l calls; a task started otherwise should Refresh.
func (l *Loop) Go(t Task) {
	if w := l.workers.get(); w != nil {
		w.task, w.Now, w.budget = t, l.Now(), yieldAfter
		w.tell(0)
		return
	}
	w := newWorker(l)
	w.task, w.Now, w.budget = t, l.Now(), yieldAfter
	l.engine.running.Add(1)
	w.resume()
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
