package netio

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Parker is told what happens to a Conn that it parked. Both methods run on
// the loop's or the wheel's goroutine (Ready may also run inside Register) and
// must not block; c is not owned by them until Claim says so. Either may be
// told twice, or late: when somebody else has claimed c, or even parked it
// again. A Parker that leaves c where it is will be told of the next event.
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
// Methods may be called by its owner only, except Claim, Closed and Hangup, and
// Peek by its Parker.
type Conn struct {
	// Immutable after Register.
	loop   *Loop // nil for a listening socket, which is never owned
	parker Parker
	fd     int32
	gen    uint32

	// Ownership words; see the package documentation.
	r, w atomic.Pointer[waiter]

	deadline atomic.Uint32 // tick at which it expires; noDeadline for never
	filed    atomic.Uint32 // tick of its soonest wheel entry
	hangup   atomic.Uint32 // sticky: hangFIN, hangReset, hangAbort

	// The peer's address, in parts: 14 bytes less than a netip.AddrPort, which
	// makes the struct 80 bytes.
	port  uint16
	known bool // there is an address

	// unread is the owner's: it last read before the end, or the peer's FIN is
	// still to be read, so that there may be more without a further event.
	unread bool
	addr   [16]byte
}

const (
	hangFIN   = 1 << iota // the peer will send no more
	hangReset             // neither side can send any more
	hangAbort             // the engine closes, or Cut: every operation fails
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

// Remote returns the peer's address, IPv4 unmapped and IPv6 without its zone;
// the zero AddrPort when the peer has none, as on a Unix socket.
func (c *Conn) Remote() netip.AddrPort {
	if !c.known {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom16(c.addr).Unmap(), c.port)
}

func (c *Conn) setRemote(a netip.AddrPort) {
	if c.known = a.IsValid(); c.known {
		c.addr, c.port = a.Addr().As16(), a.Port()
	}
}

// Local asks the kernel for our address of the connection, IPv4 unmapped. It is
// a system call, for rare use.
func (c *Conn) Local() netip.AddrPort { return sysGetsockname(c.fd) }

// CloseDescriptor closes a socket that was never registered.
func CloseDescriptor(fd int) { sysClose(int32(fd)) }

// ResetDescriptor closes a socket that was never registered with RST, whatever
// its peer has sent.
func ResetDescriptor(fd int) {
	setLingerZero(int32(fd))
	sysClose(int32(fd))
}

// Hangup tells whether the peer has sent FIN or RST. Any goroutine may ask.
func (c *Conn) Hangup() bool { return c.hangup.Load() != 0 }

// Broken tells whether neither side can send any more: a reset, or FIN both
// ways. What arrived before may still be there to read.
func (c *Conn) Broken() bool { return c.hangup.Load()&hangReset != 0 }

// aborted tells whether the engine closes, or c was cut. It is looked at before every
// operation, because nobody but the owner may touch the descriptor: a shutdown
// from elsewhere could meet another socket under the same number.
func (c *Conn) aborted() bool { return c.hangup.Load()&hangAbort != 0 }

// consume says that the owner is about to read, and so will see whatever the
// events so far were about.
func (c *Conn) consume() {
	if c.r.Load() == stReady {
		c.r.CompareAndSwap(stReady, nil)
	}
}

// Pending tells whether there is something to read: bytes, FIN or an error. It
// asks the kernel only if there may be: after an event since the last read, or
// a read that stopped short of the end.
func (c *Conn) Pending() bool {
	if !c.unread && c.r.Load() != stReady {
		return false
	}
	c.consume()
	c.unread = c.Peek() != Again
	return c.unread
}

// Park gives c up until it is readable, hung up or expired: then its Parker is
// told. It returns false when there is something to read already; the owner
// keeps c and should read again. After true the caller must not touch c.
//
// timeout counts from now, the caller's idea of the time; 0 means for ever.
func (c *Conn) Park(now int64, timeout time.Duration) bool {
	c.SetDeadline(now, timeout)
	for !c.Pending() {
		if c.r.CompareAndSwap(nil, stParked) {
			return true
		}
		if invariants && c.r.Load() != stReady {
			panic("netio: Park of a Conn that is not the caller's")
		}
	}
	return false
}

// Claim takes a parked connection. It returns false if somebody else did, or
// if it is closed. Any goroutine may call it; after true the caller owns c,
// and c has no deadline.
func (c *Conn) Claim() bool {
	switch {
	case c.r.CompareAndSwap(stWoken, stReady):
	case c.r.CompareAndSwap(stParked, nil):
	case c.r.CompareAndSwap(stWoken, stReady): // woken between the two
	default:
		return false
	}
	c.deadline.Store(noDeadline)
	return true
}

// Closed tells whether c was closed.
func (c *Conn) Closed() bool { return c.r.Load() == stClosed }

// Close closes the descriptor: FIN if everything received was read, else RST.
// Only the owner may call it, once.
func (c *Conn) Close() {
	if invariants {
		if s := c.r.Load(); s != nil && s != stReady {
			panic("netio: Close of a Conn that is closed, or not the caller's")
		}
	}
	c.r.Store(stClosed)
	c.w.Store(stClosed)
	c.loop.engine.table.clear(c.fd)
	c.loop.conns.Add(-1)
	sysClose(c.fd)
}

// discard closes a descriptor that did not become a connection.
func (c *Conn) discard(fd int) {
	c.r.Store(stClosed)
	c.w.Store(stClosed)
	sysClose(int32(fd))
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
	// Dekker with wheel.check: it stores filed, then looks at deadline; we
	// store deadline, then look at filed. One of the two sees the other.
	if t < c.filed.Load() {
		c.loop.wheel.file(c, t)
	}
}
