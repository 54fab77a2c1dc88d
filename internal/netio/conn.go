package netio

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Parker is told what happens to a Conn that it parked. Both methods run on
// the loop's or the wheel's goroutine and must not block; c is not owned by
// them until Claim says so.
type Parker interface {
	// Ready: c became readable, or its peer closed or reset it.
	Ready(c *Conn)
	// Expired: c's deadline passed.
	Expired(c *Conn)
}

// Task is work for a worker: the life of a Conn from a wake-up to the next
// park.
type Task interface {
	// Serve runs on the worker's goroutine and owns the Conn it was started
	// for. It must have parked or closed it when it returns.
	Serve(w *Worker)
}

// Conn is one non-blocking stream socket in a loop. Embed it to keep state
// beside it; it must not be copied after Register.
//
// Methods may be called by its owner only, except Claim, Closed and Hangup.
type Conn struct {
	// Immutable after Register.
	loop   *Loop
	parker Parker
	accept *Acceptor // set for listening sockets, which are never owned
	fd     int32
	gen    uint32

	// Ownership words; see the package documentation.
	r, w atomic.Pointer[waiter]

	deadline atomic.Uint32 // tick at which it expires; noDeadline for never
	filed    atomic.Uint32 // tick of its soonest wheel entry
	hangup   atomic.Uint32 // sticky: hangFIN, hangReset

	remote netip.AddrPort
}

const (
	hangFIN   = 1 << iota // the peer will send no more
	hangReset             // the connection is dead in both directions
)

// Status says how an operation on a Conn ended. It is a value, not an error:
// the data path must not allocate to fail.
type Status uint8

// The ways an operation ends.
const (
	OK            Status = iota
	EOF                  // the peer closed its sending side
	Reset                // the connection was reset, or is otherwise broken
	Refused              // connect: nobody listens there
	NoRoute              // connect: no route, or the host does not answer ARP
	TimedOut             // the deadline passed
	Again                // nothing to read now (TryRead only)
	NoDescriptors        // the process or the system is out of descriptors, ports or memory
)

var statusNames = [...]string{"ok", "eof", "reset", "refused", "no-route", "timed-out", "again", "no-descriptors"}

func (s Status) String() string { return statusNames[s] }

// Loop returns the loop that c is registered in.
func (c *Conn) Loop() *Loop { return c.loop }

// FD returns the descriptor, for socket options and for splice.
func (c *Conn) FD() int { return int(c.fd) }

// Remote returns the peer's address, IPv4 addresses unmapped.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Local asks the kernel for our address of the connection, IPv4 unmapped. It is
// a system call, for rare use.
func (c *Conn) Local() netip.AddrPort { return sysGetsockname(c.fd) }

// CloseDescriptor closes a socket that was never registered.
func CloseDescriptor(fd int) { sysClose(int32(fd)) }

// Hangup tells whether the peer has sent FIN or RST. Any goroutine may ask.
func (c *Conn) Hangup() bool { return c.hangup.Load() != 0 }

// Broken tells whether the connection is dead in both directions.
func (c *Conn) Broken() bool { return c.hangup.Load()&hangReset != 0 }

// Pending tells whether an event came that the owner has not consumed: there
// is, or was, something to read.
func (c *Conn) Pending() bool { return c.r.Load() == stReady }

// Park gives c up until it is readable, hung up or expired: then its Parker is
// told. It returns false when an event came since the owner last read; the
// owner keeps c and should read again. After true the caller must not touch c.
//
// timeout counts from now, the caller's idea of the time; 0 means for ever.
func (c *Conn) Park(now int64, timeout time.Duration) bool {
	c.SetDeadline(now, timeout)
	if c.r.CompareAndSwap(nil, stParked) {
		return true
	}
	c.r.CompareAndSwap(stReady, nil)
	return false
}

// Claim takes a parked connection. It returns false if somebody else did, or
// if it is closed. Any goroutine may call it; after true the caller owns c.
func (c *Conn) Claim() bool {
	if c.r.CompareAndSwap(stParked, nil) {
		c.deadline.Store(noDeadline)
		return true
	}
	return false
}

// Closed tells whether c was closed.
func (c *Conn) Closed() bool { return c.r.Load() == stClosed }

// Close closes the descriptor: FIN if everything received was read, else RST.
// Only the owner may call it, once.
func (c *Conn) Close() {
	if invariants && c.r.Load() == stClosed {
		panic("netio: Conn closed twice")
	}
	c.r.Store(stClosed)
	c.w.Store(stClosed)
	c.loop.engine.table.clear(c.fd)
	c.loop.conns.Add(-1)
	sysClose(c.fd)
}

// CloseReset closes the descriptor with RST, dropping what was not delivered.
func (c *Conn) CloseReset() {
	setLingerZero(c.fd)
	c.Close()
}

// CloseWrite sends FIN and keeps the receiving side open.
func (c *Conn) CloseWrite() { sysShutdownWrite(c.fd) }

// SetDeadline sets when waiting for c, or its stay in the park, ends: timeout
// from now; 0 means never. It is coarse: it fires up to two ticks late.
func (c *Conn) SetDeadline(now int64, timeout time.Duration) {
	if timeout <= 0 {
		c.deadline.Store(noDeadline)
		return
	}
	t := tickAfter(now, timeout)
	c.deadline.Store(t)
	// Dekker with wheel.refile: it stores filed, then looks at deadline; we
	// store deadline, then look at filed. One of the two sees the other.
	if t < c.filed.Load() {
		c.loop.wheel.file(c, t)
	}
}
