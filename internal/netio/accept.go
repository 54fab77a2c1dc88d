package netio

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/elbow-lb/elbow/internal/clock"
)

// acceptBatch bounds the connections that one event accepts before the loop
// looks at its other events.
const acceptBatch = 64

// acceptPause is how long an acceptor rests when the process is out of
// descriptors: a listening socket that stays readable would make it spin.
const acceptPause = 100 * time.Millisecond

// AcceptFunc is given an accepted socket: non-blocking, close-on-exec, and
// nobody else's. It runs on a loop's goroutine and must not block. l is the
// loop that should have the connection.
type AcceptFunc func(l *Loop, fd int, remote netip.AddrPort)

// Acceptor accepts from one listening socket on every loop, and gives each
// connection to the loop that has the fewest.
type Acceptor struct {
	engine *Engine
	fd     int32
	accept AcceptFunc
	marker *Conn // the table's entry for the listening socket

	stopped  atomic.Bool
	inflight atomic.Int32 // loops inside onReadable

	mu     sync.Mutex  // guards registering, pausing and closing
	paused clock.Timer // ends the pause; nil when there is none
	closed bool

	// Failures counts how often accepting paused for want of descriptors or
	// memory; connections wait in the kernel's backlog then.
	Failures atomic.Uint64
}

// listening is the Parker of a listening socket's table entry. It is never
// parked; dispatch looks for the acceptor behind it.
type listening struct{ *Acceptor }

func (listening) Ready(*Conn)   {}
func (listening) Expired(*Conn) {}

// Accept starts accepting from fd, a listening, non-blocking socket that the
// caller keeps: Acceptor.Close does not close it, so that it can be handed to
// another process.
func (e *Engine) Accept(fd int, f AcceptFunc) (*Acceptor, error) {
	a := &Acceptor{engine: e, fd: int32(fd), accept: f}
	a.marker = &Conn{fd: a.fd, gen: e.gen.Add(1), parker: listening{a}}
	if !e.table.set(a.fd, a.marker) {
		return nil, syscall.EMFILE
	}
	e.table.live.Add(-1) // a listening socket is not a connection
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.registerLocked(); e != 0 {
		a.closeLocked()
		return nil, e
	}
	return a, nil
}

// registerLocked puts the socket into every loop, level-triggered: whoever
// comes first accepts. EPOLLEXCLUSIVE is of no use here: in a nested epoll the
// kernel wakes every waiter all the same.
func (a *Acceptor) registerLocked() syscall.Errno {
	for _, l := range a.engine.loops {
		ev := epollEvent{events: unix.EPOLLIN, fd: a.fd, gen: a.marker.gen}
		if e := sysEpollAdd(l.epfd, a.fd, &ev); e != 0 && e != syscall.EEXIST {
			return e
		}
	}
	return 0
}

func (a *Acceptor) unregisterLocked() {
	for _, l := range a.engine.loops {
		sysEpollDel(l.epfd, a.fd)
	}
}

// onReadable accepts; true when it stopped at its bound.
func (a *Acceptor) onReadable(l *Loop) bool {
	a.inflight.Add(1)
	defer a.inflight.Add(-1)
	for range acceptBatch {
		if a.stopped.Load() {
			return false
		}
		if a.engine.full(a.engine.budget.accept) {
			a.Failures.Add(1)
			a.pause()
			return false
		}
		fd, remote, e := sysAccept(a.fd)
		switch e {
		case 0:
			if a.engine.budget.beyond(fd) {
				a.Failures.Add(1)
				a.pause()
				return false
			}
			to := a.engine.pick()
			to.observe(l.Now()) // it may have been idle until now
			a.accept(to, fd, remote)
		case syscall.EAGAIN:
			return false
		case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
			a.Failures.Add(1)
			a.pause()
			return false
		case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK:
			return false // closed under us
		default:
			// The connection broke between SYN and accept (ECONNABORTED, or
			// a network error that accept(2) passes on): take the next.
		}
	}
	return true
}

// pause takes the socket out of the loops for a while. Connections wait in
// the kernel's backlog.
func (a *Acceptor) pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused != nil || a.closed {
		return
	}
	a.unregisterLocked()
	a.paused = a.engine.clock.AfterFunc(acceptPause, a.resume)
}

func (a *Acceptor) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if a.engine.full(a.engine.budget.accept) || a.registerLocked() != 0 {
		// Still full, or the kernel out of memory or of epoll watches.
		a.unregisterLocked()
		a.paused.Reset(acceptPause)
		return
	}
	a.paused = nil
}

// Close stops accepting. When it returns no further connection is taken from
// the socket, so its descriptor may be closed. It must not be called from the
// AcceptFunc.
func (a *Acceptor) Close() {
	a.mu.Lock()
	a.closeLocked()
	a.mu.Unlock()
	for a.inflight.Load() > 0 {
		runtime.Gosched()
	}
}

func (a *Acceptor) closeLocked() {
	if a.closed {
		return
	}
	a.closed = true
	if a.paused != nil {
		a.paused.Stop()
	}
	a.stopped.Store(true)
	a.unregisterLocked()
	a.engine.table.clear(a.fd)
	a.engine.table.live.Add(1)
}

// RegisterAccepted puts a socket from an AcceptFunc into l, parked; see
// Loop.Register.
func (l *Loop) RegisterAccepted(c *Conn, fd int, remote netip.AddrPort, p Parker, timeout time.Duration) Status {
	c.setRemote(remote)
	return l.Register(c, fd, p, timeout)
}
