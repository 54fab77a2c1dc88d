package netio

import (
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects c, registered in w's loop, to addr; on OK the caller owns c,
// which has no deadline. Otherwise c is closed: Refused, NoRoute, Reset, TimedOut
// or NoDescriptors; it is not for another attempt.
func (w *Worker) Dial(c *Conn, addr netip.AddrPort, p Parker, timeout time.Duration) Status {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	c.setRemote(addr)
	s := w.dial(c, addr, p, timeout)
	if s != OK && !c.Closed() {
		c.Close()
	}
	return s
}

func (w *Worker) dial(c *Conn, addr netip.AddrPort, p Parker, timeout time.Duration) Status {
	family := unix.AF_INET6
	if addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil || w.loop.engine.budget.beyond(fd) {
		c.r.Store(stClosed)
		return NoDescriptors
	}
	// Without TCP_NODELAY small messages are late, not lost.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	e := sysConnect(fd, addr)
	if e != 0 && e != syscall.EINPROGRESS {
		c.discard(fd)
		return connectStatus(e)
	}
	c.w.Store(stArmed)
	if s := w.loop.registerOwned(c, fd, p); s != OK {
		return s
	}
	if e == syscall.EINPROGRESS {
		c.SetDeadline(w.Now, timeout)
		for {
			if !w.waitWrite(c) {
				return TimedOut
			}
			e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err != nil || e != 0 {
				return connectStatus(syscall.Errno(e))
			}
			// Writable without an error is connected; an event that was
			// left over from before the connect is not.
			if sysGetpeername(c.fd).IsValid() {
				break
			}
			if c.Broken() {
				return Reset
			}
		}
		c.SetDeadline(0, 0)
	}
	c.Disarm()
	// A port from which the kernel draws ours, and where nobody listens: it may
	// have drawn that very one, and TCP then connects the socket to itself.
	if c.Local() == addr {
		return Refused
	}
	return OK
}

func connectStatus(e syscall.Errno) Status {
	switch e {
	case syscall.ECONNREFUSED:
		return Refused
	case syscall.ETIMEDOUT:
		return TimedOut
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return NoRoute
	case syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN:
		return NoDescriptors
	}
	return Reset
}
