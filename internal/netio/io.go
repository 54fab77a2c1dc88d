package netio

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// TryRead reads what is there into p, which must not be empty; Again means
// nothing is. After a read that did not fill p, while c is not hung up, there is
// nothing more, and reading on would only cost a system call. Who calls it over and
// over sees to Worker.Spend.
func (c *Conn) TryRead(p []byte) (int, Status) {
	if invariants && len(p) == 0 {
		panic("netio: TryRead into nothing, which would look like EOF")
	}
	if c.aborted() {
		return 0, Reset
	}
	// Before the read, not after: what it finds includes what the event was
	// about, while an event that comes later may not be.
	c.consume()
	n, e := sysRead(c.fd, p)
	if e == 0 && n > 0 {
		// hangup is stored before the event it came with: either we see it
		// here, or the event is still to come.
		c.unread = n == len(p) || c.hangup.Load() != 0
		return n, OK
	}
	c.unread = false
	switch e {
	case 0:
		return 0, EOF
	case syscall.EAGAIN:
		return 0, Again
	}
	return 0, Reset
}

// Read reads at least one byte, waiting until timeout from now for it.
func (w *Worker) Read(c *Conn, p []byte, timeout time.Duration) (int, Status) {
	for {
		n, s := c.TryRead(p)
		if s != Again {
			return n, s
		}
		c.SetDeadline(w.Now, timeout)
		if !w.WaitRead(c) {
			return 0, TimedOut
		}
	}
}

// Peek tells whether an idle connection is still good: Again when there is
// nothing to read, as there should be; EOF, Reset or OK when there is. A Parker
// may call it in Ready before it claims; should somebody else claim meanwhile,
// the answer means nothing.
func (c *Conn) Peek() Status {
	n, e := sysPeek(c.fd)
	switch {
	case e == syscall.EAGAIN:
		return Again
	case e != 0:
		return Reset
	case n == 0:
		return EOF
	}
	return OK
}

// TryWrite writes what fits; see also Worker.Spend. After Again the connection is armed: wait for it
// with WaitAny{Write: true}, and call Disarm when done.
func (c *Conn) TryWrite(p []byte) (int, Status) {
	if c.aborted() {
		return 0, Reset
	}
	n, e := sysWrite(c.fd, p, 0)
	if e == syscall.EAGAIN && c.w.CompareAndSwap(nil, stArmed) {
		// The socket may have drained before the arming, and said so to nobody;
		// or it was cut, and nobody was waiting.
		if c.aborted() {
			return 0, Reset
		}
		n, e = sysWrite(c.fd, p, 0)
	}
	switch e {
	case 0:
		return n, OK
	case syscall.EAGAIN:
		return 0, Again
	}
	return 0, Reset
}

// Disarm says that the owner does not care for writability any more.
func (c *Conn) Disarm() {
	if c.w.Load() != nil {
		c.w.Store(nil)
	}
}

// Write writes all of p. The peer may take timeout for each part that it
// accepts.
func (w *Worker) Write(c *Conn, p []byte, timeout time.Duration) Status {
	return w.write(c, p, timeout, nil)
}

// WritePaced writes all of p to a peer that takes it at pace.
func (w *Worker) WritePaced(c *Conn, p []byte, pace *Pace) Status {
	return w.write(c, p, 0, pace)
}

func (w *Worker) write(c *Conn, p []byte, timeout time.Duration, pace *Pace) Status {
	if c.aborted() {
		return Reset
	}
	w.Spend(len(p))
	n, e := sysWrite(c.fd, p, 0)
	if e == 0 && n == len(p) {
		return OK
	}
	if e == 0 {
		p = p[n:]
	}
	defer c.Disarm()
	for {
		n, s := c.TryWrite(p)
		switch s {
		case OK:
			if p = p[n:]; len(p) == 0 {
				return OK
			}
		case Again:
			if !w.waitTaken(c, timeout, pace) {
				return TimedOut
			}
		default:
			return s
		}
	}
}

// maxVectors is how many slices one writev takes; more are sent in turns.
const maxVectors = 16

// maxJoin is up to how many bytes Writev copies together: writev costs more
// than send, by more than the copying of so little does.
const maxJoin = 2 << 10

// Writev writes all of bufs, in order. Empty slices are skipped. bufs is not
// changed. The peer may take timeout for each part that it accepts.
func (w *Worker) Writev(c *Conn, bufs [][]byte, timeout time.Duration) Status {
	return w.writev(c, bufs, timeout, nil)
}

// WritevPaced writes all of bufs, as Writev does, to a peer that takes it at
// pace.
func (w *Worker) WritevPaced(c *Conn, bufs [][]byte, pace *Pace) Status {
	return w.writev(c, bufs, 0, pace)
}

func (w *Worker) writev(c *Conn, bufs [][]byte, timeout time.Duration, pace *Pace) Status {
	if w.join(bufs) {
		return w.write(c, w.joined, timeout, pace)
	}
	for len(bufs) > 0 {
		k, total := 0, 0
		for len(bufs) > 0 && k < maxVectors {
			b := bufs[0]
			bufs = bufs[1:]
			if len(b) == 0 {
				continue
			}
			w.iov[k].Base = &b[0]
			w.iov[k].SetLen(len(b))
			total += len(b)
			k++
		}
		s := w.writevAll(c, w.iov[:k], total, timeout, pace)
		clear(w.iov[:k]) // an idle worker must not hold on to what it sent
		if s != OK {
			return s
		}
	}
	return OK
}

// join copies bufs into w.joined if that is enough for them.
func (w *Worker) join(bufs [][]byte) bool {
	w.joined = w.joined[:0]
	for _, b := range bufs {
		if len(w.joined)+len(b) > cap(w.joined) {
			return false
		}
		w.joined = append(w.joined, b...)
	}
	return len(w.joined) > 0
}

func (w *Worker) writevAll(c *Conn, iov []unix.Iovec, total int, timeout time.Duration, pace *Pace) Status {
	if total == 0 {
		return OK
	}
	if c.aborted() {
		return Reset
	}
	w.Spend(total)
	n, e := sysWritev(c.fd, iov)
	switch {
	case e == 0 && n == total:
		return OK
	case e == syscall.EAGAIN:
		n = 0
	case e != 0:
		return Reset
	}
	// The slow path: finish slice by slice.
	for i := range iov {
		b := bytesOf(&iov[i])
		if n >= len(b) {
			n -= len(b)
			continue
		}
		if s := w.write(c, b[n:], timeout, pace); s != OK {
			return s
		}
		n = 0
	}
	return OK
}
