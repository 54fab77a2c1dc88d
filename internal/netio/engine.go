package netio

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/elbow-lb/elbow/internal/clock"
)

// maxIdleWorkers bounds the warm workers that one loop keeps. A worker that
// finds the list full ends.
const maxIdleWorkers = 256

// trimInterval is how often spare workers are let go.
const trimInterval = 10 * time.Second

// Options configures an Engine. The zero value works.
type Options struct {
	// Loops is the number of epoll instances; 0 means GOMAXPROCS.
	Loops int
	// Clock drives deadlines; nil means the real one. Tests pass a fake.
	Clock clock.Clock
	// OnPanic is told of a panic in a Task, on its goroutine, with the task
	// that panicked; it must close that task's connections. Nil lets panics
	// crash the program.
	OnPanic func(w *Worker, t Task, value any)
}

// Engine is a set of loops that share one descriptor table.
type Engine struct {
	loops   []*Loop
	table   table
	clock   clock.Clock
	real    bool
	start   time.Time
	onPanic func(*Worker, Task, any)
	next    atomic.Uint32 // round robin over loops
	gen     atomic.Uint32

	pipes  pipes
	budget budget

	closing atomic.Bool
	running sync.WaitGroup // loops and workers
}

// New starts an engine. Close it to stop its goroutines.
func New(o Options) (*Engine, error) {
	e := &Engine{clock: o.Clock, onPanic: o.OnPanic}
	if e.clock == nil {
		e.clock = clock.Real
	}
	e.real = e.clock == clock.Real
	e.start = e.clock.Now()
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return nil, fmt.Errorf("netio: read the descriptor limit: %w", err)
	}
	e.table.init(min(lim.Max, maxDescriptors))
	e.budget = newBudget(int64(min(lim.Cur, maxDescriptors)))
	e.pipes.budget = &e.budget
	n := o.Loops
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for i := range n {
		l, err := newLoop(e, i)
		if err != nil {
			e.Close()
			return nil, err
		}
		e.loops = append(e.loops, l)
		e.running.Add(1)
		go l.run()
	}
	return e, nil
}

// Loops returns how many loops the engine has.
func (e *Engine) Loops() int { return len(e.loops) }

// Loop returns loop i.
func (e *Engine) Loop(i int) *Loop { return e.loops[i] }

// Conns returns how many descriptors are registered.
func (e *Engine) Conns() int {
	n := 0
	for _, l := range e.loops {
		n += int(l.conns.Load())
	}
	return n
}

// Busy returns how many workers run a task.
func (e *Engine) Busy() int {
	n := 0
	for _, l := range e.loops {
		n += int(l.workers.busy.Load())
	}
	return n
}

// Nanotime reads the clock: nanoseconds since the engine started, monotonic.
func (e *Engine) Nanotime() int64 {
	if e.real {
		return int64(time.Since(e.start))
	}
	return int64(e.clock.Now().Sub(e.start))
}

// Epoch is the Unix time, in nanoseconds, of engine time 0 as the wall clock has
// it now. It changes when the wall clock is set, and while the machine sleeps,
// which engine time does not count: who shows times to people asks now and then.
func (e *Engine) Epoch() int64 {
	now := e.clock.Now() // one reading of both clocks
	return now.UnixNano() - int64(now.Sub(e.start))
}

// pick returns the loop with the fewest connections, starting somewhere else
// each time.
func (e *Engine) pick() *Loop {
	n := uint32(len(e.loops))
	s := e.next.Add(1)
	best := e.loops[s%n]
	for i := uint32(1); i < n; i++ {
		if l := e.loops[(s+i)%n]; l.conns.Load() < best.conns.Load() {
			best = l
		}
	}
	return best
}

// ExpireParked tells the Parker of every parked connection that its time is
// over.
func (e *Engine) ExpireParked() {
	e.table.each(func(c *Conn) {
		if s := c.r.Load(); s == stParked || s == stWoken {
			c.parker.Expired(c)
		}
	})
}

// Cut makes every operation on the registered connections whose Parker match
// accepts fail from now on as if the peer had reset them, and wakes whoever waits
// for one. Their owners close them; the Parker of a parked one is told Ready.
// match must not block. A connection that is registered meanwhile may be missed:
// who calls sees to it that there are no more to come.
//
// It looks at every descriptor of the process, which is what makes it free for
// connections that are never cut.
func (e *Engine) Cut(match func(Parker) bool) {
	e.table.each(func(c *Conn) {
		if match(c.parker) {
			c.hangup.Or(hangFIN | hangReset | hangAbort)
			c.wakeWrite()
			c.wakeRead()
		}
	})
}

// Close closes every parked connection, stops the loops and waits until all
// workers have ended: those that sleep are woken as if their connection had been
// reset, those that run find that their next operation fails so, and nothing
// new is registered. Acceptors must be closed before; tasks must not wait for
// anything but connections for long. It must not be called from a Parker.
func (e *Engine) Close() {
	if e.closing.Swap(true) {
		return
	}
	for _, l := range e.loops {
		l.wheel.stop()
	}
	// What is registered may be parked (close it here), slept on (wake it, its
	// worker closes it) or running. The epoll descriptors stay open until nobody
	// can use them any more.
	for e.table.live.Load() > 0 {
		e.table.each(func(c *Conn) {
			c.hangup.Or(hangFIN | hangReset | hangAbort)
			if c.Claim() {
				c.Close()
				return
			}
			c.wakeWrite()
			c.wakeRead()
		})
		time.Sleep(time.Millisecond)
	}
	for _, l := range e.loops {
		l.file.Close()
		l.workers.trim(true)
	}
	e.running.Wait()
	e.pipes.close()
}

// Loop is one epoll instance and its goroutine.
type Loop struct {
	Index  int
	engine *Engine
	epfd   int
	file   *os.File
	raw    syscall.RawConn
	events [maxEvents]epollEvent

	wheel   wheel
	workers workers

	_     [64]byte // what follows is written by many and often
	now   atomic.Int64
	conns atomic.Int64
	_     [48]byte
}

// maxEvents is how many events one epoll_wait returns.
const maxEvents = 512

// busyEvents is how many events make a loop look for more at once rather than
// go to sleep in the netpoller, whose own epoll_wait would only say that there
// are more. With fewer the extra look would find nothing.
const busyEvents = 4

func newLoop(e *Engine, i int) (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("netio: create epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netio: make epoll non-blocking: %w", err)
	}
	l := &Loop{Index: i, engine: e, epfd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, fmt.Errorf("netio: hand epoll to the netpoller: %w", err)
	}
	l.wheel.init(l)
	return l, nil
}

// Engine returns the engine that l belongs to.
func (l *Loop) Engine() *Engine { return l.engine }

// Now is the time of the last batch of events, in engine time. On a loop
// without events or deadlines it stands still: see Engine.Nanotime.
func (l *Loop) Now() int64 { return l.now.Load() }

// observe tells l the time. Time does not go back, whoever tells it late.
func (l *Loop) observe(now int64) {
	for {
		old := l.now.Load()
		if now <= old || l.now.CompareAndSwap(old, now) {
			return
		}
	}
}

// run is the goroutine of a loop. The callback of RawConn.Read is called each
// time the epoll descriptor became readable; between the calls the goroutine is
// parked in Go's netpoller.
func (l *Loop) run() {
	defer l.engine.running.Done()
	err := l.raw.Read(func(uintptr) bool {
		for {
			n := sysEpollWait(l.epfd, &l.events)
			more := false
			if n > 0 {
				l.observe(l.engine.Nanotime())
				more = l.dispatch(n)
			}
			if n < busyEvents && !more {
				return false
			}
			// Others have their turn: workers that yielded, the access log's
			// writer, which loses lines when it is kept waiting.
			runtime.Gosched()
		}
	})
	if !l.engine.closing.Load() {
		panic(fmt.Sprintf("netio: loop %d cannot wait: %v", l.Index, err))
	}
}

// dispatch hands out n events. It returns true when a listening socket may
// have more connections to accept.
func (l *Loop) dispatch(n int) (more bool) {
	for i := range l.events[:n] {
		ev := &l.events[i]
		c := l.engine.table.get(ev.fd)
		if c == nil || c.gen != ev.gen {
			continue // closed since
		}
		if c.loop == nil {
			more = c.parker.(listening).onReadable(l) || more
			continue
		}
		if ev.events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.hangup.Or(hangFIN | hangReset)
		} else if ev.events&unix.EPOLLRDHUP != 0 {
			c.hangup.Or(hangFIN)
		}
		if c.w.Load() != nil && ev.events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.wakeWrite()
		}
		if ev.events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.wakeRead()
		}
	}
	return more
}

// wakeRead tells c's owner, or whoever parked it, that it is readable.
func (c *Conn) wakeRead() {
	for {
		switch s := c.r.Load(); s {
		case nil:
			if c.r.CompareAndSwap(nil, stReady) {
				return
			}
		case stReady, stClosed:
			return
		case stParked:
			// Before Ready is called, so that the event is not lost should
			// somebody else claim c first.
			if c.r.CompareAndSwap(stParked, stWoken) {
				c.parker.Ready(c)
				return
			}
		case stWoken:
			c.parker.Ready(c)
			return
		default:
			if c.r.CompareAndSwap(s, nil) {
				s.worker.tell(s.tag)
				return
			}
		}
	}
}

// wakeWrite tells c's owner, if it asked, that c is writable.
func (c *Conn) wakeWrite() {
	for {
		switch s := c.w.Load(); s {
		case nil, stReady, stClosed:
			return
		case stArmed:
			if c.w.CompareAndSwap(stArmed, stReady) {
				return
			}
		default:
			if c.w.CompareAndSwap(s, stArmed) {
				s.worker.tell(s.tag)
				return
			}
		}
	}
}

// Register puts a connected, non-blocking socket into l, parked. p may be told
// of it at once, even before Register returns and on its goroutine, so the
// caller must not hold a lock that p takes. On failure the descriptor is closed.
func (l *Loop) Register(c *Conn, fd int, p Parker, timeout time.Duration) Status {
	// The caller owns c until the kernel knows the descriptor: were it parked
	// before, then its deadline or Engine.Close could close it before.
	if s := l.register(c, fd, p, tickAfter(l.engine.Nanotime(), timeout)); s != OK {
		return s
	}
	if !c.r.CompareAndSwap(nil, stParked) {
		c.r.Store(stWoken)
		p.Ready(c)
	}
	return OK
}

// registerOwned puts a socket into l that the caller owns.
func (l *Loop) registerOwned(c *Conn, fd int, p Parker) Status {
	return l.register(c, fd, p, noDeadline)
}

func (l *Loop) register(c *Conn, fd int, p Parker, deadline uint32) Status {
	e := l.engine
	c.loop, c.parker, c.fd = l, p, int32(fd)
	c.gen = e.gen.Add(1)
	c.deadline.Store(deadline)
	c.filed.Store(math.MaxUint32)
	if !e.table.set(c.fd, c) {
		c.discard(fd)
		return NoDescriptors
	}
	// Dekker with Engine.Close: it stores closing, then looks for what is live.
	if e.closing.Load() {
		e.table.clear(c.fd)
		c.discard(fd)
		return Reset
	}
	l.conns.Add(1)
	l.wheel.file(c, min(deadline, tickOf(e.Nanotime())+wheelSlots-1))
	ev := epollEvent{
		events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&math.MaxUint32,
		fd:     c.fd, gen: c.gen,
	}
	if sysEpollAdd(l.epfd, c.fd, &ev) != 0 {
		e.table.clear(c.fd)
		l.conns.Add(-1)
		c.discard(fd)
		return NoDescriptors
	}
	return OK
}
